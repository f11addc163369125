"""Bringing values from one regular grid to another by averaging over areas.

Interpolating a coarse map up to the pixels of the image makes values that the network never
computed, and picking single pixels of a fine map throws values away. The mean over the area that
a position stands for does neither.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..networks.outputs import MapGrid


def image_grid(shape: tuple[int, ...]) -> MapGrid:
    """Grid of an image's own pixels."""
    return MapGrid(tuple(shape), (1.0,) * len(shape), (0.0,) * len(shape))


def area_average(values: ArrayLike, source: MapGrid, target: MapGrid) -> NDArray[np.float64]:
    """Mean of the values over the cell of every position of another grid.

    A position stands for the cell that reaches half a step to each side of it. A value counts
    with the part of its own cell that lies in the target's; what lies outside the source does not
    count.

    Parameters
    ----------
    values
        On the source grid.
    source, target
        Grids on the same image.

    Returns
    -------
    ndarray of float64, shape of the target grid
        NaN where the target's cell lies outside the source.
    """
    total = np.asarray(values, np.float64)
    if source == target:
        return total
    covered = np.ones((1,) * total.ndim)
    for axis in range(total.ndim):
        lengths = _shared_lengths(source, target, axis)
        total = np.moveaxis(np.tensordot(lengths, total, axes=(1, axis)), 0, axis)
        along_axis = [1] * total.ndim
        along_axis[axis] = -1
        covered = covered * lengths.sum(axis=1).reshape(along_axis)
    # Divided once and at the end, so that equal values stay equal and share their rank.
    return np.divide(total, covered, out=np.full_like(total, np.nan), where=covered > 0)


def _shared_lengths(source: MapGrid, target: MapGrid, axis: int) -> NDArray[np.float64]:
    """Length that each target cell (rows) shares with each source cell (columns)."""
    (from_low, from_high), (to_low, to_high) = (_borders(g, axis) for g in (source, target))
    shared = np.minimum(to_high[:, None], from_high) - np.maximum(to_low[:, None], from_low)
    # A sliver that only rounding has made would turn "outside" into a value.
    return np.where(shared > 1e-9 * source.scale[axis], shared, 0.0)


def _borders(grid: MapGrid, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the cells begin and end, in image pixels."""
    scale = grid.scale[axis]
    centres = np.arange(grid.shape[axis], dtype=np.float64) * scale + grid.translate[axis]
    return centres - scale / 2, centres + scale / 2
