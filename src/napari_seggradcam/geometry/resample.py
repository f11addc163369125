"""Label values of one grid read on another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid


def labels_on_grid(values: Any, source: Grid, grid: Grid) -> NDArray[Any]:
    """Value of the nearest source pixel at every pixel centre of a grid.

    Parameters
    ----------
    values : array-like of shape ``source.shape``
        Integers or booleans. Only the part that the grid covers is read, which
        matters for arrays on disk.
    source : Grid
        Where the values lie; at most as many axes as ``grid``.
    grid : Grid
        Where they are wanted.

    Returns
    -------
    ndarray of shape ``grid.shape``, dtype of ``values``
        0 (False) outside the source. A view or copy of ``values`` itself where
        both grids are equal up to rounding.
    """
    ...
