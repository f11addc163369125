"""TorchScript files, opened as a person opens them."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import WithAuxiliary
from napari_seggradcam.errors import NetworkFileError, OptionError, UntrustedNetwork
from napari_seggradcam.networks.layers import NetworkLayer
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.networks.opening import open_network
from opened_networks import SMALL, as_module, assert_card, assert_same
from torchscript_files import SmallUNet, export, noisy, save

CASES: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, ...]]] = {
    "traced": (SmallUNet, "traced", (1, 16, 24)),
    "scripted": (SmallUNet, "scripted", (1, 16, 24)),
    "frozen": (SmallUNet, "frozen scripted", (1, 16, 24)),
    "own": (SMALL["own"][0], "traced", (2, 16, 24)),
    "own in 3D": (SMALL["own in 3D"][0], "traced", (2, 8, 12, 8)),
}


def write(folder: Path, module: nn.Module, how: str, shape: tuple[int, ...]) -> Path:
    return save(export(module, torch.rand(1, *shape), how), folder / "network.pt")


@pytest.mark.parametrize(("make", "how", "shape"), CASES.values(), ids=CASES)
def test_opened(
    make: Callable[[], nn.Module], how: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    module = noisy(make)
    path = write(tmp_path, module, how, shape)
    network = open_network(path, device="cpu")
    what = ("TorchScript", "scanned graph"), ("TorchScript's own result", 1e-6)
    assert_card(network, path, shape, *what)
    assert network.architecture == f"{type(module).__name__} {len(shape) - 1}D"

    def kept(layer: NetworkLayer) -> bool:
        # Freezing multiplies norms into the convolutions before them.
        return "frozen" not in how or layer.kind in ("relu", "up") or layer.role == "head"

    assert_same(network, module, shape[1:], kept=kept)
    expected = as_module(network, module)
    assert [layer.name for layer in network.layers if layer.role == "skip"] == [
        layer.name for layer in expected.layers if layer.role == "skip"
    ]


def test_one_of_several_outputs(tmp_path: Path) -> None:
    module = noisy(lambda: WithAuxiliary("dict"))
    path = write(tmp_path, module, "traced", (1, 16, 24))
    network = open_network(path, device="cpu")
    assert set(network.outputs) == {"aux", "out"}
    assert_same(network, module, (16, 24))
    auxiliary = open_network(path, device="cpu", output="aux")
    assert_same(auxiliary, module, (16, 24))
    assert auxiliary.layers != network.layers
    with pytest.raises(OptionError, match="no output 'mask'"):
        _ = open_network(path, output="mask").layers


def test_what_the_caller_says(tmp_path: Path) -> None:
    path = write(tmp_path, noisy(SmallUNet), "traced", (1, 16, 16))
    network = open_network(path, classes=("out", "in"), normalisation=Percentile())
    assert network.classes == ("out", "in")
    assert network.normalisation == Percentile()
    assert network.file is not None
    assert network.file.values_known


def test_an_export_in_training_mode_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, SmallUNet().train(), "traced", (1, 16, 16))
    network = open_network(path)
    assert network.file is not None
    (notice,) = network.file.notices
    assert "exported in training mode: its batch norm still behaves as in training" in notice


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path, noisy(SmallUNet), "scripted", (1, 16, 16))
    good = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for bad in (good[: len(good) // 2], good[:-50], good[:30]):
        path.write_bytes(bad)
        with pytest.raises(NetworkFileError):
            open_network(path)
    for end, content in {"data.pkl": b"", "constants.pkl": b"\x80", "version": b"999"}.items():
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, content if name.endswith(f"/{end}") else part)
        with pytest.raises((NetworkFileError, UntrustedNetwork)) as raised:
            open_network(path)  # what can't be looked through is not run
        assert ".." not in str(raised.value)
        with pytest.raises(NetworkFileError, match="can't be loaded as TorchScript"):
            open_network(path, trust=True)


def test_a_network_that_takes_no_image(tmp_path: Path) -> None:
    path = write(tmp_path, nn.Linear(3, 2), "traced", (5, 3))
    with pytest.raises(NetworkFileError, match="ran on no image"):
        open_network(path)
