"""Layers that hold one channel each: which ones are meant, and what the network gets of them."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source

from napari_seggradcam.errors import ShapeError
from napari_seggradcam.viewer.cells import shown_image
from napari_seggradcam.viewer.channel_layers import (
    plan_layers,
    propose_layers,
    single_channel_layers,
)

RNG = np.random.default_rng(8)
NAMES = ("DAPI", "GFP")


def add(
    viewer: ViewerModel, *names: str, shape: tuple[int, ...] = (12, 16), **more: object
) -> None:
    for name in names:
        viewer.add_image(RNG.random(shape, np.float32), name=name, rgb=False, **more)


def proposed(viewer: ViewerModel, chosen: str, names: tuple[str, ...] | None = NAMES) -> list[str]:
    layers = single_channel_layers(list(viewer.layers), 2, 2, names)
    return [layer.name for layer in propose_layers(layers, viewer.layers[chosen], 2, names)]


def test_layers_are_found_by_name(viewer: ViewerModel) -> None:
    add(viewer, "brightfield", "g f-p", "dapi", "RFP")
    for name in ("brightfield", "dapi", "RFP"):
        assert proposed(viewer, name) == ["dapi", "g f-p"]
    assert proposed(viewer, "RFP", None) == ["brightfield", "g f-p"]
    assert proposed(viewer, "RFP", ("DAPI", "Cy5")) == ["brightfield", "g f-p"]


def test_names_behind_that_of_the_image(viewer: ViewerModel) -> None:
    add(viewer, "cells.zarr: RFP", "cells.zarr: GFP", "cells.zarr: DAPI")
    assert proposed(viewer, "cells.zarr: GFP") == ["cells.zarr: DAPI", "cells.zarr: GFP"]


def test_a_second_image_with_the_same_channels(viewer: ViewerModel) -> None:
    add(viewer, "DAPI", "GFP")
    add(viewer, "GFP", "DAPI")  # napari calls them GFP [1] and DAPI [1]
    assert proposed(viewer, "GFP") == ["DAPI", "GFP"]
    assert proposed(viewer, "GFP [1]") == ["DAPI [1]", "GFP [1]"]


def test_layers_of_one_file_belong_together(viewer: ViewerModel) -> None:
    for path in ("first.tif", "second.tif"):
        with layer_source(path=path):
            add(viewer, *(f"{path[0]}{number}" for number in range(2)))
    assert proposed(viewer, "f1", None) == ["f0", "f1"]
    assert proposed(viewer, "s0", None) == ["s0", "s1"]


def test_layers_that_lie_alike_come_first(viewer: ViewerModel) -> None:
    add(viewer, "DAPI", shape=(20, 20))
    add(viewer, "GFP", scale=(2, 2))
    add(viewer, "one", "two")
    assert proposed(viewer, "two") == ["one", "two"]
    # With no two alike there is a choice to make, and what is wrong with it will be said.
    assert proposed(viewer, "GFP") == ["DAPI", "GFP"]


def test_layers_that_hold_something_else(viewer: ViewerModel) -> None:
    add(viewer, "stack", shape=(2, 12, 16))
    viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True, name="colours")
    add(viewer, "alone")
    layers = list(viewer.layers)
    assert [one.name for one in single_channel_layers(layers, 2, 2)] == ["alone"]
    assert single_channel_layers(layers, 2, 1) == []
    assert proposed(viewer, "alone") == proposed(viewer, "colours") == []


def test_two_planes_are_no_channels_if_their_axis_says_so(viewer: ViewerModel) -> None:
    add(viewer, "GFP", "DAPI", shape=(2, 12, 16), axis_labels=("z", "y", "x"))
    assert proposed(viewer, "GFP") == ["DAPI", "GFP"]


def test_the_network_gets_the_layers_as_channels(viewer: ViewerModel) -> None:
    place = {"scale": (5, 2, 2), "rotate": (0, 0, 30)}
    add(viewer, "GFP", "DAPI", shape=(4, 12, 16), **place)
    viewer.dims.set_current_step(0, 3)
    green, blue = viewer.layers
    plan = plan_layers((blue, green), viewer.dims, 2)
    taken = plan.read()
    assert (taken.axes, taken.shape, taken.channel_axis) == ("CYX", (12, 16), None)
    np.testing.assert_array_equal(taken.array, [blue.data[3], green.data[3]])
    assert (taken.name, taken.channel_names) == ("DAPI, GFP", ("DAPI", "GFP"))
    assert taken.sentence == "plane 3 of 4, 12 × 16 pixels, float32, 2 layers as channels"
    result = viewer.add_image(plan.spread(np.zeros((12, 16))), **plan.transform())
    np.testing.assert_allclose(result.data_to_world((0, 1, 2)), blue.data_to_world((3, 1, 2)))
    shown, _style = shown_image(taken)
    np.testing.assert_array_equal(shown, blue.data[3])


def test_volumes_and_mixed_types(viewer: ViewerModel) -> None:
    add(viewer, "a", shape=(6, 12, 16))
    viewer.add_image(np.ones((6, 12, 16), np.uint16), name="b")
    taken = plan_layers(tuple(viewer.layers), viewer.dims, 3).read()
    assert (taken.axes, taken.array.shape) == ("CZYX", (2, 6, 12, 16))
    assert taken.array.dtype == np.result_type(np.float32, np.uint16)
    assert str(taken.array.dtype) in taken.sentence


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scale": (2, 2)}, r"the scale \(2, 2\), not \(1, 1\)"),
        ({"translate": (0, 1)}, r"the translate \(0, 1\), not \(0, 0\)"),
        ({"rotate": 10}, "another rotation"),
    ],
)
def test_layers_that_lie_elsewhere(
    viewer: ViewerModel, fields: dict[str, object], said: str
) -> None:
    add(viewer, "first")
    add(viewer, "second", **fields)
    with pytest.raises(ShapeError, match=f"'second' does not lie on 'first'.*{said}.*one grid"):
        plan_layers(tuple(viewer.layers), viewer.dims, 2)


def test_layers_of_other_sizes(viewer: ViewerModel) -> None:
    add(viewer, "first")
    add(viewer, "second", shape=(12, 15))
    with pytest.raises(ShapeError, match=r"the shape \(12, 15\), not \(12, 16\)"):
        plan_layers(tuple(viewer.layers), viewer.dims, 2)
    layers = [Image([np.zeros((8, 8)), np.zeros((4, 4))], multiscale=True), Image(np.zeros((8, 8)))]
    assert plan_layers(layers, viewer.dims, 2).shape == (8, 8)
