"""Which parts of the input to run for a region, so that its gradient is exactly the whole's.

The gradient of the score is zero beyond the reach of M, and weights add up over disjoint parts of
M. So M may be split into parts that lie far apart, and each asked about on a crop of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..networks.sizes import AxisRule
from .axis_reach import AxisReach
from .regions.output import OutputRegion
from .regions.region import Box

# What a run costs besides its pixels, in pixels.
_OVERHEAD = {2: 32**2, 3: 16**3}


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of M and the part of the input that it sees.

    Attributes
    ----------
    window
        Of the padded input, per spatial axis.
    region
        The part of M, on the crop's own output.
    outputs
        Where the box around that part lies on the whole output.
    centre
        Where the middle of that box lies in the crop, per spatial axis, as a share of its size.
    """

    window: Box
    region: OutputRegion
    outputs: Box
    centre: tuple[float, ...]

    @property
    def pixels(self) -> int:
        """Number of input pixels."""
        return math.prod(s.stop - s.start for s in self.window)


class CropPlanner:
    """Plans crops of one input.

    Parameters
    ----------
    axes
        How far the network sees, per spatial axis.
    rules
        Which sizes run, per spatial axis.
    shape
        Spatial shape of the padded input.
    most
        Pixels that a crop may have, where M can be split so far.
    """

    def __init__(
        self,
        axes: Sequence[AxisReach],
        rules: Sequence[AxisRule],
        shape: Sequence[int],
        most: int,
    ):
        self._axes = axes
        self._rules = rules
        self._shape = tuple(shape)
        self._most = most
        self._overhead = _OVERHEAD[len(self._shape)]

    def plan(self, region: OutputRegion) -> list[Crop]:
        """Crops that together ask about M, at the least cost found.

        Parameters
        ----------
        region
            M on the whole output.
        """
        return [self.crop(region.part(box)) for box in self.boxes(self.blocks(region))]

    def blocks(self, region: OutputRegion) -> "Blocks":
        """Which blocks of outputs have pixels of M."""
        return Blocks.of(region, [axis.outputs for axis in self._axes])

    def boxes(self, blocks: "Blocks") -> list[Box]:
        """Boxes of outputs, each for a crop, that together have all blocks of M.

        Parameters
        ----------
        blocks
            Of whole outputs.
        """
        _, boxes = self._cheapest(blocks, blocks.shrink(blocks.everything))
        return [blocks.outputs(box) for box in boxes]

    def cost(self, crops: Sequence[Crop]) -> int:
        """What runs cost, in pixels."""
        return sum(crop.pixels + self._overhead for crop in crops)

    def crop(self, region: OutputRegion) -> Crop:
        """The crop that asks about a part of M."""
        region = region.trimmed()
        window = self._window(region.box)
        start = tuple(
            axis.output_index(w.start) for axis, w in zip(self._axes, window, strict=True)
        )
        inner = region.seen_from(start)
        centre = tuple(
            ((b.start + b.stop) * rule.output_stride + rule.margin) / (2 * (w.stop - w.start))
            for b, rule, w in zip(inner.box, self._rules, window, strict=True)
        )
        return Crop(window, inner, region.box, centre)

    def _window(self, outputs: Box) -> Box:
        """Input that outputs see, of a size that runs."""
        window = []
        for reach, rule, size, box in zip(
            self._axes, self._rules, self._shape, outputs, strict=True
        ):
            start, stop = reach.inputs(box.start, box.stop)
            window.append(window_around(start, stop, rule, size, reach.stride))
        return tuple(window)

    def _cheapest(self, blocks: "Blocks", box: Box) -> tuple[int, list[Box]]:
        """Cost of asking about what M has in a box of blocks, and the boxes to ask about."""
        pixels = math.prod(s.stop - s.start for s in self._window(blocks.outputs(box)))
        too_large = pixels > self._most
        whole = (pixels + self._overhead, [box])
        division = blocks.gap(box) or (blocks.halves(box) if too_large else None)
        if division is None:
            return whole
        first, second = (self._cheapest(blocks, blocks.shrink(part)) for part in division)
        divided = (first[0] + second[0], first[1] + second[1])
        return divided if too_large or divided[0] < whole[0] else whole


