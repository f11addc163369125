"""State dicts whose architecture is known by the names in them."""

from pathlib import Path

import pytest
import torch
from monai.networks.nets import BasicUNet
from torch import nn
from torch.nn import functional

from architectures import DoubleConvUp, two_convolutions
from napari_seggradcam.errors import FactoryNeeded, NetworkFileError
from napari_seggradcam.networks.opening import open_network
from napari_seggradcam.networks.unet import UNet
from opened_networks import assert_same


class Named(nn.Module):
    """A module under another name, as in the code that is copied about."""

    def __init__(self, **modules: nn.Module):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.children():
            x = module(x)
        return x


class Up(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, bilinear: bool):
        super().__init__()
        if bilinear:
            self.up = DoubleConvUp(channels_in, channels_out).up
        else:
            self.up = nn.ConvTranspose2d(channels_in, channels_in // 2, 2, 2)
        self.conv = Named(double_conv=two_convolutions(channels_in, channels_out))

    def forward(self, below: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        below = self.up(below)
        missing = [skip.shape[axis] - below.shape[axis] for axis in (3, 2)]
        below = functional.pad(below, [n for m in missing for n in (m // 2, m - m // 2)])
        return self.conv(torch.cat([skip, below], dim=1))


class Widespread(nn.Module):
    """The names that most copies of this U-Net have."""

    def __init__(self, bilinear: bool) -> None:
        super().__init__()
        wide = 8 if bilinear else 16
        self.inc = Named(double_conv=two_convolutions(3, 4))
        for name, channels in {"down1": (4, 8), "down2": (8, wide)}.items():
            block = Named(double_conv=two_convolutions(*channels))
            down = Named(maxpool_conv=nn.Sequential(nn.MaxPool2d(2), block))
            self.add_module(name, down)
        self.up1 = Up(16, 4 if bilinear else 8, bilinear)
        self.up2 = Up(8, 4, bilinear)
        self.outc = Named(conv=nn.Conv2d(4, 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.inc(x)
        second = self.down1(first)
        return self.outc(self.up2(self.up1(self.down2(second), second), first))


def with_statistics(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean.normal_()
    return module.eval()


@pytest.mark.parametrize("bilinear", [True, False])
@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_widespread_unet(bilinear: bool, prefix: str, tmp_path: Path) -> None:
    module = with_statistics(Widespread(bilinear))
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({**state, "mask_values": [0, 255]}, tmp_path / "s.pth")
    network = open_network(tmp_path / "s.pth", device="cpu")
    assert network.architecture == "U-Net with inc, down, up and outc, depth 2"
    assert (network.axes, network.channels, network.rows) == ("CYX", 3, 2)
    assert ("align_corners" in network.file.notices[0]) == bilinear
    if not prefix:
        assert_same(network, module, (14, 21))


OWN = [
    {"ndim": 2, "in_channels": 3, "out_channels": 1, "depth": 2, "base_width": 3},
    {"ndim": 3, "out_channels": 4, "depth": 1, "base_width": 2, "norm": "none"},
    {"ndim": 2, "depth": 2, "base_width": 2, "upsampling": "interpolate"},
]


@pytest.mark.parametrize("options", OWN)
def test_own_unet(options: dict[str, int], tmp_path: Path) -> None:
    module = with_statistics(UNet(**options))
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, tmp_path / "s.ckpt")
    network = open_network(tmp_path / "s.ckpt", device="cpu")
    assert network.module.config == module.config
    assert "opened as if they did" in network.file.notices[0]
    image = torch.rand(1, module.config["in_channels"], *[8] * module.config["ndim"])
    with torch.no_grad():
        assert torch.equal(network.module(image), module(image))


@pytest.mark.parametrize("norm", ["batch", "instance", ("instance", {"affine": True})])
def test_basic_unet_of_monai(norm: object, tmp_path: Path) -> None:
    features = (2, 2, 4, 4, 6, 3)
    module = with_statistics(BasicUNet(2, 1, 3, features, norm=norm))
    torch.save(module.state_dict(), tmp_path / "s.pt")
    network = open_network(tmp_path / "s.pt", device="cpu")
    assert network.architecture == "MONAI BasicUNet"
    if norm == "batch":
        assert_same(network, module, (32, 32))


def test_others_need_a_factory(tmp_path: Path) -> None:
    module = with_statistics(Widespread(False))
    state = module.state_dict()
    cases = {
        "without": {n: t for n, t in state.items() if not n.startswith("inc.")},
        "flat": {**state, "inc.double_conv.0.weight": torch.zeros(3)},
        "empty": {**state, "outc.conv.weight": torch.tensor(3.0)},
    }
    for name, case in cases.items():
        torch.save(case, tmp_path / name)
        with pytest.raises(FactoryNeeded, match=r"no architecture\. Give factory="):
            open_network(tmp_path / name)
    torch.save({**state, "outc.conv.bias": torch.zeros(5)}, tmp_path / "other")
    with pytest.raises(NetworkFileError, match="do not fit"):
        open_network(tmp_path / "other")
