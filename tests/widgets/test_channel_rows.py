"""A network of several channels over layers of one: rows, what is computed, and what is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel

import napari_seggradcam as sgc
from dock_fixtures import a_region, heatmap_layers, run_script, wait, wait_idle, wait_ready
from napari_seggradcam.widgets import network_source
from napari_seggradcam.widgets.network_source import NetworkSource

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def stains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the channels DAPI and GFP."""
    torch.manual_seed(3)
    module = sgc.UNet(in_channels=2, depth=1, base_width=4)
    network = sgc.Network.from_module(module, channels=2, channel_names=("DAPI", "GFP"))
    return network.save(tmp_path_factory.mktemp("stains") / "stains.safetensors")


def add(viewer: ViewerModel, *names: str, **more: Any) -> list[Any]:
    shape = more.pop("shape", (24, 32))
    return [viewer.add_image(RNG.random(shape, np.float32), name=n, **more) for n in names]


@pytest.fixture
def opened(dock: Any, qtbot: Any, stains: Path) -> Any:
    """The dock with that network."""
    dock.network_control.open(NetworkSource(str(stains), "stains"))
    wait(qtbot, lambda: dock.network_control.opened is not None)
    wait(qtbot, lambda: not dock.network_control.opening)
    return dock


def chosen(dock: Any) -> list[str]:
    return [layer.name for layer in dock.image.channels.layers]


def settled(dock: Any, qtbot: Any, met: Callable[[], Any]) -> None:
    wait(qtbot, lambda: met() and not dock.image_control._timer.isActive())


def test_rows_come_with_a_network_of_several_channels(dock: Any, viewer: Any, qtbot: Any) -> None:
    add(viewer, "one", "two", "three")
    assert not dock.image.channels.isVisible()
    nuclei, streets = network_source.demo_networks()
    for source, visible in ((nuclei, False), (streets, True), (nuclei, False)):
        dock.network_control.open(source)
        wait(qtbot, lambda source=source: dock.image_control.plan is not None
             and dock.network_control.opened.source == source)  # fmt: skip
        assert dock.image.channels.isVisible() == visible
    dock.network_control.open(streets)
    wait(qtbot, lambda: dock.image.channels.isVisible())
    assert [box.native.accessibleName() for box in dock.image.channels.boxes] == [
        "Channel channel 1", "Channel channel 2", "Channel channel 3",
    ]  # fmt: skip
    assert chosen(dock) == ["one", "two", "three"]
    dock.network_control.unload()
    assert not dock.image.channels.isVisible()
    assert dock.image_control.plan is None


def test_a_layer_with_all_channels_needs_no_rows(opened: Any, viewer: Any) -> None:
    add(viewer, "GFP", "DAPI")
    assert opened.image.channels.isVisible()
    viewer.add_image(RNG.random((2, 24, 32), np.float32), name="both")
    assert not opened.image.channels.isVisible()
    assert opened.image_control.plan.channel_axis == 0
    three = RNG.random((3, 24, 32), np.float32)
    viewer.add_image(three, name="named", metadata={"channel_names": ["GFP", "RFP", "dapi"]})
    assert not opened.image.channels.isVisible()
    taken = opened.image_control.plan.read()
    np.testing.assert_array_equal(taken.array, three[[2, 0]])


def test_one_layer_is_too_few(opened: Any, viewer: Any) -> None:
    add(viewer, "GFP")
    assert not opened.image.channels.isVisible()
    assert "open each channel as a layer" in opened.network.misfit.text()


