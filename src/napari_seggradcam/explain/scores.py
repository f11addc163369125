"""The score S: what is differentiated."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import RegionError
from ..networks.outputs import MapGrid

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
        low, high = _bounds(self.weights != 0)
        return self.part(
            tuple(slice(f + a, f + b) for f, a, b in zip(self.first, low, high, strict=True))
        )

    def seen_from(self, start: tuple[int, ...]) -> "OutputRegion":
        """The same region on an output that begins at another pixel."""
        first = tuple(f - s for f, s in zip(self.first, start, strict=True))
        return OutputRegion(first, self.weights, self.how)


def on_output(mask: NDArray[np.bool_], grid: MapGrid) -> OutputRegion:
    """Bring a region from the image grid to the grid of the output.

    An output pixel that stands for a block of image pixels counts with the share of the block
    that M covers; an output of the image's resolution is cut out.

    Parameters
    ----------
    mask
        M on the image grid.
    grid
        Where the output's pixels lie on the image.

    Raises
    ------
    RegionError
        If no output pixel lies in the region.
    """
    block = tuple(round(s) for s in grid.scale)
    # First image pixel of output pixel 0.
    start = [round(t - (b - 1) / 2) for t, b in zip(grid.translate, block, strict=True)]
    low, high = _bounds(mask)
    first, stop = [], []
    for axis, (s, b, n) in enumerate(zip(start, block, grid.shape, strict=True)):
        first.append(min(max(0, (low[axis] - s) // b), n))
        stop.append(min(max(first[-1], -((s - high[axis]) // b)), n))
    # Only the box around M is looked at: the image may be much larger.
    at = [s + f * b for s, f, b in zip(start, first, block, strict=True)]
    shape = [e - f for f, e in zip(first, stop, strict=True)]
    size = [n * b for n, b in zip(shape, block, strict=True)]
    window = _cut(mask, at, size)
    pixels, inside = int(np.count_nonzero(mask)), int(np.count_nonzero(window))
    if not inside:
        raise RegionError(
            f"The region has {pixels} pixels, and none of them lies on the "
            f"network's output of shape {grid.shape}. Choose a region further inside the image."
        )
    split = [length for pair in zip(shape, block, strict=True) for length in pair]
    weights = window.astype(np.float64).reshape(split).mean(axis=tuple(range(1, 2 * mask.ndim, 2)))
    return OutputRegion(tuple(first), weights, _words(block, start, pixels - inside, grid))


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


def _bounds(mask: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """First index of the box around M and the one behind it, per axis; zeros if M is empty."""
    low, high = [], []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        low.append(int(found[0]) if found.size else 0)
        high.append(int(found[-1]) + 1 if found.size else 0)
    return low, high


def _cut(mask: NDArray[np.bool_], start: list[int], size: list[int]) -> NDArray[np.bool_]:
    """Window of a mask; what lies outside the mask is False."""
    window = np.zeros(size, bool)
    inner, outer = [], []
    for first, length, available in zip(start, size, mask.shape, strict=True):
        low, high = max(0, first), min(available, first + length)
        outer.append(slice(low, max(low, high)))
        inner.append(slice(low - first, max(low, high) - first))
    window[tuple(inner)] = mask[tuple(outer)]
    return window


def _words(block: tuple[int, ...], start: list[int], lost: int, grid: MapGrid) -> str:
    if any(b != 1 for b in block):
        how = f"share of M in every block of {' × '.join(map(str, block))} image pixels"
    else:
        how = f"pixel for pixel on the output of shape {grid.shape}"
    if any(start):
        how += f", which begins at image pixel {tuple(start)}"
    return how + (f"; {lost} pixels of M lie outside the output" if lost else "")
