"""Networks that torch exported to ONNX, imported again: outputs, layers, gradients, heatmaps."""

import copy
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch
from monai.networks import nets
from torch import nn

from napari_seggradcam.explain.explainer import explain
from napari_seggradcam.explain.habits import habits_of
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.onnx import describe_onnx, import_onnx
from napari_seggradcam.networks.running import as_found
from napari_seggradcam.networks.unet import UNet


def _smp_unet() -> nn.Module:
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet18", encoder_weights=None, classes=2, decoder_channels=(16, 8, 8, 4, 4))


FACTORIES: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: UNet(2, depth=2, base_width=4),
    "own 3D": lambda: UNet(3, depth=1, base_width=2),
    "BasicUNet": lambda: nets.BasicUNet(2, 1, 2, (4, 4, 8, 8, 16, 4)),
    "UNet": lambda: nets.UNet(2, 1, 2, (4, 8), (2,), num_res_units=1),
    "UNet 3D": lambda: nets.UNet(3, 1, 2, (2, 4), (2,), num_res_units=1),
    "SegResNet": lambda: nets.SegResNet(2, 8, 1, 2, blocks_down=(1, 1), blocks_up=(1,)),
    "SegResNet 3D": lambda: nets.SegResNet(3, 8, 1, 2, blocks_down=(1, 1), blocks_up=(1,)),
    "smp": _smp_unet,
}


# Volumes are smaller: they have far more positions.
SIZES = {2: ((64, 32), (32, 96)), 3: ((32, 16, 16), (16, 48, 32))}


@dataclass(frozen=True)
class Exported:
    """A network and the file that was made of it."""

    module: nn.Module
    content: bytes
    ndim: int
    channels: int

    @property
    def axes(self) -> str:
        return "CYX" if self.ndim == 2 else "CZYX"

    def network(self, module: nn.Module) -> Network:
        return Network.from_module(module, axes=self.axes, channels=self.channels)

    def image(self, *size: int, batch: int = 1) -> torch.Tensor:
        return torch.rand(batch, self.channels, *size)


def randomised(module: nn.Module) -> nn.Module:
    """With norms that do something."""
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
        if hasattr(m, "weight") and "Norm" in type(m).__name__ and m.weight is not None:
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.1)
    return module.eval()


