"""Random grids for property tests."""

import numpy as np
from hypothesis import strategies as st

from napari_seggradcam.geometry.grid import Grid

UNITS = ("nm", "um", "mm")
PER_UM = {"nm": 1e3, "um": 1.0, "mm": 1e-3}


@st.composite
def affines(draw: st.DrawFn, ndim: int = 2) -> np.ndarray:
    """Well-conditioned matrices: rotation · shear · scale, then a shift."""
    number = st.floats(-1, 1, allow_nan=False, width=32)
    rotate = np.linalg.qr(np.eye(ndim) + [[draw(number) for _ in range(ndim)] for _ in range(ndim)])
    shear = np.eye(ndim) + np.triu([[draw(number) for _ in range(ndim)] for _ in range(ndim)], 1)
    scale = np.diag([draw(st.floats(0.25, 4, width=32)) for _ in range(ndim)])
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = rotate[0] @ shear @ scale
    matrix[:-1, -1] = [draw(st.floats(-50, 50, width=32)) for _ in range(ndim)]
    return matrix


@st.composite
def grids(draw: st.DrawFn, ndim: int = 2) -> Grid:
    """Grids of up to 24 pixels a side whose world coordinates are of the size of micrometres."""
    shape = tuple(draw(st.integers(3, 24)) for _ in range(ndim))
    units = tuple(draw(st.sampled_from(UNITS)) for _ in range(ndim))
    into_units = np.diag([*(PER_UM[unit] for unit in units), 1.0])
    return Grid(shape, into_units @ draw(affines(ndim)), units)
