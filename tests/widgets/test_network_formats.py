"""Networks of every format in the dock: the card, and the heatmaps that Python gives."""

import json
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

import napari_seggradcam as sgc
from dock_fixtures import heatmap_layers, wait, wait_idle, wait_ready
from napari_seggradcam.widgets.opening_dialog import OpeningDialog
from napari_seggradcam.widgets.trust_dialog import TrustDialog
from network_files import WRITERS, NetworkOnDisk, network_on_disk
from opened_networks import image_of

SIZE = (32, 48)


@pytest.fixture(params=WRITERS)
def on_disk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NetworkOnDisk:
    return network_on_disk(request.param, tmp_path_factory.getbasetemp())


def answer_for(on_disk: NetworkOnDisk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer dialogs as a person who knows the file, and note which were shown."""
    shown = []

    def trust(_dialog: TrustDialog) -> bool:
        shown.append("trust")
        return True

    def opening(dialog: OpeningDialog) -> bool:
        if "factory" not in on_disk.options:
            return False  # values as they are
        shown.append("factory")
        dialog.factory.value = on_disk.options["factory"]
        dialog.kwargs.value = json.dumps(on_disk.options["kwargs"])
        return True

    monkeypatch.setattr(TrustDialog, "exec", trust)
    monkeypatch.setattr(OpeningDialog, "exec", opening)
    return shown


def test_card_and_heatmaps(
    on_disk: NetworkOnDisk, dock: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = answer_for(on_disk, monkeypatch)
    dock.network_control.open_file(str(on_disk.path))
    wait(qtbot, lambda: not dock.network_control.opening)
    assert dock.network.problem.text() == ""
    assert shown == list(on_disk.options)[:1]
    network = dock.network_control.opened.network
    values = {name: label.text() for name, label in dock.network._values.items()}
    assert values["Format"] == f"{on_disk.format}, {on_disk.trust}"
    assert bool(values["Check"]) == on_disk.checked
    scanned = "It was scanned first" in dock.network.notices.text()
    assert scanned == (on_disk.trust == "scanned graph")
    assert all(stage in values["Layers"] for stage in {layer.role for layer in network.layers})

    image = image_of(network.channels, SIZE)
    region = np.zeros(SIZE, np.uint8)
    region[8:16, 12:24] = 1
    viewer.add_image(image if network.channels > 1 else image[0], name="noise", rgb=False)
    dock.region.first.choose_layer(viewer.add_labels(region, name="drawn"))
    dock.layers.preset.value = "bottleneck"  # every heatmap more takes long to add
    wait_ready(qtbot, dock)
    qtbot.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    wait_idle(qtbot, dock)
    wanted = sgc.explain(on_disk.opened(), image, region > 0, axes="CYX")
    found = heatmap_layers(viewer)
    assert list(found) == list(wanted)
    for name, layer in found.items():
        # Beside an image with channels, it is shown at each of them.
        expected = np.broadcast_to(wanted[name].heatmap, layer.data.shape)
        np.testing.assert_array_equal(layer.data, expected)
