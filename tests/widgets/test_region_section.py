"""The region: its sources, and the number of pixels that follows what a person draws."""

from typing import Any

import numpy as np
import pytest
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from dock_fixtures import a_region, add_sample, an_image, wait, wait_ready
from napari_seggradcam.widgets.region import PREDICTED


class Click:
    """What the canvas passes to mouse callbacks."""

    def __init__(self, position: tuple[float, ...], modifiers: tuple[str, ...] = ("Control",)):
        self.type = "mouse_press"
        self.button = 1
        self.is_dragging = True
        self.modifiers = modifiers
        self.position = position
        self.handled = False


def send_click(viewer: Any, click: Click, *, move: bool = False) -> None:
    """Do with a click what the canvas does: the viewer first, then the active layer."""
    active = viewer.layers.selection.active
    steps = [("mouse_press", mouse_press_callbacks), ("mouse_release", mouse_release_callbacks)]
    if move:
        steps.insert(1, ("mouse_move", mouse_move_callbacks))
    for kind, callbacks in steps:
        click.type = kind
        for receiver in (viewer, active):
            if receiver is not None and (receiver is viewer or kind == "mouse_press"):
                callbacks(receiver, click)


@pytest.fixture
def ready(dock: Any, viewer: Any, qtbot: Any) -> Any:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    return dock


def reads(dock: Any, qtbot: Any, pixels: int) -> None:
    wait(qtbot, lambda: dock.region.readout.text().startswith(f"{pixels:,} px"), timeout=20_000)


def test_painting_undo_and_redo_are_counted(ready: Any, viewer: Any, qtbot: Any) -> None:
    drawn = viewer.layers["drawn"]
    drawn.brush_size = 1
    drawn.paint((2, 2), 1)
    reads(ready, qtbot, 81)
    drawn.undo()
    reads(ready, qtbot, 80)
    drawn.redo()
    reads(ready, qtbot, 81)
    drawn.data = np.ones((48, 64), np.uint8)
    reads(ready, qtbot, 48 * 64)
    drawn.data[:, :32] = 0
    drawn.refresh()
    reads(ready, qtbot, 48 * 32)


