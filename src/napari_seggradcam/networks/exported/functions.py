"""torch's operations in a graph of `torch.export`, as the functions that people call.

A graph calls ``aten.conv2d.default``. The package's engine knows ``conv2d``: it counts activations
and joins, finds skips and replays convolutions by the names of `torch.nn.functional`. What is not
in the table stays as it is, and is computed as before.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.nn import functional

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def use_functions(graph: fx.Graph) -> None:
    """Call functions instead of operations; changes the graph."""
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        make = _CALLS.get(_name_of(node.target))
        if make is None:
            continue
        # Arguments that the graph leaves out have the operation's defaults.
        schema = node.target._schema.arguments
        given = {a.name: a.default_value for a in schema if a.has_default_value()}
        given |= dict(zip((a.name for a in schema), node.args, strict=False))
        given |= node.kwargs
        node.target, node.args, node.kwargs = make(given)


def _name_of(operation: "torch._ops.OpOverload") -> str:
    """Such as ``"relu"``; what works in place becomes what does not."""
    namespace, name = operation._schema.name.split("::")
    return name.rstrip("_") if namespace == "aten" else ""


def _plain(function: Callable[..., Any], *names: str) -> Callable[[dict[str, Any]], Call]:
    """The same arguments, as far as the function takes them, in the order of their names."""
    return lambda given: (function, tuple(given[name] for name in names), {})


def _batch_norm(given: dict[str, Any]) -> Call:
    order = ("input", "running_mean", "running_var", "weight", "bias", "training")
    rest = {"momentum": given["momentum"], "eps": given["eps"]}
    return functional.batch_norm, tuple(given[name] for name in order), rest


def _instance_norm(given: dict[str, Any]) -> Call:
    order = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats")
    rest = {"momentum": given["momentum"], "eps": given["eps"]}
    return functional.instance_norm, tuple(given[name] for name in order), rest


def _max_pool(function: Callable[..., Any]) -> Callable[[dict[str, Any]], Call]:
    def make(given: dict[str, Any]) -> Call:
        order = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        values = {name: given[name] or None if name == "stride" else given[name] for name in order}
        return function, (given["self"],), values

    return make


def _add(given: dict[str, Any]) -> Call:
    alpha = given.get("alpha", 1)
    return torch.add, (given["self"], given["other"]), {} if alpha == 1 else {"alpha": alpha}


def _interpolation(mode: str) -> Callable[[dict[str, Any]], Call]:
    def make(given: dict[str, Any]) -> Call:
        size = given.get("output_size")
        factors = given.get("scale_factors")
        options: dict[str, Any] = {"mode": mode}
        options |= {"size": size} if size is not None else {"scale_factor": factors}
        if mode not in ("nearest", "nearest-exact"):
            options["align_corners"] = given["align_corners"]
        return functional.interpolate, (given["input"],), options

    return make


def _slice(given: dict[str, Any]) -> Call:
    part = slice(given["start"], given["end"], given["step"])
    return operator.getitem, (given["self"], (*[slice(None)] * given["dim"], part)), {}


_CONVOLVED = ("input", "weight", "bias", "stride", "padding")
_CALLS: dict[str, Callable[[dict[str, Any]], Call]] = {
    **{
        f"conv{n}d": _plain(getattr(functional, f"conv{n}d"), *_CONVOLVED, "dilation", "groups")
        for n in (1, 2, 3)
    },
    **{
        f"conv_transpose{n}d": _plain(
            getattr(functional, f"conv_transpose{n}d"),
            *_CONVOLVED,
            "output_padding",
            "groups",
            "dilation",
        )
        for n in (1, 2, 3)
    },
    **{f"max_pool{n}d": _max_pool(getattr(functional, f"max_pool{n}d")) for n in (1, 2, 3)},
    "add": _add,
    "batch_norm": _batch_norm,
    "cat": _plain(torch.cat, "tensors", "dim"),
    "dropout": _plain(functional.dropout, "input", "p", "train"),
    "elu": _plain(functional.elu, "self", "alpha"),
    "gelu": _plain(lambda x, kind: functional.gelu(x, approximate=kind), "self", "approximate"),
    "group_norm": _plain(functional.group_norm, "input", "num_groups", "weight", "bias", "eps"),
    "hardswish": _plain(functional.hardswish, "self"),
    "instance_norm": _instance_norm,
    "layer_norm": _plain(
        functional.layer_norm, "input", "normalized_shape", "weight", "bias", "eps"
    ),
    "leaky_relu": _plain(functional.leaky_relu, "self", "negative_slope"),
    "log_softmax": _plain(torch.log_softmax, "self", "dim"),
    "mish": _plain(functional.mish, "self"),
    "mul": _plain(torch.mul, "self", "other"),
    "pad": _plain(functional.pad, "self", "pad", "mode", "value"),
    "prelu": _plain(torch.prelu, "self", "weight"),
    "relu": _plain(functional.relu, "self"),
    "relu6": _plain(functional.relu6, "self"),
    "sigmoid": _plain(torch.sigmoid, "self"),
    "silu": _plain(functional.silu, "self"),
    "slice": _slice,
    "softmax": _plain(torch.softmax, "self", "dim"),
    "tanh": _plain(torch.tanh, "self"),
    "upsample_bicubic2d": _interpolation("bicubic"),
    "upsample_bilinear2d": _interpolation("bilinear"),
    "upsample_linear1d": _interpolation("linear"),
    "upsample_nearest1d": _interpolation("nearest"),
    "upsample_nearest2d": _interpolation("nearest"),
    "upsample_nearest3d": _interpolation("nearest"),
    "upsample_trilinear3d": _interpolation("trilinear"),
}
