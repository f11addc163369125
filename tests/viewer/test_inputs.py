"""What the network sees of an Image layer."""

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.errors import ShapeError
from napari_seggradcam.viewer import planes
from napari_seggradcam.viewer.cells import shown_image
from napari_seggradcam.viewer.inputs import channel_axis_choices, image_input, plan_input
from napari_seggradcam.viewer.placement import layer_grid


def numbered(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_grey_image_is_taken_whole(viewer: ViewerModel) -> None:
    data = numbered(12, 16)
    taken = image_input(viewer.add_image(data), viewer.dims, 2, 1)
    assert (taken.axes, taken.shape, taken.channel_axis) == ("YX", (12, 16), None)
    np.testing.assert_array_equal(taken.array, data)
    assert taken.sentence == "12 × 16 pixels, float32"


def test_pixels_are_a_copy(viewer: ViewerModel) -> None:
    data = numbered(12, 16)
    layer = viewer.add_image(data)
    taken = image_input(layer, viewer.dims, 2, 1)
    data[:] = 0
    layer.data = np.ones((12, 16))
    assert taken.array[0, 5] == 5


def test_plane_stands_at_the_slider_and_is_named(viewer: ViewerModel) -> None:
    data = numbered(4, 5, 12, 16)
    layer = viewer.add_image(
        data, scale=(2, 5, 1, 1), translate=(3, 7, 0, 0), axis_labels=("t", "z", "y", "x")
    )
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(1, 3)
    taken = image_input(layer, viewer.dims, 2, 1)
    np.testing.assert_array_equal(taken.array, data[1, 3])
    assert taken.sentence.startswith("plane t = 1 of 4, z = 3 of 5, 12 × 16 pixels")
    assert taken.grid.shape == (1, 1, 12, 16)
    world = layer_grid(layer).to_world((1, 3, 2, 5))
    np.testing.assert_allclose(taken.grid.to_world((0, 0, 2, 5)), world)


def test_axes_without_names_are_numbered_planes(viewer: ViewerModel) -> None:
    layer = viewer.add_image(numbered(4, 12, 16))
    viewer.dims.set_current_step(0, 2)
    assert plan_input(layer, viewer.dims, 2, 1).sentence.startswith("plane 2 of 4, 12")


def test_slider_in_other_units_than_the_layer(viewer: ViewerModel) -> None:
    data = numbered(6, 12, 16)
    fine = viewer.add_image(data, scale=(1000, 1, 1), units=("nm", "nm", "nm"))
    viewer.add_image(data, units=("um", "um", "um"))
    viewer.layers.units = ("um", "um", "um")
    viewer.dims.set_point(0, 4.0)
    np.testing.assert_array_equal(image_input(fine, viewer.dims, 2, 1).array, data[4])


def test_other_order_of_axes_shows_another_plane(viewer: ViewerModel) -> None:
    data = numbered(6, 12, 16)
    layer = viewer.add_image(data)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 7)
    taken = image_input(layer, viewer.dims, 2, 1)
    np.testing.assert_array_equal(taken.array, data[:, 7])
    assert taken.spatial_axes == (0, 2)
    assert taken.shape == (6, 16)


def test_volume_for_a_network_of_three_dimensions(viewer: ViewerModel) -> None:
    data = numbered(3, 6, 12, 16)
    layer = viewer.add_image(data)
    viewer.dims.set_current_step(0, 2)
    taken = image_input(layer, viewer.dims, 3, 1)
    assert (taken.axes, taken.shape) == ("ZYX", (6, 12, 16))
    np.testing.assert_array_equal(taken.array, data[2])


def test_image_with_fewer_axes_than_the_viewer(viewer: ViewerModel) -> None:
    flat = viewer.add_image(numbered(12, 16))
    viewer.add_image(numbered(6, 12, 16))
    viewer.dims.set_current_step(0, 5)
    assert plan_input(flat, viewer.dims, 2, 1).shape == (12, 16)


def test_plane_beyond_the_image_is_refused(viewer: ViewerModel) -> None:
    layer = viewer.add_image(numbered(4, 12, 16), name="short", axis_labels=("z", "y", "x"))
    viewer.add_image(numbered(9, 12, 16))
    viewer.dims.set_current_step(0, 6)
    with pytest.raises(ShapeError, match=r"'short' has no z = 6; it has 0 to 3. Move the slider"):
        plan_input(layer, viewer.dims, 2, 1)


