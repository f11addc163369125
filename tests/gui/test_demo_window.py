"""`seggradcam demo` with its window: the same as opening the sample and clicking."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import torch
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot

import napari_seggradcam as sgc
from napari_seggradcam.cli.window import open_demo, show
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.scenes import samples
from napari_seggradcam.widgets import network_source

WAIT = 120_000


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sgc.Network:
    """Put a small untrained network in the place of the shipped one."""
    for name in ("nuclei.tif", "nuclei-mask.tif"):
        shutil.copy(samples.DATA / name, tmp_path)
    torch.manual_seed(1)
    module = sgc.UNet(depth=2, base_width=4)
    made = sgc.Network.from_module(
        module, classes=("background", "nucleus"), normalisation=Percentile(), name="nuclei"
    )
    path = made.save(tmp_path / "nuclei.safetensors")
    source = network_source.NetworkSource(str(path), "Nuclei (demo)")
    monkeypatch.setattr(samples, "DATA", tmp_path)
    monkeypatch.setattr(network_source, "demo_networks", lambda: (source,))
    return sgc.open_network(path, device="cpu")


def test_the_demo_shows_everything_that_was_computed_in_this_run(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, network: sgc.Network
) -> None:
    labels = sgc.open_sample("nuclei").instances
    label = int(labels.max())
    viewer = make_napari_viewer(show=True)
    clicks = open_demo(viewer, "nuclei", label)
    qtbot.waitUntil(lambda: clicks.done, timeout=WAIT)

    image = sgc.open_sample("nuclei").image
    expected = sgc.explain(network, image, sgc.label(labels, label), axes="YX", layers="levels")
    by_name = {layer.name: layer for layer in viewer.layers}
    np.testing.assert_array_equal(by_name["nuclei · region"].data > 0, labels == label)
    for name in expected:
        shown = by_name[f"{expected.class_name} · {name}"]
        assert isinstance(shown, Image)
        heatmap = expected[name].heatmap
        np.testing.assert_allclose(shown.data, heatmap, rtol=0, atol=1e-5 * heatmap.max())
    prediction = by_name["nuclei · prediction"]
    assert isinstance(prediction, Labels)
    dock = clicks.dock
    assert dock.compare.mode == "grid"
    assert dock.compare_control.building is False
    assert dock.run.button.isEnabled()
    assert dock.run.button.text() == "Run"


def test_the_command_stays_until_the_window_is_closed_and_clicks_meanwhile(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    network: sgc.Network,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What clicks is still there when garbage was collected."""
    viewer = make_napari_viewer(show=True)

    def run() -> None:
        gc.collect()
        qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=WAIT)

    monkeypatch.setattr(napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(napari, "run", run)
    show("nuclei", None)
    assert "nuclei · prediction" in viewer.layers
    assert sum(layer.name.endswith("bottleneck relu 2") for layer in viewer.layers) >= 2


def test_an_object_that_is_not_there_opens_nothing(
    make_napari_viewer: Callable[..., Any], network: sgc.Network
) -> None:
    viewer = make_napari_viewer(show=True)
    with pytest.raises(sgc.RegionError, match="no object"):
        open_demo(viewer, "nuclei", 99999)
    assert len(viewer.layers) == 0
