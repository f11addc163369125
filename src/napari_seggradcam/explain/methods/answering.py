"""From weights to signed maps, for many questions about one network layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..patches import Patch
from ..regions.region import Box, seen_from
from .gradient import LayerGradient, parts
from .weighting import LayerShape, MapWeights, PositionWeights, overlap

Weights = MapWeights | PositionWeights


@dataclass(eq=False)
class LayerAnswer:
    """What a method says of one network layer.

    Attributes
    ----------
    signed
        The weighted sum of the feature maps, at the network layer's resolution; float32, float64
        where the maps are.
    weights
        Of every feature map, of the same type, (channels,); where a method weighs every position,
        the mean over all of them.
    empty
        Why there are no weights, or None.
    mass
        Σ_k |dS/dA_k A_k| at every position, of the type of the map; None where nobody asked.
    """

    signed: NDArray[np.floating[Any]]
    weights: NDArray[np.floating[Any]]
    empty: str | None
    mass: NDArray[np.floating[Any]] | None = None

    @classmethod
    def blank(cls, weights: Weights, shape: LayerShape, with_mass: bool = False) -> "LayerAnswer":
        """Answer whose maps are zero, to be filled by `fill`."""
        alpha = weights.alpha.to(shape.answer_dtype).numpy()
        signed, *mass = (np.zeros(shape.spatial, alpha.dtype) for _ in range(1 + with_mass))
        return cls(signed, alpha, weights.empty, *mass)


def fill(
    answers: Sequence[LayerAnswer],
    weights: Sequence[Weights],
    gradients: Sequence[LayerGradient],
    maps: torch.Tensor,
    box: tuple[slice, ...],
) -> None:
    """Fill the maps of many answers where feature maps are there; these are read once.

    Parameters
    ----------
    answers, weights, gradients
        Of every question.
    maps
        A_k, (1, channels, *box).
    box
        Where they lie on the whole.
    """
    alike = [i for i, one in enumerate(weights) if isinstance(one, MapWeights) and not one.empty]
    if alike:
        alphas = torch.from_numpy(np.stack([answers[i].weights for i in alike]))
        for i, signed in zip(alike, signed_maps(alphas, maps), strict=True):
            answers[i].signed[box] = signed
    first = tuple(side.start for side in box)
    for answer, one, gradient in zip(answers, weights, gradients, strict=True):
        if isinstance(one, PositionWeights):
            for part, products in _products(one, maps, first):
                answer.signed[part] = products.sum(0).cpu()
        if answer.mass is not None and gradient.patch is not None:
            for part, products in _products(gradient.patch, maps, first):
                answer.mass[part] = products.abs_().sum(0).cpu()


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


def _products(
    weights: PositionWeights | Patch, maps: torch.Tensor, first: tuple[int, ...]
) -> Iterator[tuple[Box, torch.Tensor]]:
    """w_k A_k part by part, (channels, *part), where there are weights and maps.

    Parameters
    ----------
    weights
        On the whole.
    maps
        A_k of a part of it, (1, channels, *spatial).
    first
        Where that begins on the whole.
    """
    dtype = torch.promote_types(maps.dtype, torch.float32)
    box = overlap(weights.box, maps, first)
    for part in () if box is None else parts(box, maps):
        there = maps[0][:, *seen_from(part, first)]
        yield part, weights.within(part)[0].to(dtype) * there.to(dtype)
