"""Regions and heatmaps lie where they are drawn, whatever transforms the layers have."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from napari.components import Dims
from napari.layers import Image, Labels, Shapes
from scipy.ndimage import distance_transform_edt

from napari_seggradcam.errors import RegionError
from napari_seggradcam.geometry.grid import pixels_between
from napari_seggradcam.viewer.heatmaps import heatmap_layer, region_layer
from napari_seggradcam.viewer.inputs import InputPlan, plan_input
from napari_seggradcam.viewer.placement import layer_grid
from napari_seggradcam.viewer.regions import mask_from_labels, mask_from_shapes

from .conftest import MakeExplanation

SIZE = (28, 34)
PER_UM = {"nm": 1e3, "um": 1.0, "mm": 1e-3}
KINDS = ("polygon", "rectangle", "ellipse", "path", "line")

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


@st.composite
def transforms(draw: st.DrawFn) -> dict[str, Any]:
    """All that can say where a 2D layer lies, of the size of some micrometres."""
    unit = draw(st.sampled_from(sorted(PER_UM)))
    per_um = PER_UM[unit]
    number = st.floats(-0.375, 0.375, width=32)
    shift = st.floats(-20, 20, width=32)
    affine = np.eye(3)
    affine[:2, :2] += [[draw(number), draw(number)], [draw(number), draw(number)]]
    affine[:2, 2] = np.array([draw(shift), draw(shift)]) * per_um
    scale = st.floats(0.25, 4, width=32)
    return {
        "scale": np.array([draw(scale), draw(scale)]) * per_um,
        "translate": np.array([draw(shift), draw(shift)]) * per_um,
        "rotate": draw(st.floats(-180, 180, width=32)),
        "shear": [draw(number)],
        "affine": affine,
        "units": (unit, unit),
        "axis_labels": ("y", "x"),
    }


@st.composite
def drawings(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> tuple[str, np.ndarray]:
    """A shape in pixels of the image, its corners on whole pixels or anywhere."""
    kind = draw(st.sampled_from(kinds))
    number = draw(st.sampled_from([st.integers(2, 25), st.floats(2, 25, width=32)]))
    if kind in ("rectangle", "ellipse"):
        (top, left), (height, width) = draw(st.tuples(number, number)), (7, 5)
        box = [(0, 0), (0, width), (height, width), (height, 0)]
        return kind, np.add(box, (top, left), dtype=float)
    count = 2 if kind == "line" else draw(st.integers(3, 6))
    corners = st.lists(st.tuples(number, number), min_size=count, max_size=count, unique=True)
    vertices = np.array(draw(corners), dtype=float)
    if kind == "polygon":
        # napari can't draw polygons without any area.
        (a, b), (c, d) = vertices[1] - vertices[0], vertices[2] - vertices[0]
        assume(abs(a * d - b * c) > 1)
    return kind, vertices


def image_plan(transform: dict[str, Any], shape: tuple[int, ...] = SIZE) -> InputPlan:
    image = Image(np.zeros(shape, np.float32), contrast_limits=(0, 1), **transform)
    return plan_input(image, Dims(), 2, 1)


def drawn_on(
    plan: InputPlan, kind: str, vertices: np.ndarray, transform: dict[str, Any], width: float = 1.0
) -> Shapes:
    """Shapes layer whose shape has the image's pixels ``vertices`` as world coordinates."""
    empty = layer_grid(Shapes(ndim=2, **transform))
    move = pixels_between(plan.grid, empty)
    width *= abs(np.linalg.det(move.matrix)) ** 0.5
    return Shapes([move(vertices)], shape_type=kind, edge_width=width, **transform)


def region(layer: Shapes | Labels, plan: InputPlan) -> np.ndarray:
    mask = mask_from_labels if isinstance(layer, Labels) else mask_from_shapes
    return mask(layer, plan, Dims())


@settings(max_examples=25)
@given(transforms(), transforms(), drawings())
def test_shapes_with_the_same_world_vertices_give_the_same_region(
    on_image: dict[str, Any], on_shapes: dict[str, Any], drawing: tuple[str, np.ndarray]
) -> None:
    plan = image_plan(on_image)
    kind, vertices = drawing
    plain = drawn_on(plan, kind, vertices, plan.plane.transform, 3.0)
    moved = drawn_on(plan, kind, vertices, on_shapes, 3.0)
    np.testing.assert_array_equal(region(moved, plan), region(plain, plan))


