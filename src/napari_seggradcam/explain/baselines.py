"""Maps that know nothing of the network's reasons, to see whether an explanation knows more.

A heatmap that resembles one of these has said little: random weights show what the feature maps
alone look like, the mean activation where the network is active for whatever reason, edges what the
image alone looks like, and the class map what was predicted.

References
----------
J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim: Sanity Checks for Saliency Maps.
NeurIPS 2018.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.layers import NetworkLayer

Weights = NDArray[np.float64]


def random_weights(layer: NetworkLayer, seed: int = 0) -> Weights:
    """Weights that are a random direction, of length 1 and of shape (channels,).

    Normal numbers, divided by their length. They depend on the seed and on the name and the
    channels of the network layer, and on nothing else: so they are the same for every image and
    region, and others for every network layer.
    """
    generator = np.random.default_rng([seed, zlib.crc32(layer.name.encode())])
    weights = generator.standard_normal(layer.channels)
    return np.asarray(weights / np.linalg.norm(weights))


def equal_weights(layer: NetworkLayer, seed: int = 0) -> Weights:
    """Weights 1/C, of shape (channels,): the signed map is the mean activation, 1/C · Σ_k A_k.

    There is nothing random in them; the seed is there for the same call as of `random_weights`.
    """
    return np.full(layer.channels, 1 / layer.channels)


WEIGHTS: dict[str, Callable[[NetworkLayer, int], Weights]] = {
    "random-weights": random_weights,
    "mean-activation": equal_weights,
}


def sobel_edges(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Strength of edges, √(Σ_channels sobel²), of shape spatial.

    Parameters
    ----------
    values
        Image of shape (channels, *spatial), such as the network's normalised input, whose channels
        are of one scale.
    """
    from skimage.filters import sobel

    edges = [sobel(channel.astype(np.float64)) for channel in values]
    return np.asarray(np.sqrt(np.sum(np.square(edges), axis=0)))


def class_map(
    logits: torch.Tensor, target: int, *, probability: bool = False
) -> NDArray[np.float64]:
    """What the network puts out for a class, of shape (*output).

    Parameters
    ----------
    logits
        Of shape (1, rows, *output).
    target
        Class c; with one row z of logits, class 1 has the logit z and class 0 has -z.
    probability
        Whether to give softmax or, of one row, sigmoid, instead of the logit y_c.
    """
    rows = logits[0].detach().cpu().double()
    if len(rows) == 1:
        row = rows[0] if target == 1 else -rows[0]
        row = row.sigmoid() if probability else row
    else:
        row = rows.softmax(0)[target] if probability else rows[target]
    return row.numpy()
