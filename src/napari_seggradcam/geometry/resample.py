"""Label values of one grid read on another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid, PixelMap, nearest_pixels, pixels_between

_POINTS_AT_ONCE = 2**20
_ALIGNED = 1e-12
"""Steps along another axis below this are rounding: a millionth of a pixel in a million."""


def labels_on_grid(values: Any, source: Grid, grid: Grid) -> NDArray[Any]:
    """Value of the nearest source pixel at every pixel centre of a grid.

    Parameters
    ----------
    values : array-like of shape ``source.shape``
        Integers or booleans. Only the part that the grid covers is read, which
        matters for arrays on disk.
    source : Grid
        Where the values lie; axes that it has more than `grid` must have been
        cut off.
    grid : Grid
        Where they are wanted.

    Returns
    -------
    ndarray of shape ``grid.shape``, dtype of ``values``
        0 (False) outside the source. ``values`` themselves where both grids
        are equal up to rounding.
    """
    if source.ndim > grid.ndim:
        raise ValueError(f"labels of {source.ndim} axes can't be read on {grid.ndim} axes")
    if source.matches(grid):
        return np.asarray(values)
    to_source = pixels_between(grid, source)
    if _is_aligned(to_source.matrix):
        return _read_aligned(values, to_source, source.shape, grid.shape)
    rows = max(1, _POINTS_AT_ONCE // max(1, int(np.prod(grid.shape[1:]))))
    slabs = [
        _read_slab(values, to_source, source.shape, grid.shape, slice(start, start + rows))
        for start in range(0, grid.shape[0], rows)
    ]
    return np.concatenate(slabs)


def _is_aligned(matrix: NDArray[np.float64]) -> bool:
    """Whether each source axis depends on the same axis of the grid alone."""
    sources, targets = matrix.shape
    others = matrix.copy()
    own = np.arange(sources)
    others[own, own + targets - sources] = 0
    return not (np.abs(others) > _ALIGNED).any()


def _read_aligned(
    values: Any, to_source: PixelMap, size: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Read axis by axis: an index per axis instead of one per pixel."""
    missing = len(shape) - len(size)
    indices = []
    for axis, length in enumerate(shape[missing:]):
        along = np.arange(length) * to_source.matrix[axis, axis + missing]
        indices.append(nearest_pixels(along + to_source.offset[axis]))
    inside = [(index >= 0) & (index < n) for index, n in zip(indices, size, strict=True)]
    result = np.zeros(shape, dtype=values.dtype)
    if all(part.any() for part in inside):
        indices = [index[part] for index, part in zip(indices, inside, strict=True)]
        low = [int(index.min()) for index in indices]
        window = tuple(
            slice(start, int(index.max()) + 1) for start, index in zip(low, indices, strict=True)
        )
        block = np.asarray(values[window])
        picked = block[np.ix_(*[i - start for i, start in zip(indices, low, strict=True)])]
        # An array without the leading axes is the same in all of their planes.
        result[np.ix_(*[np.ones(n, dtype=bool) for n in shape[:missing]], *inside)] = picked
    return result


def _read_slab(
    values: Any, to_source: PixelMap, size: tuple[int, ...], shape: tuple[int, ...], rows: slice
) -> NDArray[Any]:
    """Read some rows (first axis) of the grid, pixel by pixel."""
    ranges = [np.arange(*rows.indices(shape[0])), *map(np.arange, shape[1:])]
    pixels = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1)
    indices = nearest_pixels(to_source(pixels))
    inside = ((indices >= 0) & (indices < size)).all(axis=-1)
    result = np.zeros(inside.shape, dtype=values.dtype)
    if inside.any():
        indices = indices[inside]
        low = indices.min(axis=0)
        window = tuple(slice(a, b + 1) for a, b in zip(low, indices.max(axis=0), strict=True))
        result[inside] = np.asarray(values[window])[tuple((indices - low).T)]
    return result
