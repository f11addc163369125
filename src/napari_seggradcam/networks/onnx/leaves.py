"""Operations that become modules: convolutions, norms, poolings, activations, resizes.

Modules are what the package names, hooks and explains; so whatever has a module in torch becomes
that one. Where the standard allows what the module does not (padding that is not the same at both
ends), the rest is done by functions around it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ...errors import NetworkFileError
from .graphs import Node
from .resizing import Rule, Upsampling

Constants = Mapping[str, torch.Tensor]
Ends = list[tuple[int, int]]


@dataclass
class Leaf:
    """A module, and what is done around it.

    Attributes
    ----------
    module
        Takes the first input, and the numbers if there are any.
    numbers
        Which other inputs it takes, as numbers.
    before, after
        Operation and attributes of what is done to its input and its output.
    """

    module: nn.Module
    numbers: tuple[int, ...] = ()
    before: tuple[str, dict[str, Any]] | None = None
    after: tuple[str, dict[str, Any]] | None = None


@dataclass(frozen=True)
class _Given:
    """A node with what it needs to become a module."""

    node: Node
    constants: Constants
    opset: int
    rank: int = field(default=4)

    @property
    def attributes(self) -> dict[str, Any]:
        return self.node.attributes

    @property
    def ndim(self) -> int:
        return self.rank - 2

    def constant(self, number: int) -> torch.Tensor | None:
        """An input that is a weight; None if it is left out."""
        name = self.node.inputs[number] if number < len(self.node.inputs) else ""
        if not name:
            return None
        if name not in self.constants:
            raise NetworkFileError(
                f"The ONNX graph computes a weight of {self.node.op} {self.node.name!r} from the "
                "image; expected weights that are stored in the file."
            )
        return self.constants[name]

    def weight(self, number: int) -> torch.Tensor:
        found = self.constant(number)
        if found is None:
            raise ValueError(f"{self.node.op} {self.node.name!r} has no input {number}")
        return found


def leaf_of(node: Node, constants: Constants, opset: int, rank: int) -> Leaf | None:
    """The module that a node becomes; None if it becomes none.

    Parameters
    ----------
    node
        An operation on maps.
    constants
        Weights by name.
    opset
        Version of the operations.
    rank
        Number of axes of the maps that it takes.
    """
    make = _MAKERS.get(node.op)
    return None if make is None else make(_Given(node, constants, opset, rank))


def _convolution(given: _Given) -> Leaf:
    weight, bias, attributes = given.weight(1), given.constant(2), given.attributes
    ndim, groups = weight.ndim - 2, attributes.get("group", 1)
    ends, before = _padding(given, list(weight.shape[2:]))
    if before is None and any(a != b for a, b in ends):
        before, ends = ("Pad", {"pads": _around(ends)}), [(0, 0)] * ndim
    module = _CONVOLUTIONS[ndim](
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        stride=tuple(attributes.get("strides", [1] * ndim)),
        padding=tuple(a for a, _ in ends),
        dilation=tuple(attributes.get("dilations", [1] * ndim)),
        groups=groups,
        bias=bias is not None,
        device="meta",
    )
    return Leaf(_with_weights(module, weight, bias), before=before)


def _transposed_convolution(given: _Given) -> Leaf:
    weight, bias, attributes = given.weight(1), given.constant(2), given.attributes
    ndim, groups = weight.ndim - 2, attributes.get("group", 1)
    if "output_shape" in attributes or attributes.get("auto_pad", "NOTSET") not in _NO_AUTO:
        raise NetworkFileError(
            "The ONNX graph has a transposed convolution that says its output's size instead of "
            "its padding, which can't be imported."
        )
    ends = _ends(attributes.get("pads", [0] * (2 * ndim)))
    same = all(a == b for a, b in ends)
    module = _TRANSPOSED[ndim](
        weight.shape[0],
        weight.shape[1] * groups,
        tuple(weight.shape[2:]),
        stride=tuple(attributes.get("strides", [1] * ndim)),
        padding=tuple(a for a, _ in ends) if same else 0,
        output_padding=tuple(attributes.get("output_padding", [0] * ndim)),
        dilation=tuple(attributes.get("dilations", [1] * ndim)),
        groups=groups,
        bias=bias is not None,
        device="meta",
    )
    after = None if same else ("Crop", {"ends": ends})
    return Leaf(_with_weights(module, weight, bias), after=after)


def _max_pool(given: _Given) -> Leaf:
    attributes = given.attributes
    kernel = attributes["kernel_shape"]
    if attributes.get("storage_order") or len([n for n in given.node.outputs if n]) > 1:
        raise NetworkFileError(
            "The ONNX graph uses the positions of what a max pooling found, which can't be "
            "imported."
        )
    ends, before = _padding(given, kernel, -math.inf)
    uneven = any(a != b or 2 * a > k for (a, b), k in zip(ends, kernel, strict=True))
    if before is None and uneven:
        before = "Pad", {"pads": _around(ends), "value": -math.inf}
        ends = [(0, 0)] * len(kernel)
    module = _MAX_POOLS[len(kernel)](
        tuple(kernel),
        tuple(attributes.get("strides", [1] * len(kernel))),
        tuple(a for a, _ in ends),
        tuple(attributes.get("dilations", [1] * len(kernel))),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )
    return Leaf(module, before=before)


def _average_pool(given: _Given) -> Leaf:
    attributes = given.attributes
    kernel = attributes["kernel_shape"]
    counted = bool(attributes.get("count_include_pad", 0))
    ends, before = _padding(given, kernel)
    uneven = before is not None or any(a != b for a, b in ends)
    dilated = any(n != 1 for n in attributes.get("dilations", []))
    if dilated or (uneven and not counted):
        raise NetworkFileError(
            "The ONNX graph has an average pooling whose padding is not the same at both ends, or "
            "with dilation, which can't be imported."
        )
    if before is None and uneven:
        before, ends = ("Pad", {"pads": _around(ends)}), [(0, 0)] * len(kernel)
    module = _AVERAGE_POOLS[len(kernel)](
        tuple(kernel),
        tuple(attributes.get("strides", [1] * len(kernel))),
        tuple(a for a, _ in ends),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
        count_include_pad=counted,
    )
    return Leaf(module, before=before)


def _global_pool(given: _Given) -> Leaf:
    kinds = _ADAPTIVE_AVERAGE if given.node.op == "GlobalAveragePool" else _ADAPTIVE_MAX
    return Leaf(kinds[given.ndim](1))


def _batch_norm(given: _Given) -> Leaf:
    if given.attributes.get("training_mode") or len([n for n in given.node.outputs if n]) > 1:
        raise NetworkFileError(
            "The ONNX graph was exported in training mode: its batch norms look at the whole "
            "batch. Export it again after module.eval()."
        )
    scale, bias, mean, variance = (given.weight(i) for i in range(1, 5))
    kind = _BATCH_NORMS.get(given.ndim, nn.BatchNorm1d)
    module = kind(len(scale), eps=given.attributes.get("epsilon", 1e-5), device="meta")
    module.running_mean, module.running_var = mean.float(), variance.float()
    module.num_batches_tracked = torch.tensor(0)
    return Leaf(_with_weights(module, scale, bias))


def _instance_norm(given: _Given) -> Leaf:
    scale, bias = given.weight(1), given.weight(2)
    kind = _INSTANCE_NORMS.get(given.ndim, nn.InstanceNorm1d)
    eps = given.attributes.get("epsilon", 1e-5)
    module = kind(len(scale), eps=eps, affine=True, device="meta")
    return Leaf(_with_weights(module, scale, bias))


def _group_norm(given: _Given) -> Leaf | None:
    if given.node.op == "GroupNormalization" and given.opset < 21:
        return None  # one weight for each group
    scale, bias = given.weight(1), given.weight(2)
    eps = given.attributes.get("epsilon", 1e-5)
    module = nn.GroupNorm(given.attributes["num_groups"], len(scale), eps=eps, device="meta")
    return Leaf(_with_weights(module, scale, bias))


def _layer_norm(given: _Given) -> Leaf:
    scale, bias = given.weight(1), given.constant(2)
    eps = given.attributes.get("epsilon", 1e-5)
    module = nn.LayerNorm(tuple(scale.shape), eps=eps, bias=bias is not None, device="meta")
    return Leaf(_with_weights(module, scale, bias))


def _prelu(given: _Given) -> Leaf | None:
    slope = given.weight(1)
    # Torch's module has one slope for each channel.
    if slope.numel() > 1 and slope.numel() != slope.shape[-(given.rank - 1)]:
        return None
    module = nn.PReLU(slope.numel(), device="meta")
    return Leaf(_with_weights(module, slope.reshape(-1), None))


def _clip(given: _Given) -> Leaf | None:
    attributes = given.attributes
    names = given.node.inputs[1:3]
    if any(name and name not in given.constants for name in names):
        return None
    ends = [given.constant(number) for number in (1, 2)]
    least = attributes.get("min", None if ends[0] is None else ends[0].item())
    most = attributes.get("max", None if ends[1] is None else ends[1].item())
    if least == 0 and most is None:
        return Leaf(nn.ReLU())
    if least == 0 and most == 6:
        return Leaf(nn.ReLU6())
    if least is None or most is None or least >= most:
        return None
    return Leaf(nn.Hardtanh(float(least), float(most)))


def _softmax(given: _Given) -> Leaf | None:
    over = given.node.op.endswith("Over")  # made of three nodes
    newer = given.opset >= 13 or over
    axis = given.attributes.get("axis", -1 if newer else 1)
    if not newer and axis not in (-1, given.rank - 1):
        return None
    return Leaf(nn.LogSoftmax(axis) if "Log" in given.node.op else nn.Softmax(axis))


def _hard_sigmoid(given: _Given) -> Leaf | None:
    alpha, beta = given.attributes.get("alpha", 0.2), given.attributes.get("beta", 0.5)
    return Leaf(nn.Hardsigmoid()) if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5 else None


def _resize(given: _Given) -> Leaf:
    return Leaf(Upsampling(Rule.of(given.attributes)), numbers=(2, 3))


def _with_weights(module: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Module:
    """A module of the meta device with the file's weights; no others are drawn first."""
    module.weight = nn.Parameter(weight.float())
    if bias is not None:
        module.bias = nn.Parameter(bias.float())
    return module.eval()


