"""Files of torch.export, opened as a person opens them."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim

from architectures import WithAuxiliary
from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.opening import open_network
from opened_networks import SMALL, as_module, assert_card, assert_same
from torchscript_files import SmallUNet, noisy


def write(
    folder: Path,
    module: nn.Module,
    shape: tuple[int, ...],
    free: Iterable[int] | None = None,
    batch: int = 2,
) -> Path:
    """With an example of some images; all axes but the channels are free, or these."""
    axes = (0, *range(2, len(shape) + 1)) if free is None else tuple(free)
    sizes: Any = dict.fromkeys(axes, Dim.AUTO)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            module, (torch.rand(batch, *shape),), dynamic_shapes=(sizes,) if axes else None
        )
        torch.export.save(program, folder / "network.pt2")
    return folder / "network.pt2"


@pytest.mark.parametrize(("make", "shape"), SMALL.values(), ids=SMALL)
def test_opened(make: Callable[[], nn.Module], shape: tuple[int, ...], tmp_path: Path) -> None:
    module = noisy(make)
    path = write(tmp_path, module, shape)
    network = open_network(path, device="cpu")
    what = ("torch.export", "scanned graph"), ("torch.export's own result", 1e-6)
    assert_card(network, path, shape, *what)
    assert network.architecture == f"exported graph {len(shape) - 1}D"
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
    path = write(tmp_path, noisy(SmallUNet), (1, 16, 24), free=(2, 3))
    with pytest.raises(NetworkFileError, match=r"a batch of 2 images, .* Export it again"):
        open_network(path)
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], good[:-50], good[:30]):
        path.write_bytes(bad)
        with pytest.raises((NetworkFileError, UntrustedNetwork)):
            open_network(path)
        with pytest.raises(NetworkFileError):
            open_network(path, trust=True)
