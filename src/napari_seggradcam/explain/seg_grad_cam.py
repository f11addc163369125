"""Seg-Grad-CAM: the arithmetic of the method, on one network layer.

With the score S = sum over the pixels (i, j) of M of the class logit y_c_ij and the feature maps
A_k of N positions, the weights are α_k = 1/N · Σ dS/dA_k, the signed map is Σ_k α_k A_k, and the
heatmap is its positive part.

References
----------
K. Vinogradova, A. Dibrov, G. Myers: Towards Interpretable Semantic Segmentation via
Gradient-Weighted Class Activation Mapping. AAAI-20 student abstract, 2020.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

NAME = "seg-grad-cam"
# Below this share of the gradient, weights are what rounding has left of an exact zero. Of half
# precision it leaves more; measured with instance norm.
_ROUNDING = 1e-6
_ROUNDING_OF = {torch.float16: 5e-4, torch.bfloat16: 2e-3}

NO_PATH = "No gradient reaches this network layer from the region: the score does not depend on it."
NORMALISED_AWAY = "The normalisation behind this network layer removes its weights; ask after it."
NO_POSITIVE_EVIDENCE = (
    "No positive evidence: the weighted feature maps are nowhere above zero. "
    "Look at the signed map."
)


@dataclass(frozen=True)
class LayerAnswer:
    """What the method says of one network layer.

    Attributes
    ----------
    signed
        Σ_k α_k A_k, float32, at the network layer's resolution; float64 where the maps are.
    weights
        α_k, of the same type, of shape (channels,).
    empty
        Why there are no weights, or None.
    """

    signed: NDArray[np.floating[Any]]
    weights: NDArray[np.floating[Any]]
    empty: str | None


class LayerWeights:
    """Weights of one network layer, from its gradient on the whole or on one crop after another.

    Positions that no crop covers have no gradient, and what a position gets from several crops
    adds up: the score is a sum over M.
    """

    def __init__(self) -> None:
        self._sum: torch.Tensor | None = None
        self._size: torch.Tensor | None = None

    def add(self, gradient: torch.Tensor) -> None:
        """Add dS/dA_k of shape (1, channels, *spatial)."""
        total, size = sums(gradient)
        self.add_sums(total[0], size[0])

    def add_sums(self, total: torch.Tensor, size: torch.Tensor) -> None:
        """Add what `sums` gave for one item of a batch, each of shape (channels,)."""
        self._sum = total if self._sum is None else self._sum + total
        self._size = size if self._size is None else self._size + size

    def means(
        self, channels: int, positions: int, rounding: float = _ROUNDING
    ) -> tuple[torch.Tensor, str | None]:
        """α_k, in double, of shape (channels,); and why they are zero, or None."""
        if self._sum is None or self._size is None or not bool(self._size.any()):
            return torch.zeros(channels, dtype=torch.float64), NO_PATH
        if float(self._sum.abs().max()) <= rounding * float(self._size.max()):
            return torch.zeros_like(self._sum), NORMALISED_AWAY
        return self._sum / positions, None


def answers(weights: Sequence[LayerWeights], maps: torch.Tensor) -> list[LayerAnswer]:
    """What the method says of one network layer, for one question after another.

    Parameters
    ----------
    weights
        Of every question.
    maps
        A_k on the whole, of shape (1, channels, *spatial); read once for all questions.
    """
    found = [_means(one, maps, maps[0, 0].numel()) for one in weights]
    alphas = torch.stack([alpha for alpha, _ in found])
    there = [number for number, (_, empty) in enumerate(found) if empty is None]
    signed = np.zeros((len(found), *maps.shape[2:]), alphas.numpy().dtype)
    if there:
        signed[there] = signed_maps(alphas[there], maps)
    return [
        LayerAnswer(signed[number], alphas[number].numpy(), empty)
        for number, (_, empty) in enumerate(found)
    ]


def blank_answer(weights: LayerWeights, maps: torch.Tensor, shape: tuple[int, ...]) -> LayerAnswer:
    """Answer whose signed map is zero, to be filled part by part.

    Parameters
    ----------
    weights
        Of the question.
    maps
        A part of the feature maps.
    shape
        Spatial shape of the whole.
    """
    alpha, empty = _means(weights, maps, math.prod(shape))
    return LayerAnswer(np.zeros(shape, alpha.numpy().dtype), alpha.numpy(), empty)


def _means(
    weights: LayerWeights, maps: torch.Tensor, positions: int
) -> tuple[torch.Tensor, str | None]:
    """α_k in single precision, or in that of the maps if it is higher; and why they are zero."""
    rounding = _ROUNDING_OF.get(maps.dtype, _ROUNDING)
    alpha, empty = weights.means(maps.shape[1], positions, rounding)
    return alpha.to(torch.promote_types(maps.dtype, torch.float32)), empty


def signed_maps(alphas: torch.Tensor, maps: torch.Tensor) -> NDArray[np.floating[Any]]:
    """Σ_k α_k A_k for one set of weights after another.

    Parameters
    ----------
    alphas
        Of shape (questions, channels), float32 or float64.
    maps
        A_k, of shape (1, channels, *spatial), of the whole or of a part.

    Returns
    -------
    ndarray, shape (questions, *spatial)
        Of the type of ``alphas``.
    """
    product = alphas.to(maps.device) @ maps[0].flatten(1).to(alphas.dtype)
    return product.view(-1, *maps.shape[2:]).cpu().numpy()


def sums(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over all positions of a gradient and of its absolute values, for every item.

    Parameters
    ----------
    gradient
        dS/dA_k of shape (batch, channels, *spatial). Where it is known to be zero outside a box,
        the box alone gives the same.

    Returns
    -------
    tuple of tensor
        Each in double, on the processor, of shape (batch, channels).
    """
    return _sum(gradient), _sum(gradient.abs())


def _sum(values: torch.Tensor) -> torch.Tensor:
    """Sum over all positions, in double.

    Rows are summed in single precision, as a product with ones, which is many times faster than
    a sum in double; a row is short enough to keep its digits.
    """
    if values.dtype in (torch.float16, torch.bfloat16):  # which would not keep them
        values = values.float()
    rows = values.movedim(1, -1)
    ones = torch.ones((1, rows.shape[-2]), dtype=values.dtype, device=values.device)
    # On the processor, because not every device knows double precision.
    rows = torch.matmul(ones, rows).cpu().double()
    return rows.flatten(1, -2).sum(1)
