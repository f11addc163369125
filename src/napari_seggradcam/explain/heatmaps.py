"""From what a method says of a network layer to a heatmap that lies on the image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks.layers import NetworkLayer
from ..networks.network import Network
from .explanation import Heatmap
from .jobs import Found
from .methods.answering import LayerAnswer
from .methods.weighting import Method
from .placing import placement_of
from .questions import Question
from .reach import reach_of
from .regions.region import Mask
from .truncation import NOTHING_KEPT, extent_of
from .views import View


def heatmap_of(
    network: Network,
    view: View,
    question: Question,
    layer: NetworkLayer,
    found: Found,
    image_shape: tuple[int, ...],
) -> Heatmap:
    """A network layer's map without the padding, truncated, and where on the image it lies.

    Parameters
    ----------
    network
        What was asked.
    view
        On what it ran.
    question
        What was asked.
    layer
        The network layer.
    found
        What came of it.
    image_shape
        Spatial shape of the image.
    """
    answer = found.answers[layer.name]
    placed = found.layers.get(layer.name, layer)
    place = placement_of(placed, answer.signed.shape, view.prepared.before, image_shape)
    signed, kept, note = np.ascontiguousarray(answer.signed[place.keep]), None, None
    if question.truncate is not None:
        extent, note = extent_of(
            question.truncate,
            answer.mass,
            found.gradients[layer.name],
            found.region,
            layer,
            answer.signed.shape,
            reach_of(network, view.prepared.padded_shape),
        )
        kept = np.ascontiguousarray(extent[place.keep])
    return Heatmap(
        placed,
        signed,
        answer.weights,
        place.scale,
        place.translate,
        image_shape,
        _why_empty(question.method, answer, signed, kept),
        _seen(view, placed, layer, found, image_shape),
        kept,
        note,
    )


def _seen(
    view: View,
    placed: NetworkLayer,
    layer: NetworkLayer,
    found: Found,
    image_shape: tuple[int, ...],
) -> tuple[tuple[int, int], ...] | None:
    """Pixels of the image that a map is of, where it is not of all."""
    if view.box is not None:
        return tuple((side.start, side.stop) for side in view.box)
    if placed is layer or found.seen is None:
        return None
    return tuple(
        (max(0, side.start - lead), min(size, side.stop - lead))
        for side, lead, size in zip(found.seen, view.prepared.before, image_shape, strict=True)
    )


def _why_empty(
    method: Method, answer: LayerAnswer, signed: NDArray[np.floating[Any]], kept: Mask | None
) -> str | None:
    """Why a heatmap is zero everywhere, or None."""
    if answer.empty is not None:
        return answer.empty
    if not (signed > 0).any():
        return method.nothing_positive
    return None if kept is None or (signed[kept] > 0).any() else NOTHING_KEPT
