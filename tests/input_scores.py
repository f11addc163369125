"""Scores as functions of the input, for the tests of methods that run the network many times."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.explain.input_score import InputScore
from napari_seggradcam.networks.running import as_found

Ask = Callable[[int, int, str], None]


def sum_over(mask: NDArray[np.bool_], row: int = 1) -> Callable[[torch.Tensor], torch.Tensor]:
    """S = Σ_M y_row, as a function of logits."""
    inside = torch.from_numpy(mask)
    return lambda logits: logits[:, row][:, inside].double().sum(1)


def network_of(module: nn.Module, channels: int = 1, ndim: int = 2) -> sgc.Network:
    return sgc.Network.from_module(module, axes="CYX" if ndim == 2 else "CZYX", channels=channels)


@contextmanager
def score_of(
    network: sgc.Network,
    tensor: torch.Tensor,
    score: Callable[[torch.Tensor], torch.Tensor],
    progress: Ask | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[InputScore]:
    """The score, as callers use it."""
    with network.lock, as_found(network.module), torch.enable_grad():
        yield InputScore(network, tensor, score, progress, cancel)


def state_of(module: nn.Module) -> list[object]:
    """All that must be the same after a computation."""
    return [
        [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in module.modules()],
        [(p.requires_grad, p.grad, p.detach().clone().tolist()) for p in module.parameters()],
        [b.clone().tolist() for b in module.buffers()],
    ]


def unet(**options: object) -> nn.Module:
    """A small U-Net."""
    return sgc.UNet(**{"depth": 2, "base_width": 4, **options})


class Plain(nn.Module):
    """A convolution, a rectifier that may be in place, and a head."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=inplace)
        self.head = nn.Conv2d(5, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.conv(x)))


class OneByOne(nn.Module):
    """Takes no batches, as networks that were exported for one image."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            raise ValueError("one image, please")
        return self.inner(x)


class Mixing(OneByOne):
    """Takes batches, and lets the images of a batch know each other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + x.mean() * (len(x) > 1)


def image_of(*shape: int) -> torch.Tensor:
    """Noise between 0 and 1."""
    return torch.from_numpy(np.random.default_rng(0).random((1, 1, *shape), np.float32))


def box(*shape: int) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(n // 4, n // 2) for n in shape)] = True
    return mask


def sample_crop(name: str, size: int = 64) -> tuple[sgc.Network, torch.Tensor, NDArray[np.bool_]]:
    """Shipped network, padded input and region of a window of its sample."""
    sample = sgc.open_sample(name)
    network = sgc.open_network(sample.network_path, device="cpu")
    window = tuple(
        slice(start, start + size)
        for start in (
            int(np.clip(at.mean() - size // 2, 0, n - size))
            for at, n in zip(np.nonzero(sample.region), sample.region.shape, strict=True)
        )
    )
    image = sample.image[window]
    image = np.moveaxis(image, -1, 0) if sample.axes == "YXC" else image
    return network, network.prepare(image).tensor, sample.region[window].copy()
