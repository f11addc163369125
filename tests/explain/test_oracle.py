"""Every network layer of many networks against float64, and against captum."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from monai.networks import nets
from torch import nn

import napari_seggradcam as sgc
from input_scores import box


def own(**options: object) -> nn.Module:
    return sgc.UNet(**{"depth": 3, "base_width": 4, **options})


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], float]] = {
    "own": (own, (48, 64), 1e-5),
    "own without norm": (lambda: own(norm="none"), (48, 64), 1e-5),
    "own, interpolating": (lambda: own(upsampling="interpolate"), (48, 64), 1e-5),
    "own, one row": (lambda: own(out_channels=1), (48, 64), 1e-5),
    "own 3D": (lambda: own(ndim=3, depth=2), (16, 20, 24), 1e-5),
    "BasicUNet": (
        lambda: nets.BasicUNet(
            spatial_dims=2, in_channels=1, out_channels=2, features=(4, 4, 8, 8, 16, 4)
        ),
        (48, 64),
        2e-4,
    ),
    "BasicUNet, batch norm": (
        lambda: nets.BasicUNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=2,
            features=(4, 4, 8, 8, 16, 4),
            norm="batch",
        ),
        (48, 64),
        1e-5,
    ),
    "UNet": (
        lambda: nets.UNet(
            spatial_dims=2, in_channels=1, out_channels=3, channels=(4, 8, 16), strides=(2, 2)
        ),
        (48, 64),
        2e-4,
    ),
    "UNet with residual units, batch norm": (
        lambda: nets.UNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=2,
            channels=(4, 8, 16),
            strides=(2, 2),
            num_res_units=2,
            norm="batch",
        ),
        (48, 64),
        1e-5,
    ),
    "DynUNet": (
        lambda: nets.DynUNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=2,
            kernel_size=[3, 3, 3],
            strides=[1, 2, 2],
            upsample_kernel_size=[2, 2],
            filters=[4, 8, 16],
            deep_supervision=True,
        ),
        (48, 64),
        2e-4,
    ),
    "SegResNet": (
        lambda: nets.SegResNet(
            spatial_dims=2,
            init_filters=8,
            in_channels=1,
            out_channels=2,
            blocks_down=(1, 2, 2),
            blocks_up=(1, 1),
        ),
        (48, 64),
        2e-4,
    ),
    "AttentionUnet": (
        lambda: nets.AttentionUnet(
            spatial_dims=2, in_channels=1, out_channels=2, channels=(4, 8, 16), strides=(2, 2)
        ),
        (48, 64),
        1e-5,
    ),
}
# Their joins are additions as well, which the oracle does not see.
ADDING = ("UNet with residual units, batch norm", "SegResNet", "AttentionUnet")


@pytest.fixture(params=MODULES)
def case(request: pytest.FixtureRequest) -> tuple[str, sgc.Network, np.ndarray, float]:
    make, shape, tolerance = MODULES[request.param]
    module = make()
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():  # norms that do something, biases that are not zero
        if parameter.ndim == 1:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.2 * noise
    network = sgc.Network.from_module(module, axes="CYX" if len(shape) == 2 else "CZYX")
    image = np.random.default_rng(2).random(shape, np.float32)
    return request.param, network, image, tolerance


@pytest.mark.parametrize("region", ["box", "pixel", "everywhere"])
def test_every_layer_equals_the_float64_oracle(case, region, oracle) -> None:
    name, network, image, tolerance = case
    mask = {
        "box": box(*image.shape),
        "pixel": sgc.pixel(*(n // 3 for n in image.shape)),
        "everywhere": sgc.everywhere(),
    }[region]
    weights = (mask if isinstance(mask, np.ndarray) else mask.mask(image.shape, None)).astype(float)
    truths = oracle(network, image, weights, 1)
    explanation = sgc.explain(network, image, mask, target=1, layers="all")
    compared = 0
    for layer in network.layers:
        if layer.kind == "skip" and name in ADDING:
            continue
        errors = truths[layer.name].errors(explanation[layer.name])
        assert max(errors) <= tolerance, (layer.name, errors)
        compared += 1
    assert compared > 10


def test_added_skips_equal_segresnet_taken_apart() -> None:
    """The skips of SegResNet enter additions; its decoder is repeated here, step by step.

    In single precision as well: which of its rectifiers are on depends on the last digit.
    """
    module = MODULES["SegResNet"][0]().eval()
    image = np.random.default_rng(2).random((48, 64), np.float32)
    mask = box(*image.shape)
    network = sgc.Network.from_module(module)
    explanation = sgc.explain(network, image, mask, target=1, layers="all")
    with torch.no_grad():
        x, down = module.encode(torch.from_numpy(image)[None, None])
    skips = [tensor.clone().requires_grad_() for tensor in down[::-1][1:]]
    for up, layer, skip in zip(module.up_samples, module.up_layers, skips, strict=True):
        x = layer(up(x) + skip)
    logits = module.conv_final(x)
    logits[0, 1][torch.from_numpy(mask)].sum().backward()
    for level, skip in enumerate(reversed(skips)):
        weights = skip.grad[0].mean((1, 2)).numpy()
        size = skip.grad[0].abs().mean((1, 2)).max().item()
        assert np.abs(explanation[f"skip {level}"].weights - weights).max() <= 1e-6 * size


def test_equals_captum_where_every_module_is_called_once(case) -> None:
    captum_attr = pytest.importorskip("captum.attr")
    _, network, image, tolerance = case
    mask = box(*image.shape)
    module = copy.deepcopy(network.module).eval()
    explanation = sgc.explain(network, image, mask, target=1, layers="all")
    calls: dict[str, int] = {}
    for layer in network.layers:
        if layer.module is not None:
            calls[layer.module] = calls.get(layer.module, 0) + 1
    for child in module.modules():
        if hasattr(child, "inplace"):  # captum keeps what an in-place module leaves behind
            child.inplace = False
    x = network.prepare(image).tensor
    compared = 0
    for layer in network.layers[:: max(1, len(network.layers) // 9)]:
        if layer.module is None or calls[layer.module] > 1:
            continue

        def score(x: torch.Tensor) -> torch.Tensor:
            logits = module(x)
            return logits[:, min(1, logits.shape[1] - 1)][:, torch.from_numpy(mask)].sum(1)

        cam = captum_attr.LayerGradCam(score, module.get_submodule(layer.module))
        theirs = cam.attribute(x)[0, 0].detach().numpy()
        ours = explanation[layer.name]
        scale = np.abs(theirs).max()
        if ours.empty and "normalisation" in ours.empty:
            continue
        assert np.abs(ours.signed - theirs).max() <= max(10 * tolerance * scale, 1e-12)
        compared += 1
    assert compared >= 3
