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
    weights
        Float64, of the output's spatial shape: the share of every output pixel that M covers.
    how
        In words, for the record.
    """

    weights: NDArray[np.float64]
    how: str


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
    size = [n * b for n, b in zip(grid.shape, block, strict=True)]
    window = _cut(mask, start, size).astype(np.float64)
    split = [length for pair in zip(grid.shape, block, strict=True) for length in pair]
    weights = window.reshape(split).mean(axis=tuple(range(1, 2 * mask.ndim, 2)))
    if not weights.any():
        raise RegionError(
            f"The region has {np.count_nonzero(mask)} pixels, and none of them lies on the "
            f"network's output of shape {grid.shape}. Choose a region further inside the image."
        )
    lost = int(np.count_nonzero(mask) - np.count_nonzero(window))
    return OutputRegion(weights, _words(block, start, lost, grid))


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
    weights = torch.from_numpy(region.weights)
    if logits.device.type != "mps":  # which has no double precision
        logits = logits.double()
    weights = weights.to(logits)
    one_row = logits.shape[1] == 1
    total = (logits[0, 0 if one_row else target] * weights).sum()
    return -total if one_row and target == 0 else total


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
