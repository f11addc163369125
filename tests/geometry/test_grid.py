"""Grids and the maps between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.geometry.grid import Grid, nearest_pixels, pixels_between

from .strategies import PER_UM, affines, grids


@given(grids(3))
def test_world_and_back(grid: Grid) -> None:
    points = np.random.default_rng(0).uniform(-5, 30, (20, 3))
    np.testing.assert_allclose(grid.to_pixels(grid.to_world(points)), points, atol=1e-9)


@given(grids(), grids())
def test_map_between_grids_keeps_the_place_in_micrometres(one: Grid, other: Grid) -> None:
    points = np.random.default_rng(0).uniform(-5, 30, (20, 2))
    there = pixels_between(one, other)(points)
    per_um = np.array([PER_UM[unit] for unit in one.units])
    other_per_um = np.array([PER_UM[unit] for unit in other.units])
    np.testing.assert_allclose(
        one.to_world(points) / per_um, other.to_world(there) / other_per_um, atol=1e-9
    )


@given(grids(), st.floats(0.5, 8), st.floats(-3, 3))
def test_placed_grid_lies_where_it_is_said(grid: Grid, scale: float, shift: float) -> None:
    placed = grid.placed((4, 4), (scale, 2 * scale), (shift, 0))
    points = np.random.default_rng(0).uniform(0, 4, (10, 2))
    np.testing.assert_allclose(
        placed.to_world(points), grid.to_world(points * (scale, 2 * scale) + (shift, 0))
    )
    assert (placed.units, placed.axis_labels) == (grid.units, grid.axis_labels)


@given(grids(), affines())
def test_grids_match_only_in_the_same_place(grid: Grid, move: np.ndarray) -> None:
    assert grid.matches(Grid(grid.shape, grid.affine * (1 + 1e-14), grid.units))
    shifted = grid.placed(grid.shape, (1, 1), (0, 1e-3))
    assert not grid.matches(shifted)
    assert not grid.matches(Grid((*grid.shape[:-1], 99), grid.affine, grid.units))


def test_axes_are_matched_from_the_last() -> None:
    volume = Grid((5, 6, 7), np.diag([2.0, 3.0, 4.0, 1.0]))
    plane = Grid((6, 7), np.diag([3.0, 4.0, 1.0]))
    np.testing.assert_array_equal(pixels_between(volume, plane)([4, 1, 2]), (1, 2))
    np.testing.assert_array_equal(pixels_between(plane, volume)([1, 2]), (0, 1, 2))


def test_what_only_the_target_has_is_taken_at_its_first_pixel() -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 100.0
    plane_of_stack = Grid((1, 6, 7), shifted)
    np.testing.assert_array_equal(pixels_between(Grid((6, 7)), plane_of_stack)([1, 2]), (0, 1, 2))


def test_defaults_are_pixels() -> None:
    grid = Grid((4, 5))
    assert grid.units == ("pixel", "pixel")
    assert grid.axis_labels == ("-2", "-1")
    np.testing.assert_array_equal(grid.affine, np.eye(3))


def test_grid_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="3x3 matrix"):
        Grid((4, 5), np.eye(4))
    with pytest.raises(ValueError, match="2 units"):
        Grid((4, 5), np.eye(3), ("um",))


def test_halfway_belongs_to_the_higher_pixel_whatever_the_rounding() -> None:
    points = [0.5, 0.5 - 1e-9, 0.5 + 1e-9, 0.49, -0.5, -0.51]
    np.testing.assert_array_equal(nearest_pixels(points), [1, 1, 1, 0, 0, -1])
