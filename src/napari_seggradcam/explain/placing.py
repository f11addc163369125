"""Where the map of a network layer lies on the image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..networks.layers import NetworkLayer
from .regions.region import Box


@dataclass(frozen=True)
class Placement:
    """Which positions of a network layer lie on the image, and where.

    Attributes
    ----------
    keep
        Positions whose cell of one stride overlaps the image; the others lie on the padding.
    scale, translate
        Kept position ``i`` lies on image pixel ``scale * i + translate``, per spatial axis.
    """

    keep: Box
    scale: tuple[float, ...]
    translate: tuple[float, ...]


def placement_of(
    layer: NetworkLayer,
    positions: Sequence[int],
    before: Sequence[int],
    image_shape: Sequence[int],
) -> Placement:
    """Placement of a network layer's map.

    Parameters
    ----------
    layer
        The network layer.
    positions
        Spatial shape of its feature maps on the padded input.
    before
        Pixels of padding before the image, per spatial axis.
    image_shape
        Spatial shape of the image.
    """
    keep, translate = [], []
    for offset, stride, lead, size, length in zip(
        layer.offset, layer.stride, before, image_shape, positions, strict=True
    ):
        first = offset - lead
        low = max(0, math.floor((-0.5 - first) / stride + 0.5))
        high = math.ceil((size - 0.5 - first) / stride + 0.5)
        keep.append(slice(low, min(high, length)))
        translate.append(first + low * stride)
    return Placement(tuple(keep), layer.stride, tuple(translate))