_NO_AUTO = ("NOTSET", "VALID")


def _padding(
    given: _Given, kernel: list[int], value: float = 0.0
) -> tuple[Ends, tuple[str, dict[str, Any]] | None]:
    """Padding, and what is done before if it depends on the size of the map."""
    attributes, ndim = given.attributes, len(kernel)
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic in _NO_AUTO:
        fixed = attributes.get("pads") if automatic == "NOTSET" else None
        return _ends(fixed or [0] * (2 * ndim)), None
    before = {
        "kernel": kernel,
        "stride": attributes.get("strides", [1] * ndim),
        "dilation": attributes.get("dilations", [1] * ndim),
        "upper": automatic == "SAME_UPPER",
        "value": value,
    }
    return [(0, 0)] * ndim, ("SamePad", before)


def _ends(pads: list[int]) -> Ends:
    return list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


def _around(ends: Ends) -> list[int]:
    """Padding of maps as the operation Pad has it, batch and channels included."""
    return [0, 0, *(a for a, _ in ends), 0, 0, *(b for _, b in ends)]


_CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_MAX_POOLS: dict[int, Any] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE_POOLS: dict[int, Any] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_ADAPTIVE_AVERAGE: dict[int, Any] = {
    1: nn.AdaptiveAvgPool1d,
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}
_ADAPTIVE_MAX: dict[int, Any] = {
    1: nn.AdaptiveMaxPool1d,
    2: nn.AdaptiveMaxPool2d,
    3: nn.AdaptiveMaxPool3d,
}
_BATCH_NORMS: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORMS: dict[int, Any] = {
    1: nn.InstanceNorm1d,
    2: nn.InstanceNorm2d,
    3: nn.InstanceNorm3d,
}


