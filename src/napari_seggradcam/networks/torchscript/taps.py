"""Convolutions of TorchScript as the modules that they were, and modules for frozen networks."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from .compiling import Tapped
from .programs import walk

Function = Callable[..., Any]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# Names of the arguments behind input, weight and bias, by kind of node.
_FORWARD = ("stride", "padding", "dilation", "groups")
_BACKWARD = ("stride", "padding", "output_padding", "groups", "dilation")
_BOTH = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "aten::_convolution": _BOTH,
    "aten::convolution": _BOTH,
    "aten::_convolution_mode": _FORWARD,
    **{f"aten::conv{n}d": _FORWARD for n in (1, 2, 3)},
    **{f"aten::conv_transpose{n}d": _BACKWARD for n in (1, 2, 3)},
}

# What else is a module in most networks, by kind of node.
_CLASSES = {
    "adaptive_avg_pool": "AdaptiveAvgPool",
    "adaptive_max_pool": "AdaptiveMaxPool",
    "avg_pool": "AvgPool",
    "batch_norm": "BatchNorm",
    "celu": "CELU",
    "elu": "ELU",
    "gelu": "GELU",
    "group_norm": "GroupNorm",
    "hardsigmoid": "Hardsigmoid",
    "hardswish": "Hardswish",
    "hardtanh": "Hardtanh",
    "instance_norm": "InstanceNorm",
    "leaky_relu": "LeakyReLU",
    "log_softmax": "LogSoftmax",
    "max_pool": "MaxPool",
    "mish": "Mish",
    "pixel_shuffle": "PixelShuffle",
    "prelu": "PReLU",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "selu": "SELU",
    "sigmoid": "Sigmoid",
    "silu": "SiLU",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "tanh": "Tanh",
    "upsample_bicubic": "Upsample",
    "upsample_bilinear": "Upsample",
    "upsample_linear": "Upsample",
    "upsample_nearest": "Upsample",
    "upsample_trilinear": "Upsample",
}


def plain_convolution(scripted: Any) -> nn.Module | None:
    """The convolution of torch that a ScriptModule is, sharing its parameters; else None.

    It is one if it has no children, and its forward is one call of a convolution with its own
    weight and bias.
    """
    methods = set(scripted._c._method_names())
    if "forward" not in methods or methods - {"forward", "_conv_forward"}:
        return None
    if next(scripted.children(), None) is not None:
        return None
    graph = scripted._c._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    found, known = [], {"prim::Constant", "prim::GetAttr", "prim::ListConstruct"}
    for node in walk(graph):
        if node.kind() in _OPTIONS:
            found.append(node)
        elif node.kind() not in known:
            return None
    own, *given = graph.inputs()
    results = [value.unique() for value in graph.outputs()]
    if len(found) != 1 or len(given) != 1 or results != [found[0].output().unique()]:
        return None
    image, weight, bias = list(found[0].inputs())[:3]
    if image.unique() != given[0].unique() or _attribute(weight, own) != "weight":
        return None
    parameters = dict(scripted.named_parameters())
    if set(parameters) - {"weight", "bias"} or set(dict(scripted.named_buffers())):
        return None
    held = parameters.get("bias")
    if _attribute(bias, own) != "bias" and not (held is None and bias.node().mustBeNone()):
        return None
    return _convolution(found[0], parameters["weight"], held)


def _attribute(value: Any, own: Any) -> str | None:
    node = value.node()
    if node.kind() != "prim::GetAttr" or next(node.inputs()).unique() != own.unique():
        return None
    name: str = node.s("name")
    return name


def _convolution(node: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Module | None:
    """Module of a convolution; None where its options are not constant."""
    options: dict[str, Any] = {}
    for name, value in zip(_OPTIONS[node.kind()], list(node.inputs())[3:], strict=False):
        options[name] = _constant(value)
        if options[name] is None:
            return None
    ndim = weight.ndim - 2
    transposed = options.pop("transposed", "transpose" in node.kind())
    if not transposed:
        options.pop("output_padding", None)
    make: Any = (_TRANSPOSED if transposed else _CONVOLUTIONS)[ndim - 1]
    for name in ("stride", "padding", "dilation", "output_padding"):
        if isinstance(options.get(name), list):
            options[name] = tuple(options[name]) * (ndim if len(options[name]) == 1 else 1)
    first, second = weight.shape[:2]
    channels = (
        (first, second * options["groups"])
        if transposed
        else (
            second * options["groups"],
            first,
        )
    )
    module: nn.Module = make(
        *channels, tuple(weight.shape[2:]), bias=bias is not None, device="meta", **options
    )
    module.weight = nn.Parameter(weight.detach(), weight.requires_grad)
    if bias is not None:
        module.bias = nn.Parameter(bias.detach(), bias.requires_grad)
    return module


def _constant(value: Any) -> Any:
    """A value that stands in the graph, alone or in a list; else None."""
    node = value.node()
    if node.kind() == "prim::Constant":
        return value.toIValue()
    if node.kind() != "prim::ListConstruct":
        return None
    items = [_constant(item) for item in node.inputs()]
    return None if any(item is None for item in items) else items


class Operation(nn.Module):
    """One operation of a frozen network; its class has the name of the module that it was."""

    def __init__(self, function: Function):
        super().__init__()
        self.function = function

    def forward(self, *values: Any) -> Any:
        """What the operation gives."""
        return self.function(*values)


@cache
def _class_named(name: str) -> type[Operation]:
    return type(name, (Operation,), {"__module__": __name__})


class Taps:
    """Makes modules of the operations of a network that has none.

    Parameters
    ----------
    module
        The network's mirror, which gets the modules.
    """

    def __init__(self, module: nn.Module):
        self._module = module
        self._counts: Counter[str] = Counter()

    def tap(self, node: Any, function: Function) -> Tapped | None:
        """The module that is called for a node, as `compile_method` asks for it."""
        if node.kind() in _OPTIONS:
            weight, bias = (self._tensor(value) for value in list(node.inputs())[1:3])
            known = weight is not None and (bias is not None or self._is_none(node))
            made = _convolution(node, weight, bias) if weight is not None and known else None
            if made is not None:
                return Tapped(self._add(made), 1)
        name = _class_name(node)
        return None if name is None else Tapped(self._add(_class_named(name)(function)))

    @staticmethod
    def _tensor(value: Any) -> torch.Tensor | None:
        found = value.toIValue() if value.node().kind() == "prim::Constant" else None
        return found if isinstance(found, torch.Tensor) else None

    @staticmethod
    def _is_none(node: Any) -> bool:
        return bool(list(node.inputs())[2].node().mustBeNone())

    def _add(self, made: nn.Module) -> str:
        kind = type(made).__name__.lower()
        number, self._counts[kind] = self._counts[kind], self._counts[kind] + 1
        self._module.add_module(f"{kind}_{number}", made)
        return f"{kind}_{number}"


def _class_name(node: Any) -> str | None:
    """Name of the module class for a kind of node."""
    kind = node.kind()
    if kind in _OPTIONS:
        ndim = len(_constant(list(node.inputs())[3]) or (0, 0))
        return f"Conv{'Transpose' if 'transpose' in kind else ''}{ndim}d"
    name = kind.partition("::")[2].strip("_").removesuffix("_exact")
    digits = name[-2:] if name[-2:] in ("1d", "2d", "3d") else ""
    found = _CLASSES.get(name.removesuffix(digits))
    return None if found is None else found if found == "Upsample" else found + digits
