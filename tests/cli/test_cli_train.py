"""`seggradcam train` and `evaluate`: trained networks open, an interrupted training goes on."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.io import imsave
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.training import trainer

Call = Callable[..., Result]
SMALL = (
    "--depth", "1", "--base-width", "4", "--crop", "16", "--batch-size", "2",
    "--validate-every", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images with a bright square each, and their masks."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(10):
        mask = np.zeros((32, 32), np.uint8)
        y, x = rng.integers(2, 20, 2)
        mask[y : y + 9, x : x + 9] = 1
        image = (100 * mask + rng.integers(0, 50, mask.shape)).astype(np.uint8)
        imsave(tmp_path / "data" / "images" / f"{number}.png", image, check_contrast=False)
        imsave(tmp_path / "data" / "masks" / f"{number}.png", mask, check_contrast=False)
    return tmp_path / "data"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(sgc.open_network(path, device="cpu").module.state_dict())


def test_a_trained_network_opens_and_tells_its_score(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.safetensors"
    done = call(
        "train", folder, "--out", out, *SMALL, "--steps", 4, "--classes", "ground, square", "--json"
    )
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    network = sgc.open_network(out)
    assert network.classes == ("ground", "square")
    assert [entry["step"] for entry in result["history"]] == [2, 4]
    assert 0 <= result["best_score"] <= 1
    assert Path(result["network"]) == out


def test_the_seed_decides(call: Call, folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        done = call("train", folder, "--out", tmp_path / name, *SMALL, "--steps", 2, "--seed", seed)
        assert done.exit_code == 0, done.stderr
        assert "mean IoU" in done.stdout
    a, b, c = (weights(tmp_path / f"{name}.safetensors") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_ctrl_c_says_how_to_go_on_and_going_on_gives_the_same(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", folder, *SMALL, "--steps", 6, "--out")
    out = tmp_path / "stopped.safetensors"
    checkpoint = tmp_path / "stopped.checkpoint.pt"

    write = trainer.write_checkpoint

    def write_and_press_ctrl_c(*content: Any) -> None:
        write(*content)
        monkeypatch.setattr(trainer, "write_checkpoint", write)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer, "write_checkpoint", write_and_press_ctrl_c)
    stopped = call(*words, out)
    assert stopped.exit_code == 1
    assert "--resume" in stopped.stderr
    assert str(checkpoint) in stopped.stderr
    assert not out.exists()

    again = call(*words, out)
    assert again.exit_code == 1
    assert "unfinished" in again.stderr
    resumed = call(*words, out, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    whole = call(*words, tmp_path / "whole.safetensors")
    assert whole.exit_code == 0, whole.stderr
    one, other = weights(out), weights(tmp_path / "whole.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_ctrl_c_before_the_first_step(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "Training", press_ctrl_c)
    done = call("train", folder, *SMALL, "--out", tmp_path / "x.safetensors")
    assert done.exit_code == 1
    assert "nothing was written" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing",), "nor a folder with images and masks"),
        (("nuclei", "--instances"), "takes no instances"),
        (("FOLDER", "--labels", "groups"), "takes no labels"),
        (("FOLDER", "--steps", "0"), "must be at least 1"),
        (("FOLDER", "--resume"), "to go on from"),
    ],
)
def test_what_can_not_be_trained_is_told(
    call: Call, folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    source = [str(folder) if word == "FOLDER" else word for word in words]
    done = call("train", *source, "--out", tmp_path / "x.safetensors", "--device", "cpu")
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_evaluate_prints_the_report(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_seggradcam.evaluate import demo

    nuclei = demo.NucleiReport(100, 5, 0.93, 700.0, 0.85, 4, 1, 1, 0.8)
    streets = demo.StreetsReport(2, 7, 0.7, {"sky": 0.9}, 0.5, {"sky": 0.8})
    report = demo.DemoReport(nuclei, streets)
    monkeypatch.setattr(demo, "evaluate_demo_networks", lambda progress: report)
    shown = call("evaluate").stdout
    assert "0.930" in shown
    assert "≥ 0.90" in shown
    assert "NOT met" in shown
    assert json.loads(call("evaluate", "--json").stdout) == report.to_dict()
