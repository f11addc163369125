"""Small networks, opening docks, and waiting, for all tests of the docks."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QApplication

import napari_seggradcam as sgc
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.scenes.streets import CLASSES
from napari_seggradcam.widgets import network_source

SAMPLE = {"napari_seggradcam": {"sample": "nuclei", "network": "nuclei"}}


@pytest.fixture(scope="session")
def network_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two small networks named like those that come along."""
    folder = tmp_path_factory.mktemp("networks")
    # Some weights make every map zero, and a session's fixture comes before each test's seed.
    torch.manual_seed(0)
    nuclei = sgc.UNet(in_channels=1, out_channels=2, depth=2, base_width=4)
    sgc.Network.from_module(
        nuclei,
        classes=("background", "nucleus"),
        colours=("#404040", "#00ff00"),
        normalisation=Percentile(),
        name="nuclei",
    ).save(folder / "nuclei.safetensors")
    streets = sgc.UNet(in_channels=3, out_channels=len(CLASSES), depth=2, base_width=4)
    sgc.Network.from_module(streets, channels=3, classes=CLASSES, name="streets").save(
        folder / "streets.safetensors"
    )
    return folder


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, in a temporary place."""
    folder = tmp_path / "user-data"
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_args, **_kwargs: folder)
    return folder


@pytest.fixture
def small_demos(
    network_files: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The small networks take the place of those that come along."""
    demos = tuple(
        replace(demo, path=str(network_files / Path(demo.path).name))
        for demo in network_source.demo_networks()
    )
    monkeypatch.setattr(network_source, "demo_networks", lambda: demos)
    return network_files


@contextmanager
def open_docks(qtbot: Any, kind: type) -> Iterator[Callable[[Any], Any]]:
    """Give a function that opens a dock of a kind over a viewer; in the end all are closed."""
    docks = []

    def open_one(viewer: Any) -> Any:
        dock = kind(viewer)
        qtbot.addWidget(dock)
        dock.resize(280, 900)
        dock.show()
        docks.append(dock)
        return dock

    yield open_one
    for dock in docks:
        dock.close()


def an_image(shape: tuple[int, ...] = (48, 64)) -> np.ndarray:
    """Blobs on noise."""
    random = np.random.default_rng(3)
    return random.normal(100, 20, shape).astype(np.float32)


def a_region(shape: tuple[int, ...] = (48, 64)) -> np.ndarray:
    """A rectangle of 8 x 10 pixels."""
    region = np.zeros(shape, np.uint8)
    region[..., 10:18, 20:30] = 1
    return region


def wait(qtbot: Any, met: Callable[[], Any], timeout: int = 120_000) -> None:
    """Wait until a condition is met; machines that build are slow."""
    qtbot.waitUntil(lambda: bool(met()), timeout=timeout)


def add_sample(viewer: Any, shape: tuple[int, ...] = (48, 64), **fields: Any) -> Any:
    """Add image and region with the metadata of a sample; return the image layer."""
    image = viewer.add_image(an_image(shape), name="cells", metadata=dict(SAMPLE), **fields)
    viewer.add_labels(a_region(shape), name="drawn", metadata=dict(SAMPLE), **fields)
    return image


def wait_ready(qtbot: Any, dock: Any) -> None:
    """Wait until Run can be clicked and the pixels are counted."""
    wait(qtbot, lambda: dock.run.button.isEnabled() and "px" in dock.region.readout.text())


def wait_idle(qtbot: Any, dock: Any) -> None:
    """Wait until nothing computes and nothing is being added."""
    wait(qtbot, lambda: not dock.run_control.running and not dock.compare_control.building)


def settle(qtbot: Any) -> None:
    """Let a window lay out and draw what has changed."""
    for _ in range(5):
        QApplication.processEvents()
    qtbot.wait(50)


class Gate:
    """Holds the network's forward pass until it is opened."""

    def __init__(self, network: Any) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._hook = network.module.register_forward_pre_hook(self._wait)

    def _wait(self, *_args: Any) -> None:
        self.reached.set()
        self._open.wait(30)

    def open(self) -> None:
        self._hook.remove()
        self._open.set()


def heatmap_layers(viewer: Any) -> dict[str, Any]:
    """Result layers by network layer."""
    return {
        layer.metadata["napari_seggradcam"]["key"]: layer
        for layer in viewer.layers
        if layer.metadata.get("napari_seggradcam", {}).get("kind") == "heatmap"
    }


def callbacks(viewer: Any) -> int:
    """Number of callbacks on a viewer, its parts and its layers, of events and of the mouse."""
    groups = [viewer.events, viewer.layers.events, viewer.layers.selection.events]
    groups += [viewer.dims.events, *(layer.events for layer in viewer.layers)]
    emitters = [emitter for group in groups for emitter in group.emitters.values()]
    clicks = [one.mouse_drag_callbacks for one in (viewer, *viewer.layers)]
    return sum(len(emitter.callbacks) for emitter in emitters) + sum(map(len, clicks))


def run_script(text: str, out: Path) -> dict[str, np.ndarray]:
    """Run a copied script in a new process and return its signed maps."""
    tail = "np.savez({!r}, **{{name: explanation[name].signed for name in explanation.layers}})"
    script = out.with_suffix(".py")
    script.write_text(text + tail.format(str(out)) + "\n")
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True, timeout=300)
    return dict(np.load(out))