@cache
def exported(name: str, exporter: str, opset: int = 18) -> Exported:
    torch.manual_seed(0)
    module = randomised(FACTORIES[name]())
    ndim = 3 if name.endswith("3D") else 2
    channels = 3 if name == "smp" else 1
    # Torch takes batches and sizes of 1 for fixed.
    image = torch.rand(2, channels, *SIZES[ndim][0])
    free = (0, *range(2, ndim + 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            shapes = dict.fromkeys(free, torch.export.Dim.AUTO)
            program = torch.onnx.export(
                module, (image,), dynamo=True, dynamic_shapes=(shapes,), verbose=False
            )
            content = program.model_proto.SerializeToString()
        else:
            file = io.BytesIO()
            torch.onnx.export(
                module,
                (image,),
                file,
                dynamo=False,
                opset_version=opset,
                input_names=["image"],
                dynamic_axes={"image": {axis: f"d{axis}" for axis in free}},
            )
            content = file.getvalue()
    return Exported(module, content, ndim, channels)


def onnxruntime_output(content: bytes, image: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {describe_onnx(content).input_name: image.numpy()})
    return torch.from_numpy(output)


CASES = [
    *((name, "legacy") for name in FACTORIES),
    *((name, "dynamo") for name in ("own", "UNet", "SegResNet")),
]
each_network = pytest.mark.parametrize(("name", "exporter"), CASES)


@each_network
def test_output_is_that_of_onnxruntime(name: str, exporter: str) -> None:
    """At other sizes than it was exported with, too; as often as torch itself exports them."""
    given = exported(name, exporter)
    module = import_onnx(given.content)
    for size, batch in zip(SIZES[given.ndim], (2, 1), strict=True):
        image = given.image(*size, batch=batch)
        with torch.no_grad():
            mine, eager = module(image), given.module(image)
        theirs = onnxruntime_output(given.content, image)
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=3e-5)
        torch.testing.assert_close(mine, eager, rtol=1e-5, atol=3e-5)


@each_network
def test_layers_and_heatmaps_are_those_of_the_module(name: str, exporter: str) -> None:
    """All but what the exporter leaves out: norms that it folds into the convolution before."""
    given = exported(name, exporter)
    eager, mine = given.network(given.module), given.network(import_onnx(given.content))
    folded = {"own", "own 3D", "smp"}
    by_name = {layer.name: layer for layer in mine.layers}
    kept = []
    for layer in eager.layers:
        if name in folded and layer.kind == "norm":
            continue
        # Its resizes are functions in the module, and modules in the graph.
        found = by_name.pop(layer.name)
        described = ("role", "level", "channels", "stride", "offset", "shape", "kind", "argument")
        assert all(getattr(layer, field) == getattr(found, field) for field in described)
        if not (name in folded and layer.kind == "conv" and layer.role != "head"):
            kept.append(layer.name)
    assert all(layer.kind == "up" for layer in by_name.values())
    assert name == "smp" or not by_name
    size = SIZES[given.ndim][0]
    image = given.image(*size)[0].numpy()
    region = np.zeros(size, dtype=bool)
    region[size[0] // 3 : size[0] // 2, 4:10] = True
    questions = [
        explain(network, image, region, axes=given.axes, target=1, layers=kept)
        for network in (eager, mine)
    ]
    for layer_name in kept:
        wanted, found = (e[layer_name] for e in questions)
        # Where a norm behind it removes a weight, all that is left of it is rounding.
        largest = max(np.abs(wanted.signed).max(), 1e-7)
        assert np.abs(found.signed - wanted.signed).max() <= 1e-4 * largest
        largest = max(np.abs(wanted.weights).max(), 1e-7)
        assert np.abs(found.weights - wanted.weights).max() <= 1e-4 * largest


@pytest.mark.parametrize(
    ("name", "exporter", "path"),
    [
        ("BasicUNet", "legacy", "upcat_1.upsample.deconv"),
        ("UNet", "dynamo", "model.0.conv.unit0.conv"),
    ],
)
def test_names_are_those_of_the_module(name: str, exporter: str, path: str) -> None:
    given = exported(name, exporter)
    theirs = {layer.name: layer.module for layer in given.network(given.module).layers}
    mine = {layer.name: layer.module for layer in given.network(import_onnx(given.content)).layers}
    assert mine == theirs
    assert path in mine.values()


def test_modules_that_are_called_again_have_numbers() -> None:
    """The newer exporter tells the module of every call; ``node_relu_5`` is no name to read."""
    given = exported("SegResNet", "dynamo")
    theirs = given.network(given.module).layers
    mine = given.network(import_onnx(given.content)).layers
    twice = {"act_mod": "conv_final.1"}  # two names of one module
    for layer, found in zip(theirs, mine, strict=True):
        if layer.module is not None:
            number = f"_{layer.call}" if layer.call else ""
            assert found.module == twice.get(layer.module, layer.module) + number
    assert any(layer.call for layer in theirs if layer.module is not None)


@pytest.mark.parametrize("exporter", ["legacy", "dynamo"])
def test_gradients_at_inner_modules_are_those_of_the_module(exporter: str) -> None:
    given = exported("own", exporter)
    image = given.image(48, 32)
    found = []
    for module in (given.module, import_onnx(given.content)):
        maps: dict[str, torch.Tensor] = {}
        paths = ["encoder.0.5", "pool.1", "bottleneck.5", "decoder.0.up", "head"]
        for path in paths:
            module.get_submodule(path).register_forward_hook(
                lambda m, args, out, path=path, maps=maps: maps.update({path: out})
            )
        logits = module(image)
        weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
        score = (logits * weights).sum()
        found.append(dict(zip(paths, torch.autograd.grad(score, list(maps.values())), strict=True)))
    for path, gradient in found[0].items():
        error = (gradient - found[1][path]).abs().max()
        assert error <= 1e-5 * gradient.abs().max()


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 17, 20])
def test_versions_of_the_operations(opset: int) -> None:
    given = exported("BasicUNet", "legacy", opset)
    assert describe_onnx(given.content).opset == opset
    image = given.image(64, 48)
    with torch.no_grad():
        mine, eager = import_onnx(given.content)(image), given.module(image)
    torch.testing.assert_close(mine, eager, rtol=1e-5, atol=1e-5)


def test_it_can_be_copied_and_computed_in_double_precision() -> None:
    given = exported("SegResNet", "legacy")
    module = import_onnx(given.content)
    twin = copy.deepcopy(module).double()
    image = given.image(32, 64)
    with torch.no_grad():
        double = twin(image.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(module(image), double.float(), rtol=1e-5, atol=1e-5)
        wanted = copy.deepcopy(given.module).double()(image.double())
    torch.testing.assert_close(double, wanted, rtol=1e-9, atol=1e-9)


def test_the_engine_keeps_a_tape_of_it() -> None:
    """It calls functions that the engine knows, and hides how it computes sizes."""
    network = exported("own", "legacy").network(import_onnx(exported("own", "legacy").content))
    with as_found(network.module):
        assert habits_of(network, (48, 80)).recordable


def test_it_is_left_as_found() -> None:
    module = import_onnx(exported("own", "legacy").content)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert not module.training
    assert all(p.requires_grad for p in module.parameters())
    given = exported("own", "legacy").network(module)
    given.predict(np.random.default_rng(0).random((40, 40), dtype=np.float32))
    after = module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