@settings(max_examples=25)
@given(transforms(), transforms(), drawings(), transforms())
def test_moving_all_layers_together_changes_nothing(
    on_image: dict[str, Any],
    on_shapes: dict[str, Any],
    drawing: tuple[str, np.ndarray],
    move: dict[str, Any],
) -> None:
    before = image_plan(on_image)
    layer = drawn_on(before, *drawing, on_shapes, 3.0)
    mask = region(layer, before)
    matrix = layer_grid(Image(np.zeros((2, 2)), **{**move, "units": None})).affine
    matrix = matrix / np.array([[PER_UM[move["units"][0]]], [PER_UM[move["units"][0]]], [1.0]])
    for transform in (on_image, on_shapes):
        per_um = np.diag([*(PER_UM[unit] for unit in transform["units"]), 1.0])
        transform["affine"] = per_um @ matrix @ np.linalg.inv(per_um) @ transform["affine"]
    after = image_plan(on_image)
    moved = Shapes(layer.data, shape_type=drawing[0], edge_width=layer.edge_width, **on_shapes)
    np.testing.assert_array_equal(region(moved, after), mask)


@settings(max_examples=25)
@given(
    transforms(),
    transforms(),
    drawings(("polygon", "rectangle", "ellipse")),
    st.floats(0.5, 3, width=32),
    st.floats(-180, 180, width=32),
)
def test_labels_on_another_grid_differ_only_near_the_boundary(
    on_image: dict[str, Any],
    on_shapes: dict[str, Any],
    drawing: tuple[str, np.ndarray],
    pixel: float,
    turn: float,
) -> None:
    """Within half the diagonal of the coarser grid's pixel; all lengths in image pixels."""
    plan = image_plan(on_image)
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.diag([pixel, pixel, 1])
    turned[:2, 2] = np.array(SIZE) / 2 - turned[:2, :2] @ (50, 50)
    other = {"affine": plan.grid.affine @ turned, "units": on_image["units"]}
    on_other = region_or_nothing(drawn_on(plan, *drawing, on_shapes), image_plan(other, (100, 100)))
    labels = Labels(on_other.astype(np.uint8), **other)
    differs = region_or_nothing(labels, plan) != region_or_nothing(
        drawn_on(plan, *drawing, on_shapes), plan
    )
    half_diagonal = max(pixel, 1.0) / np.sqrt(2)
    # The boundary is known to half the diagonal of a grid that is five times finer.
    assert (distance_to_boundary(plan, *drawing)[differs] <= half_diagonal + 0.15).all()


def region_or_nothing(layer: Shapes | Labels, plan: InputPlan) -> np.ndarray:
    """Mask of a layer that may be thinner than a pixel."""
    try:
        return region(layer, plan)
    except RegionError:
        return np.zeros(plan.shape, bool)


def distance_to_boundary(plan: InputPlan, kind: str, vertices: np.ndarray) -> np.ndarray:
    """Distance of each pixel centre from the edge of a shape, in pixels of the image."""
    fine = image_plan(plan.transform(0.2, -0.4), (5 * SIZE[0], 5 * SIZE[1]))
    mask = region_or_nothing(drawn_on(plan, kind, vertices, plan.plane.transform), fine)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    return np.where(mask, inside, outside)[2::5, 2::5] / 5


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transforms())
def test_heatmaps_lie_on_the_image(
    make_explanation: MakeExplanation, transform: dict[str, Any]
) -> None:
    size = (32, 24)
    plan = image_plan(transform, size)
    explanation = make_explanation(size)
    image = plan.layer
    for name, heatmap in explanation.items():
        layer = heatmap_layer(explanation, name, plan, "run")
        assert (layer.units, layer.axis_labels) == (image.units, image.axis_labels)
        rows, columns = heatmap.signed.shape
        for index in [(0, 0), (rows - 1, 0), (rows // 2, columns - 1)]:
            on_image = np.multiply(index, heatmap.scale) + heatmap.translate
            np.testing.assert_allclose(
                layer.data_to_world(index), image.data_to_world(on_image), rtol=1e-9, atol=1e-9
            )
        covered = layer_grid(layer).to_world(outer_corners(heatmap.signed.shape))
        wanted = layer_grid(image).to_world(outer_corners(size))
        np.testing.assert_allclose(covered, wanted, rtol=1e-9, atol=1e-9)
    outline = region_layer(explanation, plan, "run")
    np.testing.assert_array_equal(region(outline, plan), explanation.region)


def outer_corners(shape: tuple[int, ...]) -> np.ndarray:
    """Outer corners of the first and last pixel."""
    return np.array([(-0.5, -0.5), (shape[0] - 0.5, -0.5), (shape[0] - 0.5, shape[1] - 0.5)])
