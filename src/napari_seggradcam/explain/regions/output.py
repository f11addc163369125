"""A region on the grid of the network's output."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import RegionError
from ...networks.outputs import MapGrid
from .region import Box, Footprint, Weights, bounds, box_at, seen_from


@dataclass(frozen=True)
class OutputRegion:
    """A region M on the grid of the network's output.

    Attributes
    ----------
    first
        Index of the first output pixel of the box around M, per spatial axis.
    weights
        Float64, of the box's shape: what every output pixel counts, which for a set of pixels is
        the share of it that M covers.
    how
        In words, for the record.
    """

    first: tuple[int, ...]
    weights: NDArray[np.float64]
    how: str

    @property
    def box(self) -> Box:
        """The box around M on the output's spatial axes."""
        return box_at(self.first, self.weights.shape)

    def part(self, box: Box) -> "OutputRegion":
        """What of M lies in a box that lies in the box around M."""
        inner = self.weights[seen_from(box, self.first)]
        return OutputRegion(tuple(b.start for b in box), inner, self.how)

    def trimmed(self) -> "OutputRegion":
        """The same region with the smallest box around it."""
        tight = bounds(self.weights != 0)
        assert tight is not None  # a region has pixels
        return self.part(
            tuple(slice(f + t.start, f + t.stop) for f, t in zip(self.first, tight, strict=True))
        )

    def averaged(self) -> "OutputRegion":
        """The region whose sum is a mean: over M, or over each side of it where it has two."""
        weights = self.weights.copy()
        for side in (weights > 0, weights < 0):
            if side.any():
                weights[side] /= abs(weights[side].sum())
        return replace(self, weights=weights)

    def seen_from(self, start: tuple[int, ...]) -> "OutputRegion":
        """The same region on an output that begins at another pixel."""
        first = tuple(f - s for f, s in zip(self.first, start, strict=True))
        return OutputRegion(first, self.weights, self.how)


def on_output(region: Footprint, grid: MapGrid) -> OutputRegion:
    """Bring a region from the image grid to the grid of the output.

    An output pixel that stands for a block of image pixels counts with the share of the block
    that M covers; an output of the image's resolution is cut out.

    Parameters
    ----------
    region
        M on the image grid.
    grid
        Where the output's pixels lie on the image.

    Raises
    ------
    RegionError
        If no output pixel lies in the region.
    """
    box = outputs_of(region.box, grid)
    # Only the box around M is looked at: the image may be much larger.
    weights = shares(region.part, box, grid)
    covered = shares(lambda window: region.part(window) != 0, box, grid)
    inside = round(float(covered.sum()) * math.prod(_blocks(grid)[1]))
    if not inside:
        raise none_on_output(region.pixels, grid)
    if not weights.any():
        raise RegionError(
            "What the region's pixels count cancels out in every pixel of the network's output, of "
            f"shape {grid.shape}. Choose regions that lie further apart."
        )
    words = in_words(grid, region.pixels - inside)
    return OutputRegion(tuple(b.start for b in box), weights, words)


def none_on_output(pixels: int, grid: MapGrid) -> RegionError:
    """The error that a region of so many pixels outside the output is."""
    return RegionError(
        f"The region has {pixels} pixels, and none of them lies on the network's output of shape "
        f"{grid.shape}. Choose a region further inside the image."
    )


def outputs_of(pixels: Box, grid: MapGrid) -> Box:
    """Outputs that stand for some of a box of image pixels."""
    box = []
    for pixel, start, block, size in zip(pixels, *_blocks(grid), grid.shape, strict=True):
        first = min(max(0, (pixel.start - start) // block), size)
        stop = min(max(first, -((start - pixel.stop) // block)), size)
        box.append(slice(first, stop))
    return tuple(box)


def pixels_of(outputs: Box, grid: MapGrid) -> Box:
    """Image pixels that a box of outputs stands for; some may lie beyond the image."""
    return tuple(
        slice(first + o.start * block, first + o.stop * block)
        for o, first, block in zip(outputs, *_blocks(grid), strict=True)
    )


def shares(part: Callable[[Box], Weights], outputs: Box, grid: MapGrid) -> NDArray[np.float64]:
    """Mean of what pixels count, for every output in a box: the share of it that M covers.

    Parameters
    ----------
    part
        Gives what pixels of a window count. The window may reach beyond the image, where none
        does.
    outputs
        Box of outputs.
    grid
        Where the output's pixels lie on the image.
    """
    _, block = _blocks(grid)
    split = [n for o, b in zip(outputs, block, strict=True) for n in (o.stop - o.start, b)]
    inside = part(pixels_of(outputs, grid)).astype(np.float64).reshape(split)
    return np.asarray(inside.mean(axis=tuple(range(1, 2 * len(outputs), 2))))


def in_words(grid: MapGrid, lost: int) -> str:
    """How M was brought to the output, in words.

    Parameters
    ----------
    grid
        Where the output's pixels lie on the image.
    lost
        Pixels of M that lie outside the output.
    """
    first, block = _blocks(grid)
    if any(b != 1 for b in block):
        words = f"share of M in every block of {' × '.join(map(str, block))} image pixels"
    else:
        words = f"pixel for pixel on the output of shape {grid.shape}"
    if any(first):
        words += f", which begins at image pixel {first}"
    return words + (f"; {lost} pixels of M lie outside the output" if lost else "")


def _blocks(grid: MapGrid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First image pixel of output pixel 0, and image pixels per output pixel."""
    block = tuple(round(s) for s in grid.scale)
    first = (round(t - (b - 1) / 2) for t, b in zip(grid.translate, block, strict=True))
    return tuple(first), block
