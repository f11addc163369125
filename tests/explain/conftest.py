"""An independent float64 computation of what Seg-Grad-CAM is."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc


@dataclass
class Truth:
    """Weights and signed map in double precision, and what was summed to get them."""

    weights: NDArray[np.float64]
    signed: NDArray[np.float64]
    summed_for_weights: float
    summed_for_signed: float

    def errors(self, heatmap: sgc.Heatmap) -> tuple[float, float]:
        """Errors of weights and signed map relative to what was summed."""
        weights = np.abs(heatmap.weights - self.weights).max()
        signed = np.abs(heatmap.signed - self.signed).max()
        return weights / self.summed_for_weights, signed / self.summed_for_signed


def truth_of(maps: torch.Tensor) -> Truth:
    gradient = torch.zeros_like(maps) if maps.grad is None else maps.grad
    maps, gradient = maps.detach()[0].numpy(), gradient[0].numpy()
    axes = tuple(range(1, maps.ndim))
    size = np.abs(gradient).mean(axes)
    weights = gradient.mean(axes)
    if np.abs(weights).max() <= 1e-6 * size.max():
        weights = np.zeros_like(weights)
    signed = np.einsum("k,k...->...", weights, maps)
    summed = np.einsum("k,k...->...", size, np.abs(maps)).max()
    return Truth(weights, signed, size.max() or 1.0, summed or 1.0)


Oracle = Callable[[sgc.Network, NDArray, NDArray, int], dict[str, Truth]]


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """Truth for every module of a network, and for the skips if all joins are `torch.cat`.

    The module is copied, made double and out of place; autograd's own ``backward`` fills
    ``grad`` of every hooked output. The image must need no padding.
    """

    def compute(
        network: sgc.Network, image: NDArray, weights: NDArray, target: int
    ) -> dict[str, Truth]:
        module = copy.deepcopy(network.module).double().eval()
        called: dict[tuple[str, int], torch.Tensor] = {}
        joined: list[list[torch.Tensor]] = []
        for path, child in module.named_modules():
            if hasattr(child, "inplace"):
                child.inplace = False

            def hook(m: nn.Module, args: object, out: object, path: str = path) -> object:
                if not isinstance(out, torch.Tensor):
                    return out
                out.retain_grad()
                number = sum(1 for known, _ in called if known == path)
                called[path, number] = out
                return out * 1

            child.register_forward_hook(hook)
        x = network.prepare(image).tensor.double().requires_grad_()
        cat = torch.cat

        def spying_cat(tensors: list[torch.Tensor], dim: int = 0) -> torch.Tensor:
            separate = [t * 1 for t in tensors]
            for t in separate:
                t.retain_grad()
            joined.append(separate)
            return cat(separate, dim)

        with monkeypatch.context() as patch:
            patch.setattr(torch, "cat", spying_cat)
            output = module(x)
        row = 0 if output.shape[1] == 1 else target
        sign = -1 if output.shape[1] == 1 and target == 0 else 1
        (sign * output[0, row] * torch.from_numpy(weights)).sum().backward()
        truths = {}
        for layer in network.layers:
            if layer.module is not None:
                truths[layer.name] = truth_of(called[layer.module, layer.call])
            elif len(joined) > layer.call:
                truths[layer.name] = truth_of(joined[layer.call][layer.argument])
        return truths

    return compute
