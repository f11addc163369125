"""ONNX files, opened as a person opens them."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from architectures import WithAuxiliary
from napari_seggradcam.errors import NetworkFileError
from napari_seggradcam.networks.layers import NetworkLayer
from napari_seggradcam.networks.opening import open_network
from opened_networks import SMALL, assert_card, assert_same
from torchscript_files import SmallUNet, noisy


def write(
    folder: Path, module: nn.Module, shape: tuple[int, ...], free: bool = True, **options: Any
) -> Path:
    sizes = {axis: f"d{axis}" for axis in (0, *range(2, len(shape) + 1))} if free else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.rand(2 if free else 1, *shape),),
            str(folder / "network.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            dynamic_axes={"image": sizes},
            **options,
        )
    return folder / "network.onnx"


def kept(layer: NetworkLayer) -> bool:
    """The exporter multiplies norms into the convolutions before them."""
    return layer.kind in ("relu", "up") or layer.role == "head"


@pytest.mark.parametrize(("make", "shape"), SMALL.values(), ids=SMALL)
def test_opened(make: Callable[[], nn.Module], shape: tuple[int, ...], tmp_path: Path) -> None:
    module = noisy(make)
    path = write(tmp_path, module, shape)
    network = open_network(path, device="cpu")
    assert_card(network, path, shape, ("ONNX", "data only"), ("onnxruntime's result", 1e-4))
    assert network.architecture == f"ONNX graph {len(shape) - 1}D, opset 17"
    assert network.provenance["producer"].startswith("pytorch")
    assert_same(network, module, shape[1:], logits=1e-4, maps=1e-4, kept=kept)


class Named(nn.Module):
    """With outputs that have the names of the file."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(zip(("mask", "coarse"), self.net(x), strict=True))


def test_one_of_several_outputs(tmp_path: Path) -> None:
    module = noisy(lambda: WithAuxiliary("tuple"))
    path = write(tmp_path, module, (1, 16, 24), output_names=["mask", "coarse"])
    network = open_network(path, device="cpu")
    assert set(network.outputs) == {"mask", "coarse"}
    for name in network.outputs:
        chosen = open_network(path, device="cpu", output=name)
        assert chosen.file is not None
        assert chosen.file.check is not None
        assert chosen.file.check.difference <= 1e-4
        assert_same(chosen, Named(module), (16, 24), logits=1e-4, maps=1e-4)


def test_the_size_that_a_file_is_for_is_said(tmp_path: Path) -> None:
    network = open_network(write(tmp_path, noisy(SmallUNet), (1, 16, 24), free=False))
    assert network.file is not None
    (notice,) = network.file.notices
    assert notice == "The file is for images of 16 × 24 pixels, and says nothing of others."
    assert network.file.check is not None
    assert network.file.check.difference <= 1e-4


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    path = write(tmp_path, noisy(SmallUNet), (1, 16, 24))
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"licence": "MIT"})
    onnx.save(model, path)
    assert open_network(path).provenance["licence"] == "MIT"


def test_without_onnxruntime_nothing_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, noisy(SmallUNet), (1, 16, 24))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    network = open_network(path)
    assert network.file is not None
    assert network.file.check is None


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path, noisy(SmallUNet), (1, 16, 24))
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], good[:-50], good[:30], good[:3]):
        path.write_bytes(bad)
        with pytest.raises(NetworkFileError):
            open_network(path)
