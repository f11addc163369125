"""Files of networks that take images of one size, in every format that can hold such."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import napari_seggradcam as sgc
from architectures import Counting, Positioned
from napari_seggradcam.cli import app
from napari_seggradcam.networks.sliding import sizes_in_words
from network_files import network_on_disk
from networks.formats import test_onnx, test_torch_export
from opened_networks import assert_same, image_of
from sliding_windows import average_of_windows
from torchscript_files import export, noisy, save

SIZE = (16, 24)
FORMATS = ("torch.export", "ONNX", "TorchScript", "BioImage.IO")


@pytest.mark.parametrize("name", FORMATS)
def test_opened(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    on_disk = network_on_disk(f"{name} of one size", tmp_path_factory.getbasetemp())
    network, (logits, maps) = on_disk.opened(), on_disk.tolerance
    size = tuple(2 * n for n in on_disk.module.places.shape[2:])
    assert (network.patch, network.step) == (size, (0, 0))
    assert network.file.check.difference <= logits
    assert_same(network, on_disk.module, size, logits=logits, maps=maps)
    image = image_of(1, tuple(n + n // 2 + 3 for n in size))[0]
    expected = average_of_windows(on_disk.module, image, size)
    np.testing.assert_allclose(network.predict(image), expected, atol=2 * logits)


Write = Callable[[Path, nn.Module, tuple[int, ...]], Path]


def traced(folder: Path, module: nn.Module, size: tuple[int, ...]) -> Path:
    return save(export(module, torch.rand(1, 1, *size), "traced"), folder / "network.pt")


def exported(folder: Path, module: nn.Module, size: tuple[int, ...]) -> Path:
    return test_torch_export.write(folder, module, (1, *size), free=(), batch=1)


def as_onnx(folder: Path, module: nn.Module, size: tuple[int, ...]) -> Path:
    return test_onnx.write(folder, module, (1, *size), free=False)


@pytest.mark.parametrize(
    ("write", "given", "logits", "maps"),
    [
        (traced, {"patch": SIZE}, 1e-6, 1e-5),
        (exported, {}, 1e-6, 1e-5),
        (as_onnx, {}, 1e-4, 1e-4),
    ],
    ids=["TorchScript", "torch.export", "ONNX"],
)
def test_sizes_that_an_export_wrote_down(
    write: Write, given: dict[str, Any], logits: float, maps: float, tmp_path: Path
) -> None:
    """The module takes any size; roles and strides are those that it shows at two of them."""
    module = noisy(Counting)
    network = sgc.open_network(write(tmp_path, module, SIZE), device="cpu", **given)
    assert (network.patch, network.step) == (SIZE, (0, 0))
    free = {layer.name: layer for layer in sgc.Network.from_module(module).layers}
    ours = [layer for layer in network.layers if layer.name in free]
    assert len(ours) == len(free)
    for layer in ours:
        for field in ("role", "level", "kind", "channels", "stride", "offset"):
            assert getattr(layer, field) == getattr(free[layer.name], field), (layer.name, field)
    image, region = image_of(1, SIZE), np.zeros(SIZE, bool)
    region[4:8, 6:12] = True
    whole = sgc.Network.from_module(module, patch=SIZE)
    difference = np.abs(network.predict(image) - whole.predict(image)).max()
    assert difference <= logits
    found, wanted = (
        sgc.explain(n, image, region, target=1, layers=list(free)) for n in (network, whole)
    )
    for name, heatmap in wanted.items():
        largest = np.abs(heatmap.signed).max()
        np.testing.assert_allclose(found[name].signed, heatmap.signed, atol=maps * largest)
        assert found[name].translate == heatmap.translate


def test_what_the_file_does_not_tell_is_given(tmp_path: Path) -> None:
    """TorchScript has no sizes in it: odd ones have to be said, usual ones are found."""
    path = traced(tmp_path, noisy(Positioned), SIZE)
    with pytest.raises(sgc.NetworkFileError, match=r"one size only, give that as patch= \(--patch"):
        sgc.open_network(path)
    assert sgc.open_network(path, patch=SIZE).patch == SIZE
    np.save(tmp_path / "image.npy", image_of(1, (30, 40))[0])
    words = [str(path), "--patch", "16,24", "--device", "cpu"]
    done = CliRunner().invoke(app, ["open", *words, "--json"])
    assert done.exit_code == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["sizes"] == "16 × 24 pixels only, larger images in such patches"
    assert (card["patch"], card["step"]) == ([16, 24], [0, 0])
    for command in (
        ["layers", *words],
        ["predict", str(tmp_path / "image.npy"), "--out", str(tmp_path / "out.npy")],
        ["explain", str(tmp_path / "image.npy"), "--pixel", "9,9", "--layers", "deep", "--json"],
    ):
        network = [] if command[0] == "layers" else ["--network", *words]
        done = CliRunner().invoke(app, [*command, *network])
        assert done.exit_code == 0, done.stderr
    assert np.load(tmp_path / "out.npy").shape == (30, 40)
    for text, said in (("16;24", "is no size"), ("16", "expected 2 sizes"), ("0,16", "from 1")):
        done = CliRunner().invoke(app, ["open", str(path), "--patch", text])
        assert done.exit_code == 1
        assert said in done.stderr


def test_a_patch_for_a_network_of_any_size(tmp_path: Path) -> None:
    path = sgc.Network.from_module(sgc.UNet(depth=1, base_width=2)).save(tmp_path / "n.safetensors")
    network = sgc.open_network(path, patch=(32, 48))
    assert network.patch == (32, 48)
    assert sizes_in_words(network.patch, network.rules) == "patches of 32 × 48 pixels"
    assert sgc.open_network(path).patch is None


def test_planes_that_are_fixed_fix_all(tmp_path: Path) -> None:
    """A volume's network that takes eight planes, of any size in the file."""

    class Planes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv3d(1, 2, 3, padding=1)
            self.places = nn.Parameter(torch.randn(1, 2, 8, 1, 1))
            self.head = nn.Conv3d(2, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head((self.enter(x) + self.places).relu())

    module = noisy(Planes)
    path = test_torch_export.write(tmp_path, module, (1, 8, 16, 16), free=(3, 4), batch=1)
    network = sgc.open_network(path, device="cpu")
    assert network.patch == (8, 32, 32)
    wider = sgc.open_network(path, device="cpu", patch=(8, 20, 36))
    assert_same(wider, module, (8, 20, 36))
