"""Weights of Cellpose's residual U-Net, which is rebuilt here without Cellpose."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.formats.cellpose_network import CellposeNetwork
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.networks.opening import open_network
from opened_networks import assert_same, image_of
from payloads import Payload

WIDTHS = (2, 4, 6, 8, 8)
DIAMETERS = {"diam_mean": torch.ones(1) * 30, "diam_labels": torch.ones(1) * 17.5}


def save(path: Path, module: nn.Module | None = None, **options: bool) -> Path:
    module = CellposeNetwork(WIDTHS) if module is None else module
    torch.save({**module.state_dict(), **DIAMETERS}, path, **options)
    return path


def fill(module: nn.Module) -> None:
    """Numbers that every machine has."""
    numbers = {
        name: tensor
        for name, tensor in sorted(module.state_dict().items())
        if tensor.is_floating_point() and not name.startswith("diam")
    }
    with torch.no_grad():
        for number, (name, tensor) in enumerate(numbers.items()):
            wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + number)
            values = wave.abs() + 0.5 if "var" in name else wave * 0.3
            tensor.copy_(values.reshape(tensor.shape))


def test_numbers_of_cellpose() -> None:
    """What CPnet of Cellpose 3.1.1.2 gives with the same weights."""
    module = CellposeNetwork(WIDTHS).eval()
    fill(module)
    wave = torch.sin(torch.arange(2 * 16 * 24, dtype=torch.float64) * 0.3)
    with torch.no_grad():
        output = module(wave.reshape(1, 2, 16, 24).float())
    rows = torch.cat([output[name] for name in ("flow y", "flow x", "cell probability")], 1)[0]
    expected = [
        [-0.2228061407804489, -0.22270986437797546, -0.19872841238975525],
        [-0.2322102040052414, -0.2120463252067566, -0.20941922068595886],
    ]
    found = torch.stack([rows[:, 5, 7], rows[:, 15, 20]])
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-6)
    assert abs(float(rows.mean()) + 0.21464362740516663) < 1e-6


class Probability(nn.Module):
    """The third row of what Cellpose's own network returns."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[0][:, 2:3]


if importlib.util.find_spec("cellpose"):  # which admits no numpy of today, so it is rarely there

    def test_it_is_the_network_of_cellpose(tmp_path: Path) -> None:
        from cellpose.resnet_torch import CPnet

        original = CPnet(list(WIDTHS), 3, 3).eval()
        fill(original)
        network = open_network(save(tmp_path / "cyto", original), device="cpu")
        assert_same(network, Probability(original), (24, 32))


@pytest.mark.parametrize("zipped", [True, False])
def test_opened(zipped: bool, tmp_path: Path) -> None:
    module = CellposeNetwork(WIDTHS).eval()
    path = save(tmp_path / "mine", module, _use_new_zipfile_serialization=zipped)
    network = open_network(path, device="cpu")
    assert network.file.format == "Cellpose"
    assert network.file.trust == "data only"
    assert network.architecture == "Cellpose residual U-Net 2D, 4 levels"
    assert (network.axes, network.channels, network.step) == ("CYX", 2, (8, 8))
    assert (network.rows, network.classes) == (1, ("background", "cell"))
    assert network.normalisation == Percentile(1, 99)
    assert network.provenance == {"diam_mean": 30.0, "diam_labels": 17.5}
    assert "diameter of 30 pixels" in network.file.notices[0]
    image = image_of(2, (16, 16))
    with torch.no_grad():
        expected = module(torch.from_numpy(network.normalisation(image))[None])
    assert network.outputs == ("cell probability", "flow y", "flow x")
    for output, values in expected.items():
        chosen = open_network(path, device="cpu", output=output)
        np.testing.assert_array_equal(chosen.predict(image)[1], values[0, 0])
    roles = {layer.role for layer in network.layers}
    assert roles == {"encoder", "bottleneck", "decoder", "skip", "head"}


def test_other_networks_of_cellpose(tmp_path: Path) -> None:
    state = CellposeNetwork(WIDTHS).state_dict()
    for name in ("output.2.weight", "output.2.bias"):
        state[name] = state[name][:1]
    torch.save(state, tmp_path / "denoise")
    with pytest.raises(NetworkFileError, match="another network of Cellpose"):
        open_network(tmp_path / "denoise")


def test_damaged_weights(tmp_path: Path) -> None:
    path = save(tmp_path / "mine")
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], good[:-100]):
        path.write_bytes(bad)
        with pytest.raises(NetworkFileError):
            open_network(path)
    state = CellposeNetwork(WIDTHS).state_dict()
    del state["upsample.up.res_up_1.conv.conv_2.full.bias"]
    torch.save(state, path)
    with pytest.raises(NetworkFileError, match="missing are upsample"):
        open_network(path)


def test_payload_does_not_run(tmp_path: Path) -> None:
    state = {**CellposeNetwork(WIDTHS).state_dict(), "more": Payload(Path.touch, tmp_path / "ran")}
    torch.save(state, tmp_path / "mine")
    with pytest.raises(UntrustedNetwork):
        open_network(tmp_path / "mine")
    assert not (tmp_path / "ran").exists()
