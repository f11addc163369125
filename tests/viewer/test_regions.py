"""Masks from Labels, Shapes and Points in a viewer."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.errors import RegionError
from napari_seggradcam.viewer.inputs import InputPlan, plan_input
from napari_seggradcam.viewer.placement import TRANSFORM_FIELDS, transform_of
from napari_seggradcam.viewer.regions import (
    label_values,
    mask_from_labels,
    mask_from_points,
    mask_from_shapes,
    new_region_layer,
    pixel_at,
)

SHAPE = (12, 16)
BOX = np.array([[2.0, 3.0], [2.0, 7.0], [6.0, 7.0], [6.0, 3.0]])


@pytest.fixture
def plan(viewer: ViewerModel) -> InputPlan:
    return plan_input(viewer.add_image(np.zeros(SHAPE), name="cells"), viewer.dims, 2, 1)


@pytest.fixture
def stack_plan(viewer: ViewerModel) -> InputPlan:
    """Plane 3 of a stack."""
    layer = viewer.add_image(np.zeros((5, *SHAPE)), name="cells", scale=(4, 1, 1))
    viewer.dims.set_current_step(0, 3)
    return plan_input(layer, viewer.dims, 2, 1)


def test_labels_one_value_or_all(viewer: ViewerModel, plan: InputPlan) -> None:
    data = np.zeros(SHAPE, int)
    data[2:4, 3:6], data[8, 8] = 7, 2
    layer = viewer.add_labels(data)
    np.testing.assert_array_equal(mask_from_labels(layer, plan, viewer.dims), data != 0)
    np.testing.assert_array_equal(mask_from_labels(layer, plan, viewer.dims, 7), data == 7)
    assert label_values(layer, plan, viewer.dims) == {2: 1, 7: 6}


def test_mask_does_not_follow_later_strokes(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_labels(np.ones(SHAPE, int))
    mask = mask_from_labels(layer, plan, viewer.dims)
    layer.data[:] = 0
    assert mask.all()


def test_missing_label_is_an_error_that_says_what_is_there(
    viewer: ViewerModel, plan: InputPlan
) -> None:
    data = np.zeros(SHAPE, int)
    layer = viewer.add_labels(data, name="mine")
    with pytest.raises(RegionError, match=r"'mine' has no labels on the image 'cells'.*nothing is"):
        mask_from_labels(layer, plan, viewer.dims)
    data[0, :3] = 1, 4, 9
    with pytest.raises(RegionError, match=r"no label 3 .* labels 1, 4, 9. Paint"):
        mask_from_labels(layer, plan, viewer.dims, 3)


def test_labels_beyond_the_image_are_an_error(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_labels(np.ones((4, 4), int), translate=(100, 0))
    with pytest.raises(RegionError, match=r"nothing is painted there"):
        mask_from_labels(layer, plan, viewer.dims)


def test_labels_of_a_stack_are_read_in_the_plane_used(
    viewer: ViewerModel, stack_plan: InputPlan
) -> None:
    data = np.zeros((5, *SHAPE), int)
    data[3, 4, 5], data[2, 0, 0] = 1, 1
    layer = viewer.add_labels(data, scale=(4, 1, 1))
    mask = mask_from_labels(layer, stack_plan, viewer.dims)
    assert np.argwhere(mask).tolist() == [[4, 5]]
    flat = viewer.add_labels(data[3])
    np.testing.assert_array_equal(mask_from_labels(flat, stack_plan, viewer.dims), mask)


def test_labels_with_more_axes_than_the_image_stand_at_the_slider(
    viewer: ViewerModel, plan: InputPlan
) -> None:
    data = np.zeros((5, *SHAPE), int)
    data[3, 4, 5] = 1
    layer = viewer.add_labels(data, scale=(4, 1, 1))
    viewer.dims.set_current_step(0, 3)
    assert np.argwhere(mask_from_labels(layer, plan, viewer.dims)).tolist() == [[4, 5]]


def test_all_kinds_of_shapes(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_shapes(ndim=2)
    layer.add_rectangles(BOX)
    filled = mask_from_shapes(layer, plan, viewer.dims)
    np.testing.assert_array_equal(np.argwhere(filled).min(axis=0), (2, 3))
    assert filled.sum() == 25
    layer.add_lines(np.array([[9.0, 1.0], [9.0, 5.0]]), edge_width=1)
    layer.add_paths(np.array([[9.0, 9.0], [9.0, 12.0], [11.0, 12.0]]), edge_width=1)
    layer.add_ellipses(np.array([[8.0, 14.0], [8.0, 15.0], [9.0, 15.0], [9.0, 14.0]]))
    layer.add_polygons(np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 0.0]]))
    everything = mask_from_shapes(layer, plan, viewer.dims)
    assert everything[9, 1:6].all()
    assert everything[9, 9:13].all()
    assert everything[:12, 12][9:].all()
    assert everything[0, :3].all()
    layer.selected_data = {1}
    line = mask_from_shapes(layer, plan, viewer.dims, selected_only=True)
    assert np.argwhere(line).tolist() == [[9, column] for column in range(1, 6)]


def test_wide_line_is_a_band(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_shapes(
        np.array([[3.0, 1.0], [3.0, 5.0]]), shape_type="line", edge_width=1, scale=(2, 2)
    )
    layer.edge_width = 1.5
    band = mask_from_shapes(layer, plan, viewer.dims)
    # Drawn at row 6 from column 2 to 10, three image pixels wide.
    assert band[5:8, 2:11].all()
    assert not band[[4, 8]].any()


def test_shapes_in_another_plane_are_left_out(viewer: ViewerModel, stack_plan: InputPlan) -> None:
    here, elsewhere = np.insert(BOX, 0, 12.0, axis=1), np.insert(BOX + 3, 0, 8.0, axis=1)
    layer = viewer.add_shapes([here, elsewhere], shape_type="rectangle", name="drawn")
    assert mask_from_shapes(layer, stack_plan, viewer.dims).sum() == 25
    layer.selected_data = {1}
    with pytest.raises(RegionError, match=r"span -1 to -1 × 5 to 9 × 6 to 10, the image 0 to 0"):
        mask_from_shapes(layer, stack_plan, viewer.dims, selected_only=True)
    flat = viewer.add_shapes(BOX, shape_type="rectangle")
    assert mask_from_shapes(flat, stack_plan, viewer.dims).sum() == 25


def test_shapes_in_a_volume_lie_in_their_plane(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((5, *SHAPE)))
    plan = plan_input(layer, viewer.dims, 3, 1)
    drawn = viewer.add_shapes(np.insert(BOX, 0, 2.0, axis=1), shape_type="polygon")
    mask = mask_from_shapes(drawn, plan, viewer.dims)
    assert mask.shape == (5, *SHAPE)
    assert mask.sum() == mask[2].sum() == 25


def test_shapes_that_cannot_be_a_region(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_shapes(ndim=2, name="drawn")
    with pytest.raises(RegionError, match=r"'drawn' has no shapes. Add a shape"):
        mask_from_shapes(layer, plan, viewer.dims)
    layer.add_rectangles(BOX + 50)
    with pytest.raises(RegionError, match=r"span 52 to 56 × 53 to 57, the image 0 to 11 × 0"):
        mask_from_shapes(layer, plan, viewer.dims)
    layer.selected_data = set()
    with pytest.raises(RegionError, match=r"No shape of 'drawn' is selected, it has 1"):
        mask_from_shapes(layer, plan, viewer.dims, selected_only=True)
    layer.data = [BOX * 0.1 + 2.1]
    with pytest.raises(RegionError, match=r"covers a pixel centre"):
        mask_from_shapes(layer, plan, viewer.dims)


def test_points_mark_one_pixel_each(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_points([[1, 1], [2.5, 3.5], [90, 0]], scale=(2, 2))
    mask = mask_from_points(layer, plan, viewer.dims)
    assert np.argwhere(mask).tolist() == [[2, 2], [5, 7]]
    layer.selected_data = {1}
    assert mask_from_points(layer, plan, viewer.dims, selected_only=True).sum() == 1
    layer.selected_data = {2}
    with pytest.raises(RegionError, match=r"No point of"):
        mask_from_points(layer, plan, viewer.dims, selected_only=True)


def test_points_in_another_plane_are_left_out(viewer: ViewerModel, stack_plan: InputPlan) -> None:
    layer = viewer.add_points([[12, 4, 5], [8, 1, 1]])
    assert np.argwhere(mask_from_points(layer, stack_plan, viewer.dims)).tolist() == [[4, 5]]
    flat = viewer.add_points([[4, 5]])
    assert np.argwhere(mask_from_points(flat, stack_plan, viewer.dims)).tolist() == [[4, 5]]


def test_pixel_under_the_pointer(viewer: ViewerModel) -> None:
    layer = viewer.add_image(
        np.zeros((5, *SHAPE)), scale=(4, 2, 3), translate=(0, 10, 20), rotate=(0, 0, 30)
    )
    plan = plan_input(layer, viewer.dims, 2, 1)
    world = layer.data_to_world((0, 7, 9))
    assert pixel_at(plan, world, viewer.dims) == (7, 9)
    assert pixel_at(plan, layer.data_to_world((0, 7.4, 8.6)), viewer.dims) == (7, 9)
    assert pixel_at(plan, layer.data_to_world((0, 12, 9)), viewer.dims) is None


def test_pixel_under_the_pointer_in_the_viewers_units(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros(SHAPE), scale=(1000, 1000), units=("nm", "nm"))
    viewer.add_image(np.zeros(SHAPE), units=("um", "um"))
    viewer.layers.units = ("um", "um")
    plan = plan_input(layer, viewer.dims, 2, 1)
    assert pixel_at(plan, (7.2, 3.1), viewer.dims) == (7, 3)


def test_new_region_lies_on_the_image(viewer: ViewerModel) -> None:
    layer = viewer.add_image(
        np.zeros((40, 50, 3), np.uint8),
        rgb=True,
        scale=(2, 3),
        rotate=20,
        affine=[[1, 0.2, 5], [0, 1, 6], [0, 0, 1]],
        units=("um", "um"),
        axis_labels=("y", "x"),
    )
    region = new_region_layer(layer, "mine")
    assert region.data.shape == (40, 50)
    assert not region.data.any()
    assert region.name == "mine"
    mine, theirs = transform_of(region), transform_of(layer)
    for name in TRANSFORM_FIELDS:
        np.testing.assert_array_equal(mine[name], theirs[name])
    viewer.add_layer(region)
    region.data[3, 4] = 1
    plan = plan_input(layer, viewer.dims, 2, 3)
    assert np.argwhere(mask_from_labels(region, plan, viewer.dims)).tolist() == [[3, 4]]


def test_new_region_has_no_leading_channels(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((3, *SHAPE)), rgb=False, scale=(1, 2, 3), rotate=(0, 0, 20))
    region = new_region_layer(layer, channel_axis=0)
    assert region.data.shape == SHAPE
    np.testing.assert_allclose(region.data_to_world((5, 6)), layer.data_to_world((0, 5, 6))[1:])
    viewer.add_layer(region)
    region.data[3, 4] = 1
    for channel in (0, 2):
        viewer.dims.set_current_step(0, channel)
        plan = plan_input(layer, viewer.dims, 2, 3, 0)
        assert mask_from_labels(region, plan, viewer.dims)[3, 4]
