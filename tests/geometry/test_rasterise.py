"""Shapes and points on grids of any number of axes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.geometry.grid import Grid
from napari_seggradcam.geometry.rasterise import Shape, mark_points, rasterise

from .strategies import grids

BOX = np.array([[2.0, 3.0], [2.0, 7.0], [6.0, 7.0], [6.0, 3.0]])


def test_boundary_belongs_to_the_rectangle() -> None:
    mask = rasterise([Shape("rectangle", BOX)], (9, 10))
    assert np.argwhere(mask).min(axis=0).tolist() == [2, 3]
    assert np.argwhere(mask).max(axis=0).tolist() == [6, 7]
    assert mask.sum() == 25


def test_several_shapes_are_their_union() -> None:
    line = Shape("line", np.array([[0.0, 0.0], [0.0, 9.0]]))
    together = rasterise([Shape("polygon", BOX), line], (9, 10))
    apart = rasterise([Shape("polygon", BOX)], (9, 10)) | rasterise([line], (9, 10))
    np.testing.assert_array_equal(together, apart)
    assert not rasterise([], (9, 10)).any()


@pytest.mark.parametrize("plane", [0, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", ["polygon", "ellipse", "line"])
def test_shape_in_a_volume_marks_its_plane(kind: str, axis: int, plane: int) -> None:
    corners = BOX[:2] if kind == "line" else BOX
    volume = rasterise([Shape(kind, np.insert(corners, axis, plane, axis=1))], (10, 10, 10))
    flat = rasterise([Shape(kind, corners)], (10, 10))
    np.testing.assert_array_equal(np.take(volume, plane, axis), flat)
    assert volume.sum() == flat.sum()


def test_tilted_shape_has_one_voxel_above_each_pixel() -> None:
    tilted = np.array([[0, 0, 0], [0, 0, 8], [4, 8, 8], [4, 8, 0]], dtype=float)
    volume = rasterise([Shape("polygon", tilted)], (9, 9, 9))
    np.testing.assert_array_equal(volume.sum(axis=0), np.ones((9, 9)))
    assert volume[0, 0].all()
    assert volume[4, 8].all()
    assert volume[2, 4].all()


def test_flat_shape_reaches_through_all_planes() -> None:
    volume = rasterise([Shape("polygon", BOX)], (4, 9, 10))
    np.testing.assert_array_equal(
        volume, np.broadcast_to(rasterise([Shape("polygon", BOX)], (9, 10)), (4, 9, 10))
    )


@given(grids(), grids(), st.sampled_from(["polygon", "ellipse", "path"]))
def test_the_same_place_gives_the_same_mask_on_any_grid(one: Grid, other: Grid, kind: str) -> None:
    extent = (24, 24)
    target = Grid(extent, units=("um", "um"))
    shape = Shape(kind, BOX + 2, edge_width=3.0)
    on_one = shape.on(target, one)
    via_other = on_one.on(one, other)
    direct = rasterise([on_one.on(one, target)], extent)
    np.testing.assert_array_equal(rasterise([via_other.on(other, target)], extent), direct)
    np.testing.assert_array_equal(direct, rasterise([shape], extent))


def test_edge_width_grows_with_the_image() -> None:
    fine, coarse = Grid((40, 40), np.diag([0.5, 0.5, 1])), Grid((20, 20))
    line = Shape("line", np.array([[5.0, 2.0], [5.0, 15.0]]), edge_width=2.0)
    assert line.on(coarse, fine).edge_width == pytest.approx(4.0)
    assert line.on(coarse, fine).on(fine, coarse).edge_width == pytest.approx(2.0)


def test_points_mark_the_pixel_that_holds_them() -> None:
    points = [[0.4, 0.4], [1.5, 2.5], [-0.6, 0], [7.5, 1]]
    mask = mark_points(points, (8, 8))
    assert np.argwhere(mask).tolist() == [[0, 0], [2, 3]]
