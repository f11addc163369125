"""Many regions of a Labels or Points layer, on the image's grid."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.errors import RegionError
from napari_seggradcam.viewer.inputs import InputPlan, plan_input
from napari_seggradcam.viewer.region_sets import regions_of
from napari_seggradcam.viewer.regions import mask_from_labels, mask_from_points

SHAPE = (12, 16)


@pytest.fixture
def plan(viewer: ViewerModel) -> InputPlan:
    """Plane 3 of a stack with an uneven scale."""
    image = viewer.add_image(np.zeros((5, *SHAPE)), name="cells", scale=(4, 2, 3))
    viewer.dims.set_current_step(0, 3)
    return plan_input(image, viewer.dims, 2, 1)


def test_labels_are_those_of_one_region_each(viewer: ViewerModel, plan: InputPlan) -> None:
    data = np.zeros((5, *SHAPE), int)
    data[3, 2:4, 3:6], data[3, 8, 8], data[1, 0, 0] = 7, 2, 9
    layer = viewer.add_labels(data, scale=(4, 2, 3))
    found = regions_of(layer, plan, viewer.dims)
    assert found.what == "label"
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, data[3])
    expected = mask_from_labels(layer, plan, viewer.dims, 7)
    np.testing.assert_array_equal(found.mask(7), expected)


def test_labels_do_not_follow_later_strokes(viewer: ViewerModel, plan: InputPlan) -> None:
    data = np.arange(np.prod((5, *SHAPE))).reshape(5, *SHAPE)
    layer = viewer.add_labels(data, scale=(4, 2, 3))
    found = regions_of(layer, plan, viewer.dims)
    layer.data[:] = 0
    assert found.labels is not None
    assert found.labels.all()


def test_points_are_numbered_as_napari_does(viewer: ViewerModel, plan: InputPlan) -> None:
    """Points in other planes and beside the image have numbers, too, and are left out."""
    points = [[12, 4, 9], [0, 4, 9], [12, 4, 900], [12.5, 20.9, 3.1]]
    layer = viewer.add_points(points)
    found = regions_of(layer, plan, viewer.dims)
    assert found.what == "point"
    assert found.pixels == {0: (2, 3), 3: (10, 1)}
    both = found.mask(0) | found.mask(3)
    np.testing.assert_array_equal(both, mask_from_points(layer, plan, viewer.dims))


def test_points_without_the_axes_of_the_stack_lie_in_every_plane(
    viewer: ViewerModel, plan: InputPlan
) -> None:
    layer = viewer.add_points([[4, 9], [20, 3]])
    assert regions_of(layer, plan, viewer.dims).pixels == {0: (2, 3), 1: (10, 1)}


def test_points_that_are_no_single_pixel_are_refused(viewer: ViewerModel) -> None:
    volume = plan_input(viewer.add_image(np.zeros((5, *SHAPE))), viewer.dims, 3, 1)
    layer = viewer.add_points([[4, 9], [6, 3]], name="spots")
    with pytest.raises(RegionError, match=r"'spots' have 2 axes, the network sees 3"):
        regions_of(layer, volume, viewer.dims)


@pytest.mark.parametrize(("number", "said"), [(0, "0 labels"), (1, "1 label on")])
def test_fewer_than_two_labels_can_not_be_compared(
    viewer: ViewerModel, plan: InputPlan, number: int, said: str
) -> None:
    data = np.zeros((5, *SHAPE), int)
    data[3, 2, 2] = number
    layer = viewer.add_labels(data, name="mine", scale=(4, 2, 3))
    with pytest.raises(RegionError, match=rf"'mine' has {said}.*at least two. Paint"):
        regions_of(layer, plan, viewer.dims)


def test_fewer_than_two_points_can_not_be_compared(viewer: ViewerModel, plan: InputPlan) -> None:
    layer = viewer.add_points([[12, 4, 9]], name="spots")
    with pytest.raises(RegionError, match=r"'spots' has 1 point on.*Add points"):
        regions_of(layer, plan, viewer.dims)
