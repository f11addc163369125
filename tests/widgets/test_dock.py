"""The dock over a viewer without a window: choosing, running, and what stays behind."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

import napari_seggradcam as sgc
from dock_fixtures import (
    Gate,
    a_region,
    add_sample,
    an_image,
    callbacks,
    heatmap_layers,
    wait,
    wait_idle,
    wait_ready,
)
from napari_seggradcam.viewer.ownership import own_layers
from napari_seggradcam.widgets.network import NONE


def click(qtbot: Any, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_opening_the_dock_loads_no_torch_and_is_quick() -> None:
    code = (
        "import sys, time\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "import napari.qt.threading, napari.settings, napari.utils.theme\n"
        "from napari.components import ViewerModel\n"
        "viewer = ViewerModel()\n"
        "begun = time.process_time()\n"
        "from napari_seggradcam.widgets.dock import SegGradCamWidget\n"
        "dock = SegGradCamWidget(viewer)\n"
        "spent = time.process_time() - begun\n"
        "heavy = {'torch', 'matplotlib.figure', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert spent < 1, spent\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_an_image_the_dock_says_how_to_begin(dock: Any) -> None:
    assert dock.image.sample_button.isVisible()
    assert not dock.run.button.isEnabled()
    assert dock.run.reason.text() == "Open an image first."


def test_the_sample_button_opens_the_sample(dock: Any, qtbot: Any, monkeypatch: Any) -> None:
    asked = []
    monkeypatch.setattr(
        ViewerModel, "open_sample", lambda _viewer, *which: asked.append(which), raising=False
    )
    click(qtbot, dock.image.sample_button)
    assert asked == [("napari-seggradcam", "nuclei")]


def test_the_active_image_is_followed_until_one_is_pinned(dock: Any, viewer: Any) -> None:
    first, second = (viewer.add_image(an_image(), name=name) for name in ("first", "second"))
    assert dock.image.current == second
    viewer.layers.selection.active = first
    assert dock.image.current == first
    dock.image.pin.click()
    viewer.layers.selection.active = second
    assert dock.image.current == first
    dock.image.pin.click()
    assert dock.image.current == second
    dock.image.layer.value = first
    viewer.layers.remove(first)
    assert dock.image.current == second
    assert not dock.image.pinned


def test_choosing_an_image_pins_it_and_renaming_keeps_it(dock: Any, viewer: Any) -> None:
    first, second = (viewer.add_image(an_image(), name=name) for name in ("first", "second"))
    dock.image.layer.value = first
    viewer.layers.selection.active = second
    first.name = "renamed"
    assert dock.image.current == first
    assert dock.image.layer.native.currentText() == "renamed"


def test_a_sample_needs_one_click(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    assert dock.region.readout.text() == "80 px (2.60 %)"
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    network = dock.network_control.opened.network
    assert list(heatmap_layers(viewer)) == [row.name for row in network.select_layers("levels")]
    assert dock.compare.table.topLevelItemCount() == 5
    assert dock.run.button.text() == "Run"


def test_a_sample_that_is_open_already_is_taken_over(
    open_dock: Any, viewer: Any, qtbot: Any
) -> None:
    image = add_sample(viewer)
    dock = open_dock(viewer)
    wait_ready(qtbot, dock)
    assert dock.image.current == image


def test_heatmaps_are_those_of_the_api(dock: Any, viewer: Any, qtbot: Any) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    expected = sgc.explain(
        dock.network_control.opened.network, image.data, a_region() > 0, layers="levels"
    )
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_array_equal(layer.data, expected[name].heatmap)


def test_a_second_run_updates_and_the_switch_keeps(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    dock.compare.modes["overlay"].click()
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    first = set(viewer.layers)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert set(viewer.layers) == first
    dock.run.keep.value = True
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert len(viewer.layers) == len(first) + 6


def test_a_second_run_side_by_side_changes_the_cells_that_are_there(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.compare.modes["grid"])
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    layers, cells = list(viewer.layers), list(own_layers(viewer, "view"))
    assert len(cells) == 15
    heat = next(layer for layer in cells if layer.name.startswith("bottleneck"))
    before = heat.data.copy()
    labels = next(layer for layer in viewer.layers if layer.name == "drawn")
    labels.data = np.roll(labels.data, 9, axis=0)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert list(viewer.layers) == layers
    assert not np.array_equal(heat.data, before)
    # Other network layers are other cells.
    dock.layers.preset.value = "bottleneck"
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert len(list(own_layers(viewer, "view"))) == 3


def test_clear_leaves_what_a_person_made(dock: Any, viewer: Any, qtbot: Any) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    mine = heatmap_layers(viewer)["bottleneck relu 2"]
    mine.name = "to keep"
    click(qtbot, dock.compare.clear_button)
    assert list(viewer.layers) == [image, viewer.layers["drawn"], mine]
    assert dock.compare.empty.isVisible()


def test_cancel_adds_nothing_and_run_works_again(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    gate = Gate(dock.network_control.opened.network)
    click(qtbot, dock.run.button)
    wait(qtbot, gate.reached.is_set)
    assert dock.run.button.text() == "Cancel"
    click(qtbot, dock.run.button)
    assert dock.run.button.text() == "Cancelling…"
    gate.open()
    wait_idle(qtbot, dock)
    assert not heatmap_layers(viewer)
    assert dock.run.button.isEnabled()
    assert not dock.run.progress.isVisible()
    click(qtbot, dock.run.button)
    wait(qtbot, lambda: len(heatmap_layers(viewer)) == 5)


def test_of_two_questions_the_later_one_is_answered(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    gate = Gate(dock.network_control.opened.network)
    dock.run_control.run()
    wait(qtbot, gate.reached.is_set)
    dock.pointer.pixel_clicked.emit((5, 7))
    gate.open()
    wait(qtbot, lambda: len(heatmap_layers(viewer)) == 5)
    wait_idle(qtbot, dock)
    sizes = {
        layer.metadata["napari_seggradcam"]["region_size"]
        for layer in heatmap_layers(viewer).values()
    }
    assert sizes == {1}


def test_what_is_drawn_while_it_computes_is_not_asked_about(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    pixels = image.data.copy()
    gate = Gate(dock.network_control.opened.network)
    click(qtbot, dock.run.button)
    wait(qtbot, gate.reached.is_set)
    viewer.layers["drawn"].data[:] = 1
    image.data[:] = 0
    gate.open()
    wait_idle(qtbot, dock)
    expected = sgc.explain(
        dock.network_control.opened.network, pixels, a_region() > 0, layers="levels"
    )
    layer = heatmap_layers(viewer)["bottleneck relu 2"]
    np.testing.assert_array_equal(layer.data, expected["bottleneck relu 2"].heatmap)


def test_an_image_removed_while_it_computes_is_said(dock: Any, viewer: Any, qtbot: Any) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    gate = Gate(dock.network_control.opened.network)
    click(qtbot, dock.run.button)
    wait(qtbot, gate.reached.is_set)
    viewer.layers.remove(image)
    gate.open()
    wait_idle(qtbot, dock)
    assert [layer.name for layer in viewer.layers] == ["drawn"]
    assert "was removed" in dock.run.note.text()
    assert dock.run.reason.text() == "Open an image first."


def test_a_network_that_fails_is_said_and_left_as_it_was(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    module = dock.network_control.opened.network.module

    def fail(*_args: Any) -> None:
        raise RuntimeError("this network has a fault")

    hook = module.register_forward_pre_hook(fail)
    before = list(viewer.layers)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    hook.remove()
    assert "this network has a fault" in dock.run.note.text()
    assert dock.run.note.level == "error"
    assert list(viewer.layers) == before
    assert dock.run.button.isEnabled()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def nan_image() -> np.ndarray:
    image = an_image()
    image[3, 4] = np.nan
    return image


@pytest.mark.parametrize(
    ("image", "said"), [(nan_image(), "NaN"), (np.full((48, 64), np.inf, np.float32), "finite")]
)
def test_an_image_that_is_not_finite_is_said(
    dock: Any, viewer: Any, qtbot: Any, image: np.ndarray, said: str
) -> None:
    layer = add_sample(viewer)
    wait_ready(qtbot, dock)
    layer.data = image
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert said in dock.run.note.text()
    assert not heatmap_layers(viewer)


def test_a_tiny_image_is_answered(dock: Any, viewer: Any, qtbot: Any) -> None:
    layer = add_sample(viewer)
    wait_ready(qtbot, dock)
    layer.data = an_image((3, 2))
    dock.region.first.what.value = "image"
    wait(qtbot, lambda: dock.region.readout.text().startswith("6 px"))
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert len(heatmap_layers(viewer)) == 5 or dock.run.note.level == "error"


def test_a_network_with_other_channels_says_why_it_does_not_fit(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    viewer.add_image(an_image(), name="grey")
    dock.network_control.open_demo("streets")
    wait(qtbot, lambda: dock.network.misfit.text())
    assert "3 channels" in dock.network.misfit.text()
    assert not dock.run.button.isEnabled()
    assert "does not fit" in dock.run.reason.text()
    assert not dock.network.predict_button.isEnabled()
    viewer.add_image(np.zeros((48, 64, 3), np.uint8), name="colour")
    wait(qtbot, lambda: not dock.network.misfit.text())
    assert "red, green, blue" in dock.image.sentence.text()


def test_the_shown_plane_of_a_stack_is_asked_about(dock: Any, viewer: Any, qtbot: Any) -> None:
    stack = np.stack([an_image() + 10 * plane for plane in range(4)])
    viewer.add_image(stack, name="stack")
    dock.network_control.open_demo("nuclei")
    dock.region.first.what.value = "image"
    viewer.dims.set_current_step(0, 2)
    wait_ready(qtbot, dock)
    wait(qtbot, lambda: "2" in dock.image.sentence.text())
    question = dock.run_control.ask()
    np.testing.assert_array_equal(question.plan.array, stack[2])


def test_channel_axes_are_offered_only_where_there_is_a_choice(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    viewer.add_image(np.zeros((3, 48, 64), np.float32), name="channels first")
    dock.network_control.open_demo("streets")
    wait(qtbot, lambda: dock.image_control.plan is not None)
    assert not dock.image.axis.native.isVisible()
    viewer.add_image(np.zeros((3, 48, 3), np.float32), name="which")
    wait(qtbot, dock.image.axis.native.isVisible)
    assert len(dock.image.axis.choices) == 2


def test_predict_adds_labels_and_logits_an_image(dock: Any, viewer: Any, qtbot: Any) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    logits = dock.network_control.opened.network.predict(image.data)
    click(qtbot, dock.network.predict_button)
    wait(qtbot, lambda: len(viewer.layers) == 3)
    np.testing.assert_array_equal(viewer.layers[-1].data, logits.argmax(0))
    wait(qtbot, dock.network.logits_button.isEnabled)
    dock.network.logits_menu.actions()[1].trigger()
    wait(qtbot, lambda: len(viewer.layers) == 4)
    np.testing.assert_allclose(viewer.layers[-1].data, logits[1], rtol=1e-6)


def test_unload_forgets_the_network(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.network.unload_button)
    assert dock.network_control.opened is None
    assert dock.network.source.value == NONE
    assert not dock.network.card.isVisible()
    assert dock.run.reason.text() == "Choose a network in section 2."


def test_a_closed_dock_leaves_nothing_hooked(open_dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    before = callbacks(viewer)
    dock = open_dock(viewer)
    wait_ready(qtbot, dock)
    assert callbacks(viewer) > before
    dock.close()
    assert callbacks(viewer) == before
    viewer.add_image(an_image(), name="later")
    assert dock.image.current.name == "cells"


def test_a_dock_closed_while_it_computes_adds_nothing(
    open_dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    dock = open_dock(viewer)
    wait_ready(qtbot, dock)
    module = dock.network_control.opened.network.module
    gate = Gate(dock.network_control.opened.network)
    click(qtbot, dock.run.button)
    wait(qtbot, gate.reached.is_set)
    dock.close()
    gate.open()
    wait(qtbot, lambda: not any(m._forward_hooks for m in module.modules()))
    qtbot.wait(200)
    assert not heatmap_layers(viewer)


def test_a_dock_put_back_while_a_network_was_opening(dock: Any, qtbot: Any) -> None:
    dock.network_control.open_demo("nuclei")
    dock.detach()
    assert not dock.network.busy.isVisible()
    assert dock.network.source.value == NONE
    dock.attach()
    dock.network_control.open_demo("nuclei")
    wait(qtbot, lambda: dock.network_control.opened is not None)
    assert dock.network.card.isVisible()


def test_a_dock_that_is_opened_again_finds_its_heatmaps(
    open_dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    dock = open_dock(viewer)
    dock.compare.modes["overlay"].click()
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    layers = set(viewer.layers)
    dock.close()
    assert set(viewer.layers) == layers
    again = open_dock(viewer)
    again.compare.modes["overlay"].click()
    wait_ready(qtbot, again)
    click(qtbot, again.run.button)
    wait_idle(qtbot, again)
    assert set(viewer.layers) == layers


def test_closing_in_a_compare_mode_gives_the_viewer_back(
    open_dock: Any, viewer: Any, qtbot: Any
) -> None:
    image = add_sample(viewer)
    dock = open_dock(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    assert not image.visible
    dock.close()
    assert image.visible
    assert not [
        layer
        for layer in viewer.layers
        if layer.metadata.get("napari_seggradcam", {}).get("kind") == "view"
    ]


def test_two_viewers_do_not_mix(open_dock: Any, qtbot: Any) -> None:
    viewers = [ViewerModel(), ViewerModel()]
    docks = [open_dock(viewer) for viewer in viewers]
    for viewer, dock in zip(viewers, docks, strict=True):
        add_sample(viewer)
        dock.compare.modes["overlay"].click()
        wait_ready(qtbot, dock)
    for dock in docks:
        click(qtbot, dock.run.button)
    for viewer, dock in zip(viewers, docks, strict=True):
        wait(qtbot, lambda viewer=viewer: len(heatmap_layers(viewer)) == 5)
        wait_idle(qtbot, dock)
    docks[0].close()
    click(qtbot, docks[1].compare.clear_button)
    assert len(heatmap_layers(viewers[0])) == 5
    assert len(heatmap_layers(viewers[1])) == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_dock_fits_its_least_width(dock: Any, viewer: Any, qtbot: Any, theme: str) -> None:
    viewer.theme = theme
    add_sample(viewer)
    wait_ready(qtbot, dock)
    click(qtbot, dock.run.button)
    wait_idle(qtbot, dock)
    dock.layers.choose_button.click()
    dock.region.operation.value = "contrast"
    dock.region.first.what.value = "false negatives"
    dock.method.header.click()
    dock.method.score.value = "margin"
    dock.method.extent.value = "mass"
    dock.method.method.value = "seg-xres-cam"
    dock.resize(dock.minimumWidth(), 900)
    qtbot.wait(50)
    assert dock.minimumWidth() <= 300
    assert dock.scroll.widget().width() <= dock.scroll.viewport().width()
