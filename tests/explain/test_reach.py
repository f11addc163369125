"""How far networks see, measured, against what their convolutions say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.networks import nets
from torch import nn

import napari_seggradcam as sgc
from architectures import Coarse, DoubleConvUNet, SqueezeExcitation
from napari_seggradcam.explain.axis_reach import AxisReach
from napari_seggradcam.explain.reach import reach_of


def reach(module: nn.Module, **options: object) -> list[tuple[int, int]]:
    axes = reach_of(sgc.Network.from_module(module, **options)).axes
    assert axes is not None
    return [(axis.before, axis.after) for axis in axes]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_convolution_sees_half_its_kernel(kernel: int, dilation: int) -> None:
    half = dilation * (kernel // 2)
    module = nn.Sequential(
        nn.Conv2d(1, 2, kernel, padding=half, dilation=dilation), nn.ReLU(), nn.Conv2d(2, 2, 1)
    )
    assert reach(module) == [(half, half)] * 2


def test_every_axis_is_measured_on_its_own() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, (3, 7), padding=(1, 3)), nn.Conv2d(2, 2, 1))
    assert reach(module) == [(1, 1), (3, 3)]


def test_one_side_alone() -> None:
    module = nn.Sequential(nn.ZeroPad2d((4, 0, 0, 2)), nn.Conv2d(1, 2, (3, 5)))
    assert reach(module) == [(0, 2), (4, 0)]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_unet(depth: int) -> None:
    """Two convolutions down and two up a level, pooling and up-convolution in between."""
    axis = reach_of(sgc.Network.from_module(sgc.UNet(depth=depth, base_width=2))).axes[0]
    assert axis.stride == axis.outputs == 2**depth
    # Levels above the bottom see 2 + 2 of their pixels to each side, the bottom 2. Blocks can see
    # farther to one side than single pixels do, by what is left of a block.
    convolutions = sum(4 * 2**level for level in range(depth)) + 2 * 2**depth
    assert axis.before == axis.after
    assert convolutions <= axis.before <= convolutions + 2**depth


def test_unpadded_unet_sees_what_its_output_lacks() -> None:
    network = sgc.Network.from_module(sgc.UNet(depth=2, base_width=2, convolution="valid"))
    for axis, rule in zip(reach_of(network).axes, network.rules, strict=True):
        start, stop = axis.inputs(0, 1)
        assert start == 0
        assert rule.margin <= stop <= rule.margin + 2 * axis.stride


def test_strided_logits() -> None:
    network = sgc.Network.from_module(Coarse())
    (axis, _) = reach_of(network).axes
    assert axis.stride // axis.outputs == network.rules[0].output_stride


def test_volume() -> None:
    module = nn.Sequential(nn.Conv3d(1, 2, (1, 3, 5), padding=(0, 1, 2)), nn.Conv3d(2, 2, 1))
    assert reach(module, axes="CZYX") == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: nets.BasicUNet(
                spatial_dims=2, in_channels=1, out_channels=2, features=(4, 4, 8, 8, 16, 4)
            ),
            "first in encoder 0 norm 1",
        ),
        (SqueezeExcitation, "sees the whole image at once"),
        (DoubleConvUNet, "align_corners=True"),
    ],
    ids=["instance norm", "squeeze and excitation", "aligned corners"],
)
def test_what_is_not_local_says_why(make: Callable[[], nn.Module], says: str) -> None:
    torch.manual_seed(10)  # some weights leave no feature map of the bottleneck above zero
    found = reach_of(sgc.Network.from_module(make()))
    assert found.axes is None
    assert says in found.why_not


@pytest.mark.parametrize("far", [256, 320, 640])
def test_what_lies_beyond_the_first_strips_is_found(far: int) -> None:
    """At once or step by step."""
    layers = [nn.Conv2d(1, 1, 3, padding=64, dilation=64) for _ in range(far // 64)]
    if far == 256:
        layers = [nn.Conv2d(1, 1, 3, padding=far, dilation=far)]
    assert reach(nn.Sequential(*layers, nn.Conv2d(1, 2, 1))) == [(far, far)] * 2


def test_a_network_is_run_no_further_than_to_what_sees_everything() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 3))
    network = sgc.Network.from_module(module)
    assert network.layers
    shapes: list[tuple[int, ...]] = []
    module[0].register_forward_hook(lambda m, given, out: shapes.append(given[0].shape[2:]))
    module[2].register_forward_hook(lambda *given: pytest.fail("too far"))
    assert "first in bottleneck norm" in reach_of(network).why_not
    # One strip, and what comes to its ends at once is looked for in the longest only.
    assert [max(shape) > 2000 for shape in shapes] == [False, True]


@pytest.mark.parametrize("side", [1, -1])
def test_what_only_one_end_sees_of_the_other_is_noticed(side: int) -> None:
    class Rolled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 0 * x.roll(side, 3)

    module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), Rolled(), nn.Conv2d(2, 2, 1))
    found = reach_of(sgc.Network.from_module(module))
    assert "circular padding" in found.why_not


def test_is_measured_once_and_leaves_the_network_alone() -> None:
    network = sgc.Network.from_module(sgc.UNet(depth=1, base_width=2).train())
    before = torch.get_rng_state()
    first = reach_of(network)
    assert network.module.training
    assert torch.equal(torch.get_rng_state(), before)
    assert reach_of(network) is first


def test_inputs_are_whole_blocks_around_what_is_seen() -> None:
    axis = AxisReach(stride=4, outputs=4, first=-6, last=9)
    assert (axis.before, axis.after) == (6, 6)
    assert axis.inputs(20, 21) == (12, 28)
    assert axis.inputs(0, 1) == (-8, 8)
    assert axis.output_index(12) == 12


def test_a_file_that_is_opened_again_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sgc.Network.from_module(sgc.UNet(depth=1, base_width=2)).save(tmp_path / "a.safetensors")
    first = reach_of(sgc.open_network(path, device="cpu"))
    again = sgc.open_network(path, device="cpu")
    assert again.layers  # which takes runs of its own
    monkeypatch.setattr(sgc.Network, "run", lambda self, *given: pytest.fail("measured again"))
    assert reach_of(again) is first
