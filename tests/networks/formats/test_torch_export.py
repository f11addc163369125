"""Files of torch.export, opened as a person opens them."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim

from architectures import WithAuxiliary
from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.opening import open_network
from napari_seggradcam.networks.unet import UNet
from opened_networks import as_module, assert_same
from torchscript_files import SmallUNet, noisy


def own(ndim: int) -> nn.Module:
    return UNet(ndim, in_channels=2, depth=1, base_width=2)


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small": (SmallUNet, (1, 16, 24)),
    "own": (lambda: own(2), (2, 16, 24)),
    "own in 3D": (lambda: own(3), (2, 8, 12, 8)),
}


def write(folder: Path, module: nn.Module, shape: tuple[int, ...], free: bool = True) -> Path:
    sizes: Any = dict.fromkeys((0, *range(2, len(shape) + 1)), Dim.AUTO)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            module, (torch.rand(2, *shape),), dynamic_shapes=(sizes,) if free else None
        )
        torch.export.save(program, folder / "network.pt2")
    return folder / "network.pt2"


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_opened(make: Callable[[], nn.Module], shape: tuple[int, ...], tmp_path: Path) -> None:
    module = noisy(make)
    path = write(tmp_path, module, shape)
    network = open_network(path, device="cpu")
    assert network.file is not None
    assert (network.file.format, network.file.trust) == ("torch.export", "scanned graph")
    assert network.file.check is not None
    assert network.file.check.what == "torch.export's own result"
    assert network.file.check.difference <= 1e-6
    assert (network.file.notices, network.file.values_known) == ((), False)
    assert network.architecture == f"exported graph {len(shape) - 1}D"
    assert (network.axes, network.channels) == ("CYX" if len(shape) == 3 else "CZYX", shape[0])
    assert (network.name, network.path) == ("network", path)
    assert_same(network, module, shape[1:])
    if make is SmallUNet:  # torch kept the branch that the example took, which is for even sizes
        assert network.step == (2, 2)
    else:
        assert network.rules == as_module(network, module).rules


def test_one_of_several_outputs(tmp_path: Path) -> None:
    module = noisy(lambda: WithAuxiliary("dict"))
    path = write(tmp_path, module, (1, 16, 24))
    network = open_network(path, device="cpu")
    assert set(network.outputs) == {"aux", "out"}
    assert network.file is not None
    assert network.file.check is not None
    assert network.file.check.difference <= 1e-6
    assert_same(network, module, (16, 24))
    auxiliary = open_network(path, device="cpu", output="aux")
    assert_same(auxiliary, module, (16, 24))
    assert auxiliary.layers != network.layers


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, noisy(SmallUNet), (1, 16, 24), free=False)
    with pytest.raises(NetworkFileError, match=r"one size: .* = 2 × 1 × 16 × 24\. Export it again"):
        open_network(path)
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], good[:-50], good[:30]):
        path.write_bytes(bad)
        with pytest.raises((NetworkFileError, UntrustedNetwork)):
            open_network(path)
        with pytest.raises(NetworkFileError):
            open_network(path, trust=True)
