"""The score S: what is differentiated."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import RegionError
from ..networks.outputs import MapGrid
from .regions import Box, Footprint, Mask, bounds

NAME = "logit"


@dataclass(frozen=True)
class OutputRegion:
    """A region M on the grid of the network's output.

    Attributes
    ----------
    first
        Index of the first output pixel of the box around M, per spatial axis.
    weights
        Float64, of the box's shape: the share of every output pixel that M covers.
    how
        In words, for the record.
    """

    first: tuple[int, ...]
    weights: NDArray[np.float64]
    how: str

    @property
    def box(self) -> tuple[slice, ...]:
        """The box around M on the output's spatial axes."""
        return tuple(
            slice(first, first + size)
            for first, size in zip(self.first, self.weights.shape, strict=True)
        )

    def part(self, box: tuple[slice, ...]) -> "OutputRegion":
        """What of M lies in a box that lies in the box around M."""
        inner = tuple(
            slice(b.start - first, b.stop - first) for b, first in zip(box, self.first, strict=True)
        )
        return OutputRegion(tuple(b.start for b in box), self.weights[inner], self.how)

    def trimmed(self) -> "OutputRegion":
        """The same region with the smallest box around it."""
        tight = bounds(self.weights != 0)
        assert tight is not None  # a region has pixels
        return self.part(
            tuple(slice(f + t.start, f + t.stop) for f, t in zip(self.first, tight, strict=True))
        )

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
    inside = round(float(weights.sum()) * math.prod(_blocks(grid)[1]))
    if not inside:
        raise none_on_output(region.pixels, grid)
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


def shares(part: Callable[[Box], Mask], outputs: Box, grid: MapGrid) -> NDArray[np.float64]:
    """Share of every output in a box that M covers.

    Parameters
    ----------
    part
        Gives which pixels of a window belong to M. The window may reach beyond the image, where
        no pixel does.
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


def score(logits: torch.Tensor, target: int, region: OutputRegion) -> torch.Tensor:
    """Sum over M of the class logit, S = Σ_M y_c, as a scalar in double precision.

    Parameters
    ----------
    logits
        Of shape (1, rows, *output).
    target
        Class c; with one row z of logits, y_1 = z and y_0 = -z.
    region
        M on the output grid.
    """
    one_row = logits.shape[1] == 1
    row = logits[0, 0 if one_row else target][region.box]
    if logits.device.type != "mps":  # which has no double precision
        row = row.double()
    weights = torch.from_numpy(region.weights).to(row)
    total = (row * weights).sum()
    return -total if one_row and target == 0 else total


def _blocks(grid: MapGrid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First image pixel of output pixel 0, and image pixels per output pixel."""
    block = tuple(round(s) for s in grid.scale)
    first = (round(t - (b - 1) / 2) for t, b in zip(grid.translate, block, strict=True))
    return tuple(first), block
