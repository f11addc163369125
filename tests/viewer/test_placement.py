"""The seven transform fields and the grids that follow from them."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_seggradcam.viewer.placement import (
    TRANSFORM_FIELDS,
    last_axes,
    layer_grid,
    placed_transform,
    transform_grid,
    transform_of,
    with_leading_axes,
)

# Volumes that are turned out of their planes: napari only draws them roughly, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")

EVERYTHING = {
    "scale": (2.0, 0.5, 3.0),
    "translate": (10.0, -4.0, 7.0),
    "rotate": (20.0, 10.0, 5.0),
    "shear": (0.2, 0.1, -0.3),
    "affine": np.array([[1, 0.1, 0, 5], [0, 2, 0, 6], [0.3, 0, 1, 7], [0, 0, 0, 1]]),
    "units": ("um", "nm", "nm"),
    "axis_labels": ("z", "y", "x"),
}


@pytest.fixture
def image() -> Image:
    return Image(np.zeros((4, 6, 8)), **EVERYTHING)


def corners(layer: Layer) -> np.ndarray:
    return np.stack([layer.data_to_world(p) for p in [(0, 0, 0), (3, 5, 7), (1, 0, 2)]])


def test_a_copy_of_the_fields_lies_in_the_same_place(image: Image) -> None:
    assert set(transform_of(image)) == set(TRANSFORM_FIELDS)
    copy = Labels(np.zeros((4, 6, 8), int), **transform_of(image))
    np.testing.assert_allclose(corners(copy), corners(image))
    assert (copy.units, copy.axis_labels) == (image.units, image.axis_labels)


def test_fields_are_a_snapshot(image: Image) -> None:
    before = transform_of(image)
    image.scale = (1, 1, 1)
    image.affine = np.eye(4)
    np.testing.assert_array_equal(before["scale"], EVERYTHING["scale"])
    np.testing.assert_array_equal(before["affine"], EVERYTHING["affine"])


def test_grid_agrees_with_napari(image: Image) -> None:
    grid = layer_grid(image)
    points = np.array([(0, 0, 0), (3, 5, 7), (1, 0, 2)])
    np.testing.assert_allclose(grid.to_world(points), corners(image))
    assert grid.shape == (4, 6, 8)
    assert grid.units == ("micrometer", "nanometer", "nanometer")


def test_grid_has_no_colours_and_the_finest_level() -> None:
    assert layer_grid(Image(np.zeros((40, 50, 3), np.uint8), rgb=True)).shape == (40, 50)
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    assert layer_grid(Image(levels, multiscale=True)).shape == (64, 64)
    assert layer_grid(Shapes(ndim=3)).shape == (0, 0, 0)
    assert layer_grid(Points(ndim=2)).shape == (0, 0)


def test_placed_array_lies_on_the_pixels_that_were_named(image: Image) -> None:
    scale, translate = np.array([1.0, 4.0, 2.0]), np.array([2.0, 1.5, 0.5])
    child = Image(np.zeros((1, 2, 4)), **placed_transform(transform_of(image), scale, translate))
    for point in [(0, 0, 0), (0, 1, 3)]:
        there = image.data_to_world(point * scale + translate)
        np.testing.assert_allclose(child.data_to_world(point), there)
    assert (child.units, child.axis_labels) == (image.units, image.axis_labels)


def test_leading_axes_come_and_go(image: Image) -> None:
    more = with_leading_axes(transform_of(image), (3.0,), ("pixel",), ("t",))
    layer = Image(np.zeros((2, 4, 6, 8)), **more)
    for point in [(0, 0, 0), (3, 5, 7)]:
        world = layer.data_to_world((1, *point))
        np.testing.assert_allclose(world, (4.0, *image.data_to_world(point)))
    back = last_axes(transform_of(layer), 3)
    grid = transform_grid(back, (4, 6, 8))
    np.testing.assert_allclose(grid.affine, layer_grid(image).affine)
    assert back["units"] == image.units
