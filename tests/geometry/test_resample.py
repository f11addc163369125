"""Labels read on another grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.geometry.grid import Grid, pixels_between
from napari_seggradcam.geometry.resample import labels_on_grid

from .strategies import grids


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    """Every pixel has its own label."""
    return np.arange(1, np.prod(shape) + 1).reshape(shape)


@given(grids(), grids())
def test_every_pixel_gets_the_label_that_holds_its_centre(source: Grid, grid: Grid) -> None:
    values = numbered(source.shape)
    result = labels_on_grid(values, source, grid)
    centres = np.stack(np.mgrid[: grid.shape[0], : grid.shape[1]], axis=-1)
    there = pixels_between(grid, source)(centres)
    hit = result > 0
    index = np.stack(np.unravel_index(result[hit] - 1, source.shape), axis=-1)
    assert (np.abs(there[hit] - index) <= 0.5 + 1e-5).all()
    outside = ((there < -0.5 - 1e-5) | (there > np.array(source.shape) - 0.5 + 1e-5)).any(axis=-1)
    inside = ((there > -0.5 + 1e-5) & (there < np.array(source.shape) - 0.5 - 1e-5)).all(axis=-1)
    assert not hit[outside].any()
    assert hit[inside].all()


@given(grids())
def test_equal_grids_give_the_array_itself(grid: Grid) -> None:
    values = numbered(grid.shape)
    again = Grid(grid.shape, grid.affine * (1 + 1e-15), grid.units)
    assert labels_on_grid(values, again, grid) is values


@given(grids(3), st.integers(0, 5))
def test_a_plane_of_a_volume_is_that_plane(grid: Grid, index: int) -> None:
    index = index % grid.shape[0]
    values = numbered(grid.shape)
    plane = grid.placed((1, *grid.shape[1:]), np.ones(3), (index, 0, 0))
    np.testing.assert_array_equal(labels_on_grid(values, grid, plane)[0], values[index])


def test_labels_without_the_leading_axis_hold_in_every_plane() -> None:
    values = numbered((3, 4))
    affine = np.diag([5.0, 1.0, 1.0, 1.0])
    result = labels_on_grid(values, Grid((3, 4)), Grid((6, 3, 4), affine))
    np.testing.assert_array_equal(result, np.broadcast_to(values, (6, 3, 4)))


def test_only_what_is_covered_is_read() -> None:
    class OnDisk:
        dtype = np.dtype(int)
        largest = 0

        def __getitem__(self, window: tuple[slice, ...]) -> np.ndarray:
            read = numbered((1000, 1000))[window]
            self.largest = max(self.largest, read.size)
            return read

    turned = np.array([[0.6, -0.8, 500], [0.8, 0.6, 500], [0, 0, 1]])
    for affine in (np.array([[1, 0, 500], [0, 1, 500], [0, 0, 1.0]]), turned):
        values = OnDisk()
        assert (labels_on_grid(values, Grid((1000, 1000)), Grid((8, 8), affine)) > 0).all()
        assert 64 <= values.largest <= 200


def test_grids_that_do_not_touch_give_zero() -> None:
    away = np.array([[1, 0, 500], [0, 1, 500], [0, 0, 1.0]])
    assert not labels_on_grid(numbered((5, 5)), Grid((5, 5)), Grid((4, 4), away)).any()


def test_more_axes_than_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="3 axes"):
        labels_on_grid(np.zeros((2, 2, 2), int), Grid((2, 2, 2)), Grid((2, 2)))
