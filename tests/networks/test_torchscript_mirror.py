"""TorchScript networks of several libraries, mirrored, against the modules they were made of."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks import nets
from torch import nn

from napari_seggradcam.networks.comparing import difference
from napari_seggradcam.networks.layers import NetworkLayer
from napari_seggradcam.networks.outputs import select_output
from napari_seggradcam.networks.roles import find_layers
from napari_seggradcam.networks.running import as_found, leaves
from napari_seggradcam.networks.torchscript.mirroring import mirror
from napari_seggradcam.networks.torchscript.reading import trained_mode
from napari_seggradcam.networks.tracing import trace_network
from napari_seggradcam.networks.unet import UNet
from torchscript_files import SmallUNet, noisy, written


def dyn_unet(ndim: int) -> nn.Module:
    return nets.DynUNet(
        spatial_dims=ndim,
        in_channels=1,
        out_channels=2,
        kernel_size=[3, 3, 3],
        strides=[1, 2, 2],
        upsample_kernel_size=[2, 2],
        filters=[4, 4, 8],
    )


def seg_res_net(ndim: int) -> nn.Module:
    blocks: dict[str, Any] = {"blocks_down": (1, 1), "blocks_up": (1,)}
    return nets.SegResNet(
        spatial_dims=ndim, init_filters=8, in_channels=1, out_channels=2, **blocks
    )


def monai_unet(ndim: int) -> nn.Module:
    return nets.UNet(
        spatial_dims=ndim,
        in_channels=1,
        out_channels=3,
        channels=(2, 4, 4),
        strides=(2, 2),
        num_res_units=1,
    )


def basic_unet(ndim: int) -> nn.Module:
    return nets.BasicUNet(
        spatial_dims=ndim, in_channels=1, out_channels=2, features=(2, 2, 4, 4, 4, 2)
    )


def smp(name: str, encoder: str) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = pytest.importorskip("segmentation_models_pytorch")
    module: nn.Module = getattr(models, name)(encoder, encoder_weights=None, in_channels=1)
    return module


BOTH = ("traced", "scripted")
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, tuple[str, ...]]] = {
    "own": (lambda: UNet(2, base_width=2, depth=2), 16, (*BOTH, "frozen traced")),
    "own 3D": (lambda: UNet(3, base_width=2, depth=2), 8, BOTH),
    "small": (SmallUNet, 16, (*BOTH, "frozen traced", "frozen scripted")),
    "BasicUNet": (lambda: basic_unet(2), 32, (*BOTH, "frozen scripted")),
    "BasicUNet 3D": (lambda: basic_unet(3), 32, BOTH),
    "UNet": (lambda: monai_unet(2), 16, BOTH),
    "UNet 3D": (lambda: monai_unet(3), 16, BOTH),
    "DynUNet": (lambda: dyn_unet(2), 16, BOTH),
    "DynUNet 3D": (lambda: dyn_unet(3), 16, BOTH),
    "SegResNet": (lambda: seg_res_net(2), 16, BOTH),
    "SegResNet 3D": (lambda: seg_res_net(3), 8, BOTH),
    "smp Unet": (lambda: smp("Unet", "resnet34"), 64, BOTH),
    "smp FPN": (lambda: smp("FPN", "resnet34"), 64, (*BOTH, "frozen traced")),
}


@dataclass
class Case:
    how: str
    eager: nn.Module
    scripted: torch.jit.ScriptModule
    mirrored: nn.Module
    image: torch.Tensor


@pytest.fixture(
    scope="module",
    params=[(name, how) for name, (_, _, ways) in NETWORKS.items() for how in ways],
    ids=" ".join,
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name, how = request.param
    make, size, _ = NETWORKS[name]
    eager = noisy(make)
    image = torch.rand(1, 1, *[size] * (3 if name.endswith("3D") else 2))
    scripted = written(eager, image, how, tmp_path_factory.mktemp("torchscript"))
    return Case(how, eager, scripted, mirror(scripted), image)


def convolutions(module: nn.Module) -> dict[str, nn.Module]:
    return {path: m for path, m in leaves(module).items() if "Conv" in type(m).__name__}


def gradients(module: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    """With respect to the input, and to what every call of a convolution gives."""
    kept = [image.clone().requires_grad_()]

    def hook(m: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output)
        return output.clone()  # so that nothing changes it in place

    hooks = [m.register_forward_hook(hook) for m in convolutions(module).values()]
    logits = select_output(module(kept[0]), image.ndim - 2)
    for handle in hooks:
        handle.remove()
    factors = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    return list(torch.autograd.grad((logits * factors).sum(), kept))


def test_the_same_values_at_this_and_another_size_and_batch(case: Case) -> None:
    assert difference(case.mirrored, case.scripted, case.image) == 0
    shape = (2, 1, case.image.shape[2] * 2, *case.image.shape[3:])
    assert difference(case.mirrored, case.scripted, torch.rand(shape)) <= 1e-6


def test_the_same_gradients_as_the_module_it_was_made_of(case: Case) -> None:
    mine, theirs = (gradients(m, case.image) for m in (case.mirrored, case.eager))
    assert len(mine) == len(theirs) > 5
    # Freezing multiplies norms into weights, which rounds.
    tolerance = 1e-5 if "frozen" in case.how else 1e-6
    pairs = list(zip(mine, theirs, strict=True))
    for one, other in pairs[:1] if "frozen" in case.how else pairs:
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * other.abs().max()


def test_the_same_names_classes_and_state(case: Case) -> None:
    if "frozen" in case.how:
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        assert all(isinstance(m, kinds) for m in convolutions(case.mirrored).values())
        return
    theirs = dict(case.eager.named_modules(remove_duplicate=False))
    for path, module in case.mirrored.named_modules(remove_duplicate=False):
        assert type(module).__name__ == type(theirs[path]).__name__
    state = case.eager.state_dict()
    assert case.mirrored.state_dict().keys() == state.keys()
    for name, tensor in case.mirrored.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)
    called: list[nn.Module] = []
    hooks = [
        m.register_forward_hook(lambda m, args, output: called.append(m))
        for m in convolutions(case.mirrored).values()
    ]
    case.mirrored(case.image)
    for handle in hooks:
        handle.remove()
    assert called[0].weight.shape[1] == 1
    # Tracing writes a module that stands under two names down twice, and what it is only once.
    if type(case.eager).__name__ != "DynUNet" or case.how != "traced":
        assert isinstance(called[0], nn.Conv2d | nn.Conv3d)


def network_layers(module: nn.Module, image: torch.Tensor) -> list[NetworkLayer]:
    sizes = tuple(image.shape[2:]), tuple(2 * n for n in image.shape[2:])
    ndim = len(sizes[0])
    with as_found(module):
        traces = [trace_network(module, torch.zeros(1, 1, *size), ndim) for size in sizes]
    return list(find_layers(traces, sizes))


def test_the_same_network_layers(case: Case) -> None:
    mine, theirs = (network_layers(m, case.image) for m in (case.mirrored, case.eager))
    if "frozen" in case.how:
        roles = {layer.role for layer in mine}
        assert roles >= {layer.role for layer in theirs} - {"skip"}
        return
    assert [
        (layer.name, layer.call, layer.channels, layer.stride, layer.shape) for layer in mine
    ] == [(layer.name, layer.call, layer.channels, layer.stride, layer.shape) for layer in theirs]


def test_copies_run_in_double_and_without_numbers(case: Case) -> None:
    expected = select_output(case.mirrored(case.image), case.image.ndim - 2)
    double = copy.deepcopy(case.mirrored).double()
    found = select_output(double(case.image.double()), case.image.ndim - 2)
    assert found.dtype == torch.float64
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    shapes = copy.deepcopy(case.mirrored).to("meta")(case.image.to("meta"))
    assert select_output(shapes, case.image.ndim - 2).shape == expected.shape
    assert select_output(case.mirrored(case.image), case.image.ndim - 2).equal(expected)


def test_nothing_says_that_it_trains(case: Case) -> None:
    assert trained_mode(case.scripted) is None


def test_a_forward_leaves_the_scripted_network_as_it_is(tmp_path: Path) -> None:
    image = torch.rand(1, 1, 16, 16)
    scripted = written(noisy(SmallUNet), image, "scripted", tmp_path)
    before = {name: tensor.clone() for name, tensor in scripted.state_dict().items()}
    mirror(scripted)(image)
    for name, tensor in scripted.state_dict().items():
        assert tensor.equal(before[name])