def _activation(make: Callable[[dict[str, Any]], nn.Module]) -> Callable[[_Given], Leaf]:
    return lambda given: Leaf(make(given.attributes))


_MAKERS: dict[str, Callable[[_Given], Leaf | None]] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Celu": _activation(lambda a: nn.CELU(a.get("alpha", 1.0))),
    "Clip": _clip,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Elu": _activation(lambda a: nn.ELU(a.get("alpha", 1.0))),
    "Gelu": _activation(lambda a: nn.GELU(a.get("approximate", "none"))),
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "GroupNorm": _group_norm,  # made of several nodes
    "GroupNormalization": _group_norm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _activation(lambda a: nn.Hardswish()),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _activation(lambda a: nn.LeakyReLU(a.get("alpha", 0.01))),
    "LogSoftmax": _softmax,
    "LogSoftmaxOver": _softmax,
    "MaxPool": _max_pool,
    "Mish": _activation(lambda a: nn.Mish()),
    "PRelu": _prelu,
    "Relu": _activation(lambda a: nn.ReLU()),
    "Resize": _resize,
    "SiLU": _activation(lambda a: nn.SiLU()),  # made of two nodes
    "Sigmoid": _activation(lambda a: nn.Sigmoid()),
    "Softmax": _softmax,
    "SoftmaxOver": _softmax,
    "Softplus": _activation(lambda a: nn.Softplus()),
    "Softsign": _activation(lambda a: nn.Softsign()),
    "Tanh": _activation(lambda a: nn.Tanh()),
}
MODULES = frozenset(_MAKERS)
