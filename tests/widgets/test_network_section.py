"""Opening networks: the list, the card, files that are no network, weights that need a factory."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QLabel

from dock_fixtures import wait
from napari_seggradcam.errors import UntrustedNetwork
from napari_seggradcam.widgets import network_control, network_source
from napari_seggradcam.widgets.network import NONE, OPEN
from napari_seggradcam.widgets.network_source import NetworkSource
from napari_seggradcam.widgets.opening_dialog import OpeningDialog
from napari_seggradcam.widgets.trust_dialog import TrustDialog


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


class Own(torch.nn.Sequential):
    """Code of the user's, which a pickle of it would import."""


@pytest.fixture
def pickled(tmp_path: Path) -> NetworkSource:
    path = tmp_path / "module.pt"
    torch.save(Own(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU()), path)
    return NetworkSource(str(path), "module.pt", {"normalisation": None})


@pytest.fixture
def dialogs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Dialogs of trust that were shown; they answer as `answers` says."""
    shown: list[Any] = []

    def answer(dialog: TrustDialog) -> bool:
        shown.append(dialog)
        dialog.remember.setChecked("remember" in dialog.property("answer"))
        return "yes" in dialog.property("answer")

    monkeypatch.setattr(TrustDialog, "exec", answer)
    return shown


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    make = TrustDialog.__init__

    def init(dialog: TrustDialog, *args: Any) -> None:
        make(dialog, *args)
        dialog.setProperty("answer", answer)

    monkeypatch.setattr(TrustDialog, "__init__", init)


@pytest.mark.parametrize("agreed", [True, False])
def test_code_runs_only_when_a_person_agrees(
    dock: Any,
    qtbot: Any,
    pickled: NetworkSource,
    dialogs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    agreed: bool,
) -> None:
    answering(monkeypatch, "yes" if agreed else "no")
    dock.network_control.open(pickled)
    wait(qtbot, lambda: dialogs and not dock.network_control.opening)
    assert (opened(dock, qtbot) is not None) is agreed
    # The module is all head: there are no levels to choose.
    assert dock.layers.names == (("head conv", "head relu") if agreed else ())
    assert "runs Python code" in dock.network._values["Format"].text() or not agreed
    stored = json.dumps([asdict(source) for source in network_source.recent_networks()])
    assert all(not source.trust for source in network_source.recent_networks()), stored
    assert dialogs[0].windowTitle() == "Run code from module.pt?"


@pytest.mark.parametrize("answer", ["yes", "yes, remember"])
def test_a_file_is_remembered_if_a_person_wants_that(
    dock: Any,
    qtbot: Any,
    pickled: NetworkSource,
    dialogs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    answering(monkeypatch, answer)
    for _ in range(2):
        dock.network_control.open(pickled)
        wait(qtbot, lambda: opened(dock, qtbot) is not None)
    assert len(dialogs) == (1 if "remember" in answer else 2)
    with Path(pickled.path).open("ab") as file:
        file.write(b"changed")
    shown = len(dialogs)
    dock.network_control.open(pickled)
    wait(qtbot, lambda: len(dialogs) > shown or dock.network.problem.text())


def test_the_dialog_of_trust_shows_what_would_run(qtbot: Any) -> None:
    error = UntrustedNetwork(
        "no",
        path=Path("/a/net.zip"),
        sha256="ab" * 32,
        what="unet.py.",
        source={"unet.py": "x = 1"},
    )
    dialog = TrustDialog(error)
    qtbot.addWidget(dialog)
    assert dialog.sources.tabText(0) == "unet.py"
    assert dialog.sources.widget(0).toPlainText() == "x = 1"
    text = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert "/a/net.zip" in text
    assert "abababab" in text


def test_numbers_without_architecture_are_asked_about(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"only": torch.zeros(1), "weight": torch.zeros(2, 1, 3, 3)}, path)
    shown = []

    def answer(dialog: OpeningDialog) -> bool:
        shown.append(dialog.windowTitle())
        dialog.factory.value = "napari_seggradcam.networks.unet:UNet"
        dialog.kwargs.value = '{"depth": 1, "base_width": 2}'
        return len(shown) == 1

    monkeypatch.setattr(OpeningDialog, "exec", answer)
    dock.network_control.open_file(str(path))
    wait(qtbot, lambda: shown and not dock.network_control.opening)
    assert shown == ["Open weights.pt"]
    assert "does not fit" in dock.network.problem.text()
    assert "only" in dock.network.problem.text()


def test_values_that_a_file_does_not_tell_are_asked_about_once(
    dock: Any, viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1)), path)
    viewer.add_image(np.arange(64.0).reshape(8, 8), name="ramp")
    shown = []

    def answer(dialog: OpeningDialog) -> bool:
        dialog.values.value = "bytes"
        shown.append(dialog.preview.text())
        return True

    monkeypatch.setattr(OpeningDialog, "exec", answer)
    dock.network_control.open_file(str(path))
    wait(qtbot, lambda: shown and not dock.network_control.opening)
    assert shown == ["In ramp, 0 … 63 becomes 0 … 0.247."]
    assert opened(dock, qtbot).network.normalisation.std == (255.0,)
    (recent,) = network_source.recent_networks()
    dock.network_control.open(recent)
    wait(qtbot, lambda: opened(dock, qtbot) is not None)
    assert len(shown) == 1


def test_the_dialog_gives_options_and_refuses_what_is_no_json(qtbot: Any) -> None:
    dialog = OpeningDialog("weights.pt")
    qtbot.addWidget(dialog)
    dialog._on_accepted()
    assert "Name the function" in dialog.problem.text()
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
        "normalisation": None,
    }


def test_means_and_deviations_of_the_channels(qtbot: Any) -> None:
    seen: list[Any] = []
    dialog = OpeningDialog("clouds.onnx", channels=6, preview=lambda n: seen.append(n) or "seen")
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.means.native.isVisible()
    dialog.values.value = "given"
    assert dialog.means.native.isVisible()
    assert dialog.preview.text() == ""
    dialog.means.value = "1, 2, 3, 4, 5"
    dialog.deviations.value = "10"
    dialog._on_accepted()
    assert "5 numbers are given as mean" in dialog.problem.text()
    assert dialog.isVisible()
    dialog.means.value = "1, 2, 3, 4, 5, 6"
    assert dialog.problem.text() == ""
    assert dialog.preview.text() == "seen"
    dialog._on_accepted()
    assert not dialog.isVisible()
    expected = {"kind": "mean-std", "mean": [1.0, 2, 3, 4, 5, 6], "std": [10.0] * 6}
    assert dialog.options == {"normalisation": expected}
    assert seen[-1] == expected


def test_a_dialog_is_as_high_as_its_text(qtbot: Any) -> None:
    """Also when something more is to be said."""
    dialog = OpeningDialog("colleague.pt", channels=1)
    qtbot.addWidget(dialog)
    dialog.show()
    heights = [dialog.height()]
    for kind in ("given", "none"):
        dialog.values.value = kind
        heights.append(dialog.height())
        assert dialog.height() == dialog.layout().totalHeightForWidth(dialog.width())
    assert heights[0] == heights[2] < heights[1]


def test_files_of_one_name_are_told_apart_by_their_folders(
    dock: Any, qtbot: Any, tmp_path: Path
) -> None:
    from napari_seggradcam.networks.network import Network
    from napari_seggradcam.networks.unet import UNet

    for folder in ("a/run", "b/run"):
        (tmp_path / folder).mkdir(parents=True)
        network = Network.from_module(UNet(depth=1, base_width=2))
        network.save(tmp_path / folder / "net.safetensors")
        dock.network_control.open_file(str(tmp_path / folder / "net.safetensors"))
        assert opened(dock, qtbot) is not None
        assert dock.network.source.value.path == opened(dock, qtbot).source.path
    box = dock.network.source.native
    assert box.currentText() == "b/net.safetensors"
    texts = [box.itemText(row) for row in range(box.count())]
    assert texts[1:5] == [
        "Nuclei (demo)",
        "Streets (demo)",
        "b/net.safetensors",
        "a/net.safetensors",
    ]
    dock.network.source.value = dock.network.source.choices[4]
    assert opened(dock, qtbot).source.path == str(tmp_path / "a/run/net.safetensors")


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