def test_moving_the_layer_is_counted(ready: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["drawn"].translate = (-13, 0)
    reads(ready, qtbot, 50)


def test_one_label_of_several(ready: Any, viewer: Any, qtbot: Any) -> None:
    labels = a_region().astype(int)
    labels[30:32, 5:9] = 7
    viewer.layers["drawn"].data = labels
    reads(ready, qtbot, 88)
    ready.region.first.extent.value = "one"
    ready.region.first.label.value = 7
    reads(ready, qtbot, 8)
    viewer.layers["drawn"].selected_label = 7
    viewer.layers["drawn"].selected_label = 1
    reads(ready, qtbot, 80)


def test_an_empty_region_says_so_and_disables_run(ready: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["drawn"].data = np.zeros((48, 64), np.uint8)
    wait(qtbot, lambda: ready.region.problem.text())
    assert not ready.run.button.isEnabled()
    assert "section 3" in ready.run.reason.text()
    viewer.layers["drawn"].data = a_region()
    wait_ready(qtbot, ready)
    assert not ready.region.problem.text()


def test_a_region_beside_the_image_says_so(ready: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["drawn"].translate = (1000, 1000)
    wait(qtbot, lambda: ready.region.problem.text())
    assert not ready.run.button.isEnabled()


def test_shapes_and_points_are_sources(ready: Any, viewer: Any, qtbot: Any) -> None:
    shapes = viewer.add_shapes([[[4, 4], [4, 14], [10, 14], [10, 4]]], name="shapes")
    ready.region.first.choose_layer(shapes)
    wait(qtbot, lambda: 60 <= ready.run_control.ask().mask.sum() <= 77)
    shapes.add([[20, 20], [20, 30], [30, 30], [30, 20]])
    wait(qtbot, lambda: int(ready.region.readout.text().split()[0]) > 140)
    points = viewer.add_points([[3, 3], [40, 60]], name="points")
    ready.region.first.choose_layer(points)
    reads(ready, qtbot, 2)


@pytest.mark.parametrize(
    ("operation", "pixels"), [("union", 80 + 300 - 50), ("intersection", 50), ("difference", 30)]
)
def test_two_sources_are_put_together(
    ready: Any, viewer: Any, qtbot: Any, operation: str, pixels: int
) -> None:
    other = np.zeros((48, 64), np.uint8)
    other[13:43, 20:30] = 1
    layer = viewer.add_labels(other, name="other")
    ready.region.first.choose_layer(viewer.layers["drawn"])
    ready.region.second.choose_layer(layer)
    ready.region.operation.value = operation
    reads(ready, qtbot, pixels)


def test_the_predicted_class_is_counted_once_it_is_known(
    ready: Any, viewer: Any, qtbot: Any
) -> None:
    ready.region.first.what.value = "class"
    wait(qtbot, lambda: "after the first run" in ready.region.readout.text())
    ready.network.predict_button.click()
    image = viewer.layers["cells"].data
    prediction = ready.network_control.opened.network.predict(image).argmax(0)
    chosen = int(prediction[0, 0])
    ready.region.first.predicted.value = chosen
    reads(ready, qtbot, int((prediction == chosen).sum()))


def test_a_removed_layer_is_offered_no_more(ready: Any, viewer: Any, qtbot: Any) -> None:
    drawn = viewer.layers["drawn"]
    viewer.layers.remove(drawn)
    assert drawn not in ready.region.first.what.choices
    assert not drawn.events.paint.callbacks or all(
        "region_control" not in str(callback) for callback in drawn.events.paint.callbacks
    )


def test_new_region_lies_on_the_image(dock: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(
        an_image(), name="cells", scale=(2, 3), translate=(5, 7), rotate=30, units=("um", "um")
    )
    dock.region.new_button.click()
    region = viewer.layers[-1]
    assert region.mode == "paint"
    assert dock.region.first.what.value == region
    np.testing.assert_allclose(region.extent.world, viewer.layers[0].extent.world)


def test_ctrl_click_asks_about_the_pixel_under_the_pointer(
    ready: Any, viewer: Any, qtbot: Any
) -> None:
    asked = []
    ready.pointer.pixel_clicked.connect(asked.append)
    send_click(viewer, Click((11.4, 20.6)))
    assert asked == [(11, 21)]
    assert ready.region.choice.first.pixel == (11, 21)
    assert ready.run_control.running
    wait(qtbot, lambda: not ready.run_control.running)


@pytest.mark.parametrize(
    ("click", "move"),
    [(Click((11, 21), ()), False), (Click((-9, 21)), False), (Click((11, 21)), True)],
    ids=["no modifier", "beside the image", "dragged"],
)
def test_other_clicks_ask_nothing(ready: Any, viewer: Any, click: Click, move: bool) -> None:
    asked = []
    ready.pointer.pixel_clicked.connect(asked.append)
    send_click(viewer, click, move=move)
    assert not asked


def test_ctrl_click_does_not_paint(ready: Any, viewer: Any, qtbot: Any) -> None:
    drawn = viewer.layers["drawn"]
    viewer.layers.selection.active = drawn
    drawn.mode = "paint"
    before = drawn.data.copy()
    send_click(viewer, Click((40, 50)))
    np.testing.assert_array_equal(drawn.data, before)
    assert drawn.mode == "paint"
    wait(qtbot, lambda: not ready.run_control.running)


def test_the_class_is_kept_by_name(ready: Any, qtbot: Any) -> None:
    assert ready.region.target_value == PREDICTED
    ready.region.target.value = 1
    ready.region.offer_classes(["sky", "nucleus", "cell"])
    assert ready.region.target_value == 1
    ready.region.offer_classes(["sky"])
    assert ready.region.target_value == PREDICTED
