"""Parts of an image in which feature maps are computed one after another, exactly.

A position of a network layer is what it is on the whole image if the part has all that the
position sees. So every tile is responsible for whole blocks of positions, and runs on their input
and a halo, which is as wide as the reach of whatever is read from it.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..networks.sizes import AxisRule
from .axis_reach import AxisReach
from .crops import window_around
from .regions.region import Box, Shape


@dataclass(frozen=True)
class Place:
    """Where positions lie that are read from a tile.

    Attributes
    ----------
    whole
        On the whole image, per spatial axis.
    tile
        On the tile's own run.
    """

    whole: Box
    tile: Box


@dataclass(frozen=True)
class Tile:
    """A part of the input, and what is read from its run.

    Attributes
    ----------
    window
        Of the padded input, per spatial axis.
    places
        By name of what is read.
    """

    window: Box
    places: Mapping[str, Place]


class Tiling:
    """Divides an input into tiles.

    Parameters
    ----------
    reaches
        What is read, by name: how far its positions see, per spatial axis.
    shapes
        Spatial shape of each on the whole input.
    rules
        Which sizes run, per spatial axis.
    shape
        Spatial shape of the padded input.
    most
        Pixels that a tile's window may have, halo included, if possible.
    """

    def __init__(
        self,
        reaches: Mapping[str, Sequence[AxisReach]],
        shapes: Mapping[str, Shape],
        rules: Sequence[AxisRule],
        shape: Shape,
        most: int,
    ):
        self._axes = [
            _Axis(
                {name: axes[axis] for name, axes in reaches.items()},
                {name: sizes[axis] for name, sizes in shapes.items()},
                rules[axis],
                shape[axis],
            )
            for axis in range(len(shape))
        ]
        self._names = list(reaches)
        self.blocks = self._fitting(most)

    def __len__(self) -> int:
        return math.prod(
            math.ceil(axis.blocks / n) for axis, n in zip(self._axes, self.blocks, strict=True)
        )

    def __iter__(self) -> Iterator[Tile]:
        rows = [
            [axis.part(first, first + n) for first in range(0, axis.blocks, n)]
            for axis, n in zip(self._axes, self.blocks, strict=True)
        ]
        for parts in itertools.product(*rows):
            places = {
                name: Place(
                    tuple(part.whole[name] for part in parts),
                    tuple(part.tile[name] for part in parts),
                )
                for name in self._names
            }
            yield Tile(tuple(part.window for part in parts), places)

    def positions(self, name: str) -> Shape:
        """Positions that a tile gives of what is read, per spatial axis; the last ones may differ.

        Parameters
        ----------
        name
            What is read.
        """
        return tuple(
            n * axis.reaches[name].outputs for axis, n in zip(self._axes, self.blocks, strict=True)
        )

    def _fitting(self, most: int) -> tuple[int, ...]:
        """Blocks per tile and axis: the longest axis is halved until windows are small enough."""
        blocks = [axis.blocks for axis in self._axes]
        while max(blocks) > 1:
            sizes = [axis.longest(n) for axis, n in zip(self._axes, blocks, strict=True)]
            if math.prod(sizes) <= most:
                break
            # Of one block there is no half.
            lengths = [
                n * axis.stride if n > 1 else 0 for axis, n in zip(self._axes, blocks, strict=True)
            ]
            longest = int(np.argmax(lengths))
            blocks[longest] = math.ceil(blocks[longest] / 2)
        return tuple(blocks)


@dataclass(frozen=True)
class _Part:
    """A tile along one axis."""

    window: slice
    whole: dict[str, slice]
    tile: dict[str, slice]


@dataclass(frozen=True)
class _Axis:
    """One spatial axis of the input."""

    reaches: Mapping[str, AxisReach]
    lengths: Mapping[str, int]
    rule: AxisRule
    size: int

    @property
    def stride(self) -> int:
        """Input pixels per block."""
        return next(iter(self.reaches.values())).stride

    @property
    def blocks(self) -> int:
        """Blocks on the axis, the last one perhaps not whole."""
        return math.ceil(self.size / self.stride)

    def longest(self, blocks: int) -> int:
        """Pixels of the longest window of tiles with so many blocks."""
        ends = [reach.inputs(0, reach.outputs) for reach in self.reaches.values()]
        low = min(0, *(low for low, _ in ends))
        high = max(self.stride, *(high for _, high in ends))
        return min(self.size, (blocks - 1) * self.stride + high - low)

    def part(self, first: int, stop: int) -> _Part:
        """The tile with some blocks."""
        whole, starts, stops = {}, [first * self.stride], [min(stop * self.stride, self.size)]
        for name, reach in self.reaches.items():
            length = self.lengths[name]
            # Padding can give a network layer positions behind the last block.
            end = length if stop >= self.blocks else min(stop * reach.outputs, length)
            whole[name] = slice(min(first * reach.outputs, end), end)
            if whole[name].start < end:
                low, high = reach.inputs(whole[name].start, end)
                starts.append(low)
                stops.append(high)
        window = window_around(min(starts), max(stops), self.rule, self.size, self.stride)
        tile = {}
        for name, reach in self.reaches.items():
            shift = reach.output_index(window.start)
            tile[name] = slice(whole[name].start - shift, whole[name].stop - shift)
        return _Part(window, whole, tile)
