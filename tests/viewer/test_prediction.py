"""Prediction and logits as napari layers."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.viewer.inputs import plan_input
from napari_seggradcam.viewer.prediction import logit_layer, prediction_layer
from napari_seggradcam.viewer.results import ResultLayers

SHAPE = (12, 16)
CLASSES = ("flat", "sky", "human")
COLOURS = ("#804080", "#4682b4", "#dc143c")


@pytest.fixture
def prediction() -> np.ndarray:
    labels = np.zeros(SHAPE, int)
    labels[2:5], labels[8:] = 1, 2
    return labels


def test_prediction_has_class_colours_and_names(
    viewer: ViewerModel, prediction: np.ndarray
) -> None:
    image = viewer.add_image(np.zeros(SHAPE), scale=(2, 3), rotate=20)
    plan = plan_input(image, viewer.dims, 2, 1)
    results = ResultLayers(viewer)
    layer = results.put(prediction_layer(prediction, plan, CLASSES, COLOURS, "streets"))
    assert layer.name == "streets · prediction"
    np.testing.assert_array_equal(layer.data, prediction)
    np.testing.assert_allclose(layer.get_color(1), np.array([0x46, 0x82, 0xB4, 0xFF]) / 255)
    for row, name in ((0, "flat"), (3, "sky"), (9, "human")):
        status = layer.get_status(image.data_to_world((row, 5)), world=True)
        assert f"class: {name}" in status["value"]


def test_background_is_transparent(viewer: ViewerModel, prediction: np.ndarray) -> None:
    plan = plan_input(viewer.add_image(np.zeros(SHAPE)), viewer.dims, 2, 1)
    classes = ("background", "a", "b")
    layer = prediction_layer(prediction, plan, classes, COLOURS, "nuclei")
    assert layer.colormap.map(np.array([0]))[0, 3] == 0
    layer = prediction_layer(prediction, plan, CLASSES, COLOURS, "streets")
    assert layer.colormap.map(np.array([0]))[0, 3] == 1


def test_next_prediction_takes_the_place_of_the_last(
    viewer: ViewerModel, prediction: np.ndarray
) -> None:
    plan = plan_input(viewer.add_image(np.zeros(SHAPE)), viewer.dims, 2, 1)
    results = ResultLayers(viewer)
    first = results.put(prediction_layer(prediction, plan, CLASSES, COLOURS, "one"))
    second = results.put(
        prediction_layer(1 - (prediction > 0), plan, ("background", "thing"), COLOURS[:2], "two")
    )
    assert second == first
    assert len(viewer.layers) == 2
    assert second.name == "two · prediction"
    assert list(second.features["class"]) == ["background", "thing"]
    assert results.clear() == 1


def test_logits_keep_their_units_and_diverge_at_zero(viewer: ViewerModel) -> None:
    plan = plan_input(viewer.add_image(np.zeros(SHAPE)), viewer.dims, 2, 1)
    logits = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    layer = logit_layer(logits, 2, plan, CLASSES, "streets")
    assert layer.name == "streets · logit of human"
    np.testing.assert_array_equal(layer.data, logits[2])
    low, high = layer.contrast_limits
    assert -low == high == np.abs(logits[2]).max()
    assert logit_layer(0 * logits, 2, plan, CLASSES, "streets").contrast_limits == [-1, 1]