def test_rows_are_filled_by_name_and_the_answer_is_that_of_the_stack(
    opened: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    green, _other, blue = add(viewer, "gfp", "brightfield", "Dapi")
    opened.region.first.choose_layer(viewer.add_labels(a_region((24, 32))))
    assert chosen(opened) == ["Dapi", "gfp"]
    assert "DAPI, GFP" in opened.network._values["Input"].text()
    wait_ready(qtbot, opened)
    opened.run.button.click()
    wait_idle(qtbot, opened)
    network = opened.network_control.opened.network
    stack = np.stack([blue.data, green.data])
    expected = sgc.explain(network, stack, a_region((24, 32)) > 0, axes="CYX", layers="levels")
    layers = heatmap_layers(viewer)
    assert list(layers) == list(expected)
    for name, layer in layers.items():
        np.testing.assert_array_equal(layer.data, expected[name].heatmap)
        record = layer.metadata["napari_seggradcam"]["record"]
        assert record["image"]["channel_names"] == ["Dapi", "gfp"]
        assert record["network"]["channel_names"] == ["DAPI", "GFP"]
    opened.run.script_button.click()
    wait(qtbot, lambda: "Script copied" in opened.run.note.text())
    text = QApplication.clipboard().text()
    assert "# Image: np.stack of the layers Dapi, gfp, 24 × 32 pixels" in text
    assert "channel_names=['Dapi', 'gfp']" in text
    made = run_script(text, tmp_path / "made.npz")
    for name, signed in made.items():
        np.testing.assert_array_equal(signed, expected[name].signed)
    opened.compare_control.save(tmp_path / "mine.sgc.zarr")
    wait(qtbot, lambda: "Saved" in opened.compare.problem.text())
    saved = sgc.open_explanation(tmp_path / "mine.sgc.zarr")
    np.testing.assert_array_equal(saved.image, stack)
    assert saved.record["image"]["channel_names"] == ["Dapi", "gfp"]


def test_a_choice_by_hand_stays_until_it_is_unpinned(opened: Any, viewer: Any, qtbot: Any) -> None:
    _green, blue, other = add(viewer, "GFP", "DAPI", "denoised")
    opened.image.channels.boxes[0].value = other
    assert opened.image.pinned
    assert chosen(opened) == ["denoised", "GFP"]
    viewer.layers.selection.active = blue
    add(viewer, "another")
    settled(opened, qtbot, lambda: True)
    assert chosen(opened) == ["denoised", "GFP"]
    assert [layer.name for layer in opened.image_control.plan.layers] == ["denoised", "GFP"]
    opened.image.pin.click()
    settled(opened, qtbot, lambda: chosen(opened) == ["DAPI", "GFP"])


def test_a_chosen_layer_that_goes_is_replaced(opened: Any, viewer: Any, qtbot: Any) -> None:
    _green, _blue, other = add(viewer, "GFP", "DAPI", "denoised")
    opened.image.channels.boxes[0].value = other
    viewer.layers.remove(other)
    settled(opened, qtbot, lambda: chosen(opened) == ["DAPI", "GFP"])
    assert [layer.name for layer in opened.image_control.plan.layers] == ["DAPI", "GFP"]


def test_a_new_name_is_looked_at(opened: Any, viewer: Any, qtbot: Any) -> None:
    first, second = add(viewer, "C1", "C2")
    assert chosen(opened) == ["C1", "C2"]
    second.name, first.name = "DAPI", "GFP"
    settled(opened, qtbot, lambda: chosen(opened) == ["DAPI", "GFP"])
    assert opened.image_control.plan.layers == (second, first)


def test_layers_that_do_not_lie_on_one_another(opened: Any, viewer: Any, qtbot: Any) -> None:
    green, blue = add(viewer, "GFP", "DAPI")
    green.scale = (2, 2)
    settled(opened, qtbot, lambda: opened.image_control.plan is None)
    assert "'GFP' does not lie on 'DAPI' pixel by pixel" in opened.network.misfit.text()
    assert not opened.run.button.isEnabled()
    assert opened.image.channels.isVisible()
    blue.scale = (2, 2)
    settled(opened, qtbot, lambda: opened.image_control.plan is not None)
    assert not opened.network.misfit.text()


def test_closing_the_dock_lets_go_of_all_layers(
    open_dock: Any, viewer: Any, qtbot: Any, stains: Path
) -> None:
    layers = add(viewer, "GFP", "DAPI")
    before = [len(layer.events.scale.callbacks) for layer in layers]
    dock = open_dock(viewer)
    dock.network_control.open(NetworkSource(str(stains), "stains"))
    wait(qtbot, lambda: dock.image_control.plan is not None)
    assert all(len(la.events.scale.callbacks) > n for la, n in zip(layers, before, strict=True))
    dock.detach()
    dock.network_control.changed.emit()
    assert [len(layer.events.scale.callbacks) for layer in layers] == before


def test_long_names_do_not_widen_the_dock(
    open_dock: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    module = sgc.UNet(in_channels=2, depth=1, base_width=4)
    names = ("<b>Hoechst 33342</b> at 405 nm", "anti-α-tubulin conjugated with Alexa Fluor 488")
    path = sgc.Network.from_module(module, channels=2, channel_names=names).save(tmp_path / "n")
    add(viewer, "a layer with a name that is quite long", "and another one that is longer still")
    dock = open_dock(viewer)
    dock.network_control.open(NetworkSource(str(path), "n"))
    wait(qtbot, lambda: dock.image_control.plan is not None)
    assert dock.width() == 280
    assert dock.image.channels.isVisible()
    assert dock.scroll.widget().width() <= dock.scroll.viewport().width()
    labels = dock.image.channels.findChildren(QLabel)
    assert [label.toolTip() for label in labels] == list(names)
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in labels)
