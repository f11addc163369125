"""`seggradcam demo`: what it writes, for which object, and what it says without a screen."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imread
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.cli import demonstrating, screen
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.scenes import nuclei, samples, streets

Call = Callable[..., Result]


@pytest.fixture
def small_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put small untrained networks in the place of the shipped ones."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("nuclei.tif", "nuclei-mask.tif"):
        shutil.copy(samples.DATA / name, data)
    torch.manual_seed(1)
    for name, classes, channels in (
        ("nuclei", nuclei.CLASSES, 1),
        ("streets", streets.CLASSES, 3),
    ):
        module = sgc.UNet(depth=1, base_width=4, in_channels=channels, out_channels=len(classes))
        network = sgc.Network.from_module(
            module, channels=channels, classes=classes, normalisation=Percentile(), name=name
        )
        network.save(data / f"{name}.safetensors")
    monkeypatch.setattr(samples, "DATA", data)
    return data


@pytest.mark.parametrize("name", ["nuclei", "streets"])
@pytest.mark.usefixtures("small_networks")
def test_the_demo_writes_what_it_says(call: Call, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    done = call("demo", "--sample", name, "--no-window", "--out", out)
    assert done.exit_code == 0, done.stderr
    said = [Path(line.removeprefix("wrote ")) for line in done.stdout.splitlines()[-2:]]
    assert sorted(said) == sorted(out.iterdir())
    saved = sgc.open_explanation(next(out.glob("*.sgc.zarr")))
    sample = sgc.open_sample(name)
    np.testing.assert_array_equal(saved.region, sample.region)
    np.testing.assert_array_equal(saved.image, sample.image)
    assert all(layer in done.stdout for layer in saved.layers)
    assert imread(next(out.glob("*.png"))).std() > 0


@pytest.mark.parametrize(("name", "class_name"), [("nuclei", "nucleus"), ("streets", "vehicle")])
def test_the_shipped_networks_see_what_is_there(
    call: Call, tmp_path: Path, name: str, class_name: str
) -> None:
    done = call("demo", "--sample", name, "--no-window", "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["class"] == class_name
    assert result["score"] > 0
    assert len(result["layers"]) == 9


@pytest.mark.usefixtures("small_networks")
def test_other_labels_give_other_maps_equal_to_the_api(call: Call, tmp_path: Path) -> None:
    sample = sgc.open_sample("nuclei")
    network = sgc.open_network(sample.network_path)
    labels = (sample.region_label, int(sample.instances[sample.instances > 0].max()))
    assert labels[0] != labels[1]
    saved = []
    for label in labels:
        done = call("demo", "--no-window", "--label", label, "--out", tmp_path / "out", "--json")
        assert done.exit_code == 0, done.stderr
        (path,) = (p for p in json.loads(done.stdout)["written"] if p.endswith(".sgc.zarr"))
        saved.append(sgc.open_explanation(path))
        region = sgc.label(sample.instances, label)
        expected = sgc.explain(network, sample.image, region, axes=sample.axes, layers="levels")
        for name in expected:
            np.testing.assert_array_equal(saved[-1][name].signed, expected[name].signed)
    assert all((saved[0][name].signed != saved[1][name].signed).any() for name in saved[0])
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.usefixtures("small_networks")
def test_without_a_screen_it_says_so_and_writes(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(screen.importlib.util, "find_spec", lambda name: name)
    done = call("demo")
    assert done.exit_code == 0, done.stderr
    assert "There is no screen" in done.stderr
    assert "seggradcam-demo" in done.stderr
    written = sorted(path.suffix for path in (tmp_path / "seggradcam-demo").iterdir())
    assert written == [".png", ".zarr"]


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize("out", [True, False])
def test_with_a_window_it_writes_only_where_it_is_told_to(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: bool
) -> None:
    from napari_seggradcam.cli import window

    shown = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demonstrating, "why_no_window", lambda: None)
    monkeypatch.setattr(window, "show", lambda *asked: shown.append(asked))
    words = ("--out", tmp_path / "out") if out else ()
    assert call("demo", "--label", 166, *words).exit_code == 0
    assert shown == [("nuclei", 166)]
    assert (tmp_path / "out").exists() == out
    assert not (tmp_path / "seggradcam-demo").exists()


@pytest.mark.usefixtures("small_networks")
def test_an_object_that_is_not_there_is_told(call: Call, tmp_path: Path) -> None:
    done = call("demo", "--no-window", "--label", 99999, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "no object with the label 99999" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_sample_is_bad_usage(call: Call) -> None:
    done = call("demo", "--no-window", "--sample", "cats")
    assert done.exit_code == 2
    assert "nuclei" in done.stderr


class TestScreen:
    """Why there is no window, said before Qt could end the process."""

    @pytest.fixture(autouse=True)
    def _desktop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(screen.importlib.util, "find_spec", lambda name: name)
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)

    def qt(self, monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
        def run(*args: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess([], status, "", said)

        monkeypatch.setattr(screen.subprocess, "run", run)

    def test_a_screen_that_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.qt(monkeypatch, 0, "")
        assert screen.why_no_window() is None

    def test_no_qt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(screen.importlib.util, "find_spec", lambda name: None)
        reason = screen.why_no_window()
        assert reason is not None
        assert 'pip install "napari-seggradcam[qt]"' in reason

    def test_no_display(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DISPLAY")
        reason = screen.why_no_window()
        assert reason is not None
        assert "no screen" in reason

    def test_offscreen_is_no_screen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
        reason = screen.why_no_window()
        assert reason is not None
        assert "unset QT_QPA_PLATFORM" in reason

    @pytest.mark.parametrize(
        ("status", "said", "told"),
        [
            (
                -6,
                'qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in ""\n'
                "This application failed to start.\nAvailable plugins are: minimal, xcb.",
                'Could not load the Qt platform plugin "xcb"',
            ),
            (1, "Traceback\nImportError: libEGL.so.1: cannot open shared object file", "libEGL"),
            (1, "qt.qpa.xcb: could not connect to display :0", "could not connect to display"),
            (-11, "", "exit status -11"),
        ],
    )
    def test_qt_that_can_not_start(
        self, monkeypatch: pytest.MonkeyPatch, status: int, said: str, told: str
    ) -> None:
        self.qt(monkeypatch, status, said)
        reason = screen.why_no_window()
        assert reason is not None
        assert told in reason
        assert "sudo apt-get install -y libegl1" in reason

    def test_a_display_that_is_not_there_does_not_end_this_process(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DISPLAY", ":12345")
        assert screen.why_no_window() is not None
