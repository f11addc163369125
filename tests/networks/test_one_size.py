"""Networks that take images of one size: how that is found, and what is done with other images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from segmentation_models_pytorch import Unet
from torch import nn

import napari_seggradcam as sgc
from architectures import (
    ChannelsLast,
    Coarse,
    Counting,
    DenseEncoder,
    DoubleConvUNet,
    Ending,
    GridGate,
    Positioned,
    Pyramid,
    ResidualEncoder,
    SqueezeExcitation,
)
from napari_seggradcam.explain.reach import reach_of
from napari_seggradcam.networks.roles import find_layers
from napari_seggradcam.networks.running import as_found
from napari_seggradcam.networks.sizes import AxisRule, find_rules, only_size
from napari_seggradcam.networks.sliding import sizes_in_words
from napari_seggradcam.networks.tracing import trace_network
from opened_networks import image_of
from sliding_windows import average_of_windows
from torchscript_files import noisy

Shape = tuple[int, ...]


def one(size: Shape = (16, 24)) -> sgc.Network:
    return sgc.Network.from_module(noisy(lambda: Positioned(size)), patch=size)


def only(takes: Shape, gives: Shape) -> Callable[[Shape], Shape]:
    """Stands for a network that takes one size."""

    def run(shape: Shape) -> Shape:
        if shape != takes:
            raise sgc.NetworkError("the size is another one")
        return gives

    return run


@pytest.mark.parametrize(
    ("takes", "gives", "stride", "margin"),
    [
        ((16, 24), (16, 24), (1, 1), (0, 0)),
        ((224, 224), (56, 56), (4, 4), (0, 0)),
        ((12, 64, 64), (12, 32, 32), (1, 2, 2), (0, 0, 0)),
        ((65, 65), (33, 33), (2, 2), (-1, -1)),
        ((140, 140), (100, 100), (1, 1), (40, 40)),
    ],
)
def test_the_known_size_is_the_only_one(
    takes: Shape, gives: Shape, stride: Shape, margin: Shape
) -> None:
    rules = find_rules(only(takes, gives), len(takes), [takes[::-1], (7,) * len(takes), takes])
    assert only_size(rules) == takes
    assert tuple(rule.output_stride for rule in rules) == stride
    assert tuple(rule.margin for rule in rules) == margin
    for rule, size in zip(rules, takes, strict=True):
        assert (rule.step, rule.minimum, rule.is_fixed) == (0, size, True)
        assert [rule.at_least(n) for n in (1, size, 9 * size)] == [size] * 3
        assert rule.narrowed(8, 8) == rule


def test_sizes_that_run_are_preferred_to_one_that_is_known() -> None:
    rules = find_rules(lambda shape: shape, 2, [(16, 24)])
    assert rules == find_rules(lambda shape: shape, 2)
    assert only_size(rules) is None


def test_a_known_size_may_be_the_first_of_many() -> None:
    def run(shape: Shape) -> Shape:
        if min(shape) < 500 or any(n % 4 for n in shape):
            raise sgc.NetworkError("too small")
        return shape

    assert find_rules(run, 2, [(512, 600)]) == (
        AxisRule(512, 4, 500, 1, 0),
        AxisRule(512, 4, 500, 1, 0),
    )


def test_one_fixed_axis_fixes_all() -> None:
    def run(shape: Shape) -> Shape:
        if shape[0] != 12:
            raise sgc.NetworkError("twelve planes")
        return shape

    assert only_size(find_rules(run, 3, [(12, 64, 64)])) == (12, 64, 64)


def test_an_output_that_is_always_as_large_tells_the_size() -> None:
    module = Ending(nn.Upsample(size=(40, 24)))
    network = sgc.Network.from_module(module)
    assert network.patch == (40, 24)
    assert sgc.Network.from_module(module, patch=(40, 24)).rules == network.rules


@pytest.mark.parametrize("size", [(8, 8), (64, 64)])
def test_an_output_of_another_size_is_refused(size: Shape) -> None:
    """Nothing says where its pixels lie."""
    network = sgc.Network.from_module(Ending(nn.AdaptiveAvgPool2d(7)), patch=size)
    with pytest.raises(sgc.NetworkError, match="give that as patch="):
        _ = network.rules


def test_what_it_takes_is_said() -> None:
    network = one()
    assert (network.patch, network.step, network.minimum_size) == ((16, 24), (0, 0), (16, 24))
    words = sizes_in_words(network.patch, network.rules)
    assert words == "16 × 24 pixels only, larger images in such patches"
    assert reach_of(network).in_words() == "explained on patches of 16 × 24 pixels"
    plain = sgc.Network.from_module(ResidualEncoder(), patch=(32, 32))
    assert sizes_in_words(plain.patch, plain.rules) == "patches of 32 × 32 pixels"
    assert sizes_in_words(None, plain.rules) == f"step {plain.step[0]}"
    with pytest.raises(sgc.NetworkError, match=r"one size only, give that as patch=.*16, 16"):
        _ = sgc.Network.from_module(Positioned()).patch


def test_patches_that_it_does_not_take() -> None:
    network = sgc.Network.from_module(Positioned(), patch=(16, 32))
    with pytest.raises(sgc.NetworkError, match="failed on an input"):
        _ = network.rules
    rules = find_rules(only((16, 24), (12, 20)), 2, [(16, 24)])
    network = one()
    network._anatomy.rules = rules
    with pytest.raises(sgc.OptionError, match=r"takes 16 pixels along axis 0, .* covers 12 of"):
        network.predict(np.zeros((16, 24)))


@pytest.mark.parametrize("shape", [(16, 24), (16, 25), (40, 61), (17, 70)])
def test_prediction_is_the_average_of_windows(shape: Shape) -> None:
    network, image = one(), image_of(1, shape)[0]
    expected = average_of_windows(network.module, image, (16, 24))
    got = network.predict(image)
    np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())
    assert got.shape == (2, *shape)


@pytest.mark.parametrize("shape", [(16, 11), (5, 24), (6, 9), (11, 60)])
def test_smaller_images_are_mirrored(shape: Shape) -> None:
    network, image = one(), image_of(1, shape)[0]
    missing = [max(0, p - n) for p, n in zip((16, 24), shape, strict=True)]
    widths = [(n // 2, n - n // 2) for n in missing]
    padded = np.pad(image, widths, mode="reflect")
    inside = tuple(slice(b, b + n) for (b, _), n in zip(widths, shape, strict=True))
    expected = average_of_windows(network.module, padded, (16, 24))[:, *inside]
    got = network.predict(image)
    np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())
    record = sgc.explain(network, image, sgc.pixel(3, 5), target=1).record
    assert record["image"]["padding"] == "reflect"
    assert record["image"]["padding_before"] == [b for b, _ in widths]


def test_an_explanation_is_autograd_on_the_window() -> None:
    """α = mean of dS/dA, by hand, for the patch that has M in its middle."""
    network = one()
    image = image_of(1, (16, 48))[0]  # windows from 0, 12 and 24
    region = np.zeros(image.shape, bool)
    region[4:9, 22:27] = True
    found = sgc.explain(network, image, region, target=1, layers="deep")
    assert found.record["image"]["patch"]["first"] == [0, 12]
    values = torch.from_numpy(image[None, None, :, 12:36])
    maps: list[torch.Tensor] = []
    hook = network.module.deep.register_forward_hook(lambda m, x, y: maps.append(y))
    logits = network.module(values)
    hook.remove()
    score = logits[0, 1, 4:9, 10:15].sum()
    (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.mean((2, 3))[0]
    signed = (weights[:, None, None] * maps[0][0]).sum(0).detach().numpy()
    heatmap = found[found.layers[0]]
    np.testing.assert_allclose(heatmap.weights, weights.numpy(), atol=1e-6 * weights.abs().max())
    np.testing.assert_allclose(heatmap.signed, signed, atol=1e-5 * np.abs(signed).max())
    assert (heatmap.scale, heatmap.translate) == ((2, 2), (0.5, 12.5))


def test_larger_than_memory_is_refused(tmp_path: Path) -> None:
    for shape in ((8, 8), (64, 64)):
        with pytest.raises(sgc.NetworkError, match="explained on patches as a whole"):
            sgc.explain_large(one(), np.zeros(shape), sgc.everywhere(), tmp_path / "e.sgc.zarr")


STYLES: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "padded to the skip": (DoubleConvUNet, (64, 96)),
    "residual": (ResidualEncoder, (64, 96)),
    "dense": (DenseEncoder, (64, 96)),
    "pyramid": (Pyramid, (64, 96)),
    "gates": (SqueezeExcitation, (64, 96)),
    "attention": (GridGate, (64, 96)),
    "coarse": (Coarse, (64, 96)),
    "whole numbers": (Counting, (64, 96)),
    "channels last": (ChannelsLast, (64, 96)),
    "volume": (lambda: sgc.UNet(3, depth=2, base_width=2), (16, 24, 32)),
    "padded before": (
        lambda: Unet("efficientnet-b0", encoder_weights=None, in_channels=1, classes=2),
        (64, 96),
    ),
}


def traced(module: nn.Module, size: Shape, growth: int = 64) -> tuple[list[object], list[Shape]]:
    sizes = [size, tuple(n + growth for n in size)]
    with as_found(module):
        traces = [trace_network(module, torch.zeros(1, 1, *s), len(s)) for s in sizes]
    return traces, sizes


@pytest.mark.parametrize(("make", "size"), STYLES.values(), ids=STYLES)
def test_one_trace_tells_what_two_tell(make: Callable[[], nn.Module], size: Shape) -> None:
    traces, sizes = traced(make().eval(), size)
    assert find_layers(traces[:1], sizes[:1]) == find_layers(traces, sizes)


def test_strides_where_sizes_do_not_suit() -> None:
    """100, 50 and 25, of which pooling makes 12; then 24, 48 padded to 50, and 100."""
    module = DoubleConvUNet().eval()
    module.down2 = nn.Sequential(module.down2, nn.MaxPool2d(2), nn.Upsample(scale_factor=2))
    traces, _ = traced(module, (100, 100))
    layers = find_layers(traces[:1], [(100, 100)])
    strides = {layer.shape[0]: layer.stride for layer in layers}
    assert {n: s[0] for n, s in strides.items()} == {100: 1, 50: 2, 25: 4, 12: 8, 24: 4, 48: 2}
    assert all(layer.stride[0] == layer.stride[1] for layer in layers)