@pytest.mark.parametrize("samples", [3, 4])
def test_colours(viewer: ViewerModel, samples: int) -> None:
    data = np.random.default_rng(0).integers(0, 255, (40, 50, samples), dtype=np.uint8)
    layer = viewer.add_image(data, rgb=True)
    colour = image_input(layer, viewer.dims, 2, 3)
    assert colour.axes == "YXC"
    np.testing.assert_array_equal(colour.array, data[..., :3])
    assert "channels red, green, blue" in colour.sentence
    grey = image_input(layer, viewer.dims, 2, 1)
    assert grey.axes == "YX"
    expected = data[..., :3] @ np.array([0.2125, 0.7154, 0.0721])
    np.testing.assert_allclose(grey.array, expected, rtol=1e-6)
    assert "weighted to grey (luminance)" in grey.sentence
    for plan in (colour, grey):
        assert ("alpha left out" in plan.sentence) == (samples == 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channel_axis_of_a_stack(viewer: ViewerModel, axis: int) -> None:
    data = np.moveaxis(numbered(3, 12, 16), 0, axis)
    layer = viewer.add_image(data, rgb=False)
    taken = image_input(layer, viewer.dims, 2, 3, axis)
    assert taken.axes == "CYX"
    np.testing.assert_array_equal(taken.array, numbered(3, 12, 16))
    assert "3 channels along axis" in taken.sentence
    assert taken.spread(numbered(6, 8)).shape == np.moveaxis(np.empty((3, 6, 8)), 0, axis).shape


def test_channel_axis_choices(viewer: ViewerModel) -> None:
    stack = viewer.add_image(numbered(3, 3, 16), rgb=False)
    assert channel_axis_choices(stack, 2, 3) == (0, 1)
    assert channel_axis_choices(stack, 2, 1) == ()
    assert channel_axis_choices(stack, 3, 3) == ()
    colour = viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    assert channel_axis_choices(colour, 2, 3) == ()


@pytest.mark.parametrize(
    ("shape", "ndim", "channels", "axis", "message"),
    [
        ((12, 16), 2, 3, None, "has no channels, the network takes 3 channels. Choose an RGB"),
        ((3, 12, 16), 2, 3, None, "If the channels lie along axis 0, choose it"),
        ((4, 12, 16), 2, 3, 0, "has 4 channels along axis 0, the network takes 3"),
        ((4, 12, 16), 2, 1, 0, "or none: then the slider says which channel"),
        ((12, 16), 3, 1, None, "2 axes beside its channels, the network needs 3"),
        ((3, 12, 16), 3, 3, 0, "2 axes beside its channels, the network needs 3"),
        ((3, 12, 16), 2, 3, 5, "has no axis 5; it has 3 axes"),
    ],
)
def test_images_that_do_not_fit_are_refused_with_a_reason(
    viewer: ViewerModel,
    shape: tuple[int, ...],
    ndim: int,
    channels: int,
    axis: int | None,
    message: str,
) -> None:
    layer = viewer.add_image(np.zeros(shape), name="mine", rgb=False)
    with pytest.raises(ShapeError, match=message):
        plan_input(layer, viewer.dims, ndim, channels, axis)


def test_colours_for_a_network_of_other_channels(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    with pytest.raises(ShapeError, match="is an RGB image, the network takes 5 channels"):
        plan_input(layer, viewer.dims, 2, 5)


def test_only_the_plane_of_an_array_on_disk_is_read(viewer: ViewerModel) -> None:
    read: list[int] = []

    def block(block_id: tuple[int, ...]) -> np.ndarray:
        read.append(block_id[0])
        return np.full((1, 12, 16), block_id[0], np.float32)

    data = da.map_blocks(block, chunks=((1,) * 6, (12,), (16,)), dtype=np.float32)
    layer = viewer.add_image(data, contrast_limits=(0, 6), cache=False)
    viewer.dims.set_current_step(0, 4)
    plan = plan_input(layer, viewer.dims, 2, 1)
    read.clear()
    assert (plan.read().array == 4).all()
    assert read == [4]


def test_multiscale_takes_the_finest_level(viewer: ViewerModel) -> None:
    levels = [numbered(64, 64), numbered(32, 32)]
    taken = image_input(viewer.add_image(levels, multiscale=True), viewer.dims, 2, 1)
    np.testing.assert_array_equal(taken.array, levels[0])
    assert taken.sentence.startswith("finest of 2 resolution levels")


def test_multiscale_too_large_takes_a_level_that_lies_on_it(
    viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "LARGEST", 2000)
    layer = viewer.add_image([numbered(64, 64), numbered(32, 16)], multiscale=True, scale=(3, 3))
    plan = plan_input(layer, viewer.dims, 2, 1)
    assert plan.sentence.startswith("resolution level 1 of 2 (finer ones are too large)")
    assert plan.shape == (32, 16)
    # Pixel (1, 1) of the level covers rows 2, 3 and columns 4 to 7 of the finest one.
    np.testing.assert_allclose(plan.grid.to_world((1, 1)), (2.5 * 3, 5.5 * 3))


def test_result_arrays_lie_on_the_plane(viewer: ViewerModel) -> None:
    layer = viewer.add_image(
        numbered(4, 12, 16), scale=(5, 2, 2), rotate=(0, 0, 30), units=("um",) * 3
    )
    viewer.dims.set_current_step(0, 3)
    plan = plan_input(layer, viewer.dims, 2, 1)
    result = viewer.add_image(
        plan.spread(np.zeros((3, 4), np.float32)), **plan.transform((4, 4), (1.5, 1.5))
    )
    assert result.data.shape == (1, 3, 4)
    np.testing.assert_allclose(
        result.data_to_world((0, 1, 2)), layer.data_to_world((3, 4 + 1.5, 8 + 1.5))
    )
    assert result.units == layer.units


NAMED = {"channel_names": ["RFP", "DAPI", "g_fp"]}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("lazy", [False, True])
def test_channels_of_an_axis_are_found_by_name(viewer: ViewerModel, axis: int, lazy: bool) -> None:
    data = numbered(3, 12, 16)
    turned = np.moveaxis(data, 0, axis)
    layer = viewer.add_image(
        da.from_array(turned) if lazy else turned, rgb=False, metadata=NAMED, name="stains"
    )
    names = ("GFP", "DAPI")
    assert channel_axis_choices(layer, 2, 2, names) == (axis,)
    assert channel_axis_choices(layer, 2, 2) == ()
    taken = plan_input(layer, viewer.dims, 2, 2, axis, names).read()
    assert taken.axes == "CYX"
    np.testing.assert_array_equal(taken.array, data[[2, 1]])
    assert taken.channel_names == ("g_fp", "DAPI")
    assert f"channels g_fp, DAPI along axis {axis}" in taken.sentence
    assert taken.spread(numbered(12, 16)).shape == turned.shape


def test_the_channel_at_the_slider_is_shown_if_the_network_gets_it(viewer: ViewerModel) -> None:
    data = numbered(3, 12, 16)
    layer = viewer.add_image(data, rgb=False, metadata=NAMED)
    for step, shown in ((0, 2), (1, 1), (2, 2)):
        viewer.dims.set_current_step(0, step)
        taken = plan_input(layer, viewer.dims, 2, 2, 0, ("GFP", "DAPI")).read()
        np.testing.assert_array_equal(shown_image(taken)[0], data[shown])


def test_channels_of_an_axis_by_position(viewer: ViewerModel) -> None:
    layer = viewer.add_image(numbered(2, 12, 16), name="stains")
    said = plan_input(layer, viewer.dims, 2, 2, 0, ("GFP", "DAPI"))
    assert "2 channels along axis 0 by position: the image does not name" in said.sentence
    assert (said.order, said.channel_names) == (None, None)
    layer.metadata["name"] = ["Cy3", "Cy5"]
    said = plan_input(layer, viewer.dims, 2, 2, 0, ("GFP", "DAPI"))
    assert "by position: the image has no channel 'GFP'" in said.sentence
    assert said.channel_names == ("Cy3", "Cy5")
    with pytest.raises(ShapeError, match="has 2 channels along axis 0, the network takes 3"):
        plan_input(layer, viewer.dims, 2, 3, 0, ("GFP", "DAPI", "Cy3"))


def test_axes_in_space_and_time_hold_no_channels(viewer: ViewerModel) -> None:
    layer = viewer.add_image(numbered(2, 2, 12, 16), axis_labels=("t", "c", "y", "x"))
    assert channel_axis_choices(layer, 2, 2) == (1,)