def window_around(start: int, stop: int, rule: AxisRule, size: int, stride: int) -> slice:
    """Part of one axis of an input that has some of its pixels, of a length that runs.

    Parameters
    ----------
    start, stop
        The pixels wanted, in whole strides; some may not exist.
    rule
        Which lengths run.
    size
        Length of the axis.
    stride
        Distance between places where a part may begin.
    """
    start, stop = max(0, start), min(size, stop)
    length = rule.at_least(stop - start)
    if start + length > size:  # grow towards the beginning instead
        start = max(0, (size - length) // stride * stride)
        length = size - start
    return slice(start, start + length)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which blocks of outputs have pixels of M.

    Attributes
    ----------
    occupied
        For the blocks around M, whether M has pixels there.
    origin
        Index of the first of these blocks, per spatial axis.
    sizes
        Output pixels per block, per spatial axis.
    around
        Outputs of the box around M.
    """

    occupied: NDArray[np.bool_]
    origin: tuple[int, ...]
    sizes: tuple[int, ...]
    around: Box

    @classmethod
    def of(cls, region: OutputRegion, sizes: Sequence[int]) -> "Blocks":
        """Blocks of a region."""
        inside = region.weights != 0
        origin = tuple(first // size for first, size in zip(region.first, sizes, strict=True))
        for axis, (first, size) in enumerate(zip(region.first, sizes, strict=True)):
            edges = np.arange(-(first % size), inside.shape[axis], size).clip(0)
            inside = np.logical_or.reduceat(inside, edges, axis)
        return cls(inside, origin, tuple(sizes), region.box)

    @property
    def everything(self) -> Box:
        """The box of all blocks."""
        return tuple(slice(0, n) for n in self.occupied.shape)

    def outputs(self, box: Box) -> Box:
        """Outputs of a box of blocks, no further than the box around M."""
        return tuple(
            slice(
                max(around.start, (origin + b.start) * size),
                min(around.stop, (origin + b.stop) * size),
            )
            for b, origin, size, around in zip(
                box, self.origin, self.sizes, self.around, strict=True
            )
        )

    def shrink(self, box: Box) -> Box:
        """The smallest box with the same blocks of M."""
        tight = []
        for axis, b in enumerate(box):
            found = np.flatnonzero(self._along(box, axis))
            tight.append(slice(b.start + int(found[0]), b.start + int(found[-1]) + 1))
        return tuple(tight)

    def gap(self, box: Box) -> tuple[Box, Box] | None:
        """Division of a box at the widest stretch without M."""
        widest, division = 1, None
        for axis, b in enumerate(box):
            found = np.flatnonzero(self._along(box, axis))
            widths = np.diff(found)
            if widths.size and widths.max() > widest:
                widest = int(widths.max())
                division = _divide(box, axis, b.start + int(found[widths.argmax()]) + 1)
        return division

    def halves(self, box: Box) -> tuple[Box, Box] | None:
        """Division of a box in the middle of its longest axis, if that has blocks to divide."""
        lengths = [(b.stop - b.start) * n for b, n in zip(box, self.sizes, strict=True)]
        axis = int(np.argmax(lengths))
        if box[axis].stop - box[axis].start < 2:
            return None
        return _divide(box, axis, (box[axis].start + box[axis].stop) // 2)

    def _along(self, box: Box, axis: int) -> NDArray[np.bool_]:
        others = tuple(other for other in range(len(box)) if other != axis)
        return np.asarray(self.occupied[box].any(axis=others))


def _divide(box: Box, axis: int, at: int) -> tuple[Box, Box]:
    first, second = list(box), list(box)
    first[axis], second[axis] = slice(box[axis].start, at), slice(at, box[axis].stop)
    return tuple(first), tuple(second)
