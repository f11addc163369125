"""Opening networks: the list, the card, files that are no network, weights that need a factory."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from qtpy.QtWidgets import QMessageBox

from dock_fixtures import wait
from napari_seggradcam.widgets import network_control, network_source
from napari_seggradcam.widgets.network import NONE, OPEN
from napari_seggradcam.widgets.network_source import NetworkSource
from napari_seggradcam.widgets.opening_dialog import OpeningDialog, needs_factory


def opened(dock: Any, qtbot: Any) -> Any:
    wait(qtbot, lambda: not dock.network_control.opening)
    return dock.network_control.opened


def test_the_list_has_the_demo_networks_and_a_file(dock: Any) -> None:
    texts = [dock.network.source.native.itemText(i) for i in range(4)]
    assert texts == ["Choose a network…", "Nuclei (demo)", "Streets (demo)", "Open…"]


def test_choosing_opens_in_a_thread_and_fills_the_card(dock: Any, qtbot: Any) -> None:
    dock.network.source.value = network_source.demo_networks()[0]
    assert dock.network.busy.isVisible()
    assert dock.run.reason.text() == "Open an image first."
    network = opened(dock, qtbot).network
    assert not dock.network.busy.isVisible()
    assert dock.network.architecture.text() == network.architecture
    values = {name: label.text() for name, label in dock.network._values.items()}
    assert f"{network.parameters:,}" in values["Size"]
    assert "nucleus" in values["Classes"]
    assert values["File"] == "nuclei.safetensors"
    assert dock.network.device.native.currentText().startswith("auto: ")
    assert len(dock.layers.names) == 5


def test_of_two_choices_the_later_one_is_open(dock: Any, qtbot: Any) -> None:
    first, second = network_source.demo_networks()
    dock.network.source.value = first
    dock.network.source.value = second
    wait(qtbot, lambda: dock.network_control.opened is not None)
    assert dock.network_control.opened.source == second
    assert dock.network.source.value == second


def test_unloading_while_it_opens(dock: Any, qtbot: Any) -> None:
    dock.network.source.value = network_source.demo_networks()[0]
    dock.network.source.value = NONE
    assert opened(dock, qtbot) is None
    assert not dock.network.busy.isVisible()


def test_a_file_that_is_no_network_is_said(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_text("These are notes.")
    monkeypatch.setattr(
        network_control.QFileDialog, "getOpenFileName", lambda *_args: (str(path), "")
    )
    dock.network.source.value = OPEN
    wait(qtbot, lambda: dock.network.problem.text())
    assert "notes.safetensors" in dock.network.problem.text()
    assert dock.network.problem.level == "error"
    assert opened(dock, qtbot) is None
    assert not network_source.recent_networks()


def test_a_cancelled_file_dialog_keeps_the_network(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = network_source.demo_networks()[0]
    dock.network_control.open(demo)
    before = opened(dock, qtbot)
    monkeypatch.setattr(network_control.QFileDialog, "getOpenFileName", lambda *_args: ("", ""))
    dock.network.source.value = OPEN
    assert dock.network.source.value == demo
    assert opened(dock, qtbot) is before


def test_a_state_dict_with_its_factory(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    arguments = {"depth": 1, "base_width": 2}
    from napari_seggradcam.networks.unet import UNet

    torch.save(UNet(**arguments).state_dict(), path)
    options = {
        "factory": "napari_seggradcam.networks.unet:UNet",
        "kwargs": arguments,
        "classes": ["nothing", "something"],
        "normalisation": {"kind": "percentile"},
    }
    source = NetworkSource(str(path), "weights.pt", options)
    dock.network_control.open(source)
    network = opened(dock, qtbot).network
    assert network.classes == ("nothing", "something")
    assert network.normalisation is not None
    assert network_source.recent_networks() == (source,)
    assert network_source.recent_networks()[0].options == options


@pytest.mark.parametrize("agreed", [True, False])
def test_code_runs_only_when_a_person_agrees(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU()), path)
    asked = []

    def question(*args: Any) -> Any:
        asked.append(args)
        return QMessageBox.StandardButton.Yes if agreed else QMessageBox.StandardButton.No

    monkeypatch.setattr(network_control.QMessageBox, "question", question)
    dock.network_control.open(NetworkSource(str(path), "module.pt"))
    wait(qtbot, lambda: asked and not dock.network_control.opening)
    assert (opened(dock, qtbot) is not None) is agreed
    # The module is all head: there are no levels to choose.
    assert dock.layers.names == (("head conv", "head relu") if agreed else ())
    assert "trust" not in json.dumps(
        [source.options for source in network_source.recent_networks()]
    )
    assert all(not source.trust for source in network_source.recent_networks())


def test_a_native_file_needs_no_factory(network_files: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    assert not needs_factory(str(network_files / "nuclei.safetensors"))
    bare = tmp_path / "bare.safetensors"
    save_file({"weight": torch.zeros(2)}, bare)
    assert needs_factory(str(bare))
    assert needs_factory(str(tmp_path / "weights.pth"))


def test_the_dialog_gives_options_and_refuses_what_is_no_json(qtbot: Any) -> None:
    dialog = OpeningDialog("weights.pt")
    qtbot.addWidget(dialog)
    dialog.factory.value = "package.module:build"
    dialog.classes.value = "a, b ,c"
    dialog.kwargs.value = "{depth: 3}"
    dialog._on_accepted()
    assert "no JSON" in dialog.problem.text()
    dialog.kwargs.value = '{"depth": 3}'
    assert dialog.options == {
        "factory": "package.module:build",
        "kwargs": {"depth": 3},
        "classes": ["a", "b", "c"],
        "axes": "CYX",
        "channels": 1,
    }


def test_a_damaged_list_of_networks_is_no_harm(data_folder: Path) -> None:
    data_folder.mkdir()
    (data_folder / "recent-networks.json").write_text('{"not": "a list"}')
    assert network_source.recent_networks() == ()


def test_presets_and_own_choice(dock: Any, qtbot: Any) -> None:
    dock.network_control.open(network_source.demo_networks()[0])
    network = opened(dock, qtbot).network
    dock.layers.preset.value = "all"
    assert dock.layers.selection == "all"
    assert dock.layers.names == tuple(layer.name for layer in network.layers)
    dock.layers.preset.value = "bottleneck"
    assert dock.layers.names == ("bottleneck relu 2",)
    first = dock.layers.tree.topLevelItem(0).child(0)
    first.setCheckState(0, first.checkState(0).Checked)
    assert dock.layers.preset.value == "own"
    assert dock.layers.selection == [network.layers[0].name, "bottleneck relu 2"]
    dock.network_control.unload()
    assert dock.layers.names == ()


def test_a_stage_checks_its_layers(dock: Any, qtbot: Any) -> None:
    dock.network_control.open(network_source.demo_networks()[0])
    opened(dock, qtbot)
    dock.layers.preset.value = "bottleneck"
    stage = dock.layers.tree.topLevelItem(0)
    stage.setCheckState(0, stage.checkState(0).Checked)
    assert len(dock.layers.names) == stage.childCount() + 1


def test_search_shows_what_fits(dock: Any, qtbot: Any) -> None:
    dock.network_control.open(network_source.demo_networks()[0])
    opened(dock, qtbot)
    dock.layers.choose_button.click()
    dock.layers.search.value = "decoder relu"
    tree = dock.layers.tree
    shown = [
        tree.topLevelItem(i).text(0)
        for i in range(tree.topLevelItemCount())
        if not tree.topLevelItem(i).isHidden()
    ]
    assert shown
    assert all(stage.startswith("decoder") for stage in shown)
    assert len(dock.layers.names) == 5
