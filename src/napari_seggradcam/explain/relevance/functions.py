"""What each function of torch does with relevance, by its name.

A function with a rule of its own runs inside one of `nodes`; every other runs as it is. Of those,
the ones that only move values are right as they are, and `graph` finds the rest.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import NetworkError
from ...networks.running import memory_of, replace_tensor, tensors_in, version_of
from .gates import is_gate
from .nodes import Distribute, Distribution, Share
from .norms import NORMS
from .operations import Operation, Resampling, Sum, Weighted
from .rules import Rule

# What relevance does at a call: an operation, or the kind of a `Share`; and the inputs.
Step = tuple[Operation | str, list[torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a torch function.

    Attributes
    ----------
    name
        Without the marks of operators and of work in place.
    func, args, kwargs
        What was called, and with what.
    images
        Which of the tensors among the arguments come from the image.
    versions
        Of all tensors among the arguments, when the function was called.
    """

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    images: tuple[int, ...]
    versions: tuple[int, ...]

    @property
    def inputs(self) -> list[torch.Tensor]:
        """The tensors that come from the image."""
        given = tensors_in((self.args, self.kwargs))
        return [given[number] for number in self.images]

    def given(self, order: str) -> dict[str, Any]:
        """Arguments by name, given the names of the positional ones."""
        return dict(zip(order.split(), self.args, strict=False)) | self.kwargs

    def run(self) -> torch.Tensor:
        """What the function returns, in memory of its own."""
        result: torch.Tensor = self.func(*self.args, **self.kwargs)
        shared = any(memory_of(result) == memory_of(tensor) for tensor in self.inputs)
        return result.clone() if shared else result

    def run_with(self, number: int, value: torch.Tensor) -> torch.Tensor:
        """What it returns with another value of one tensor, and the rest held fixed."""
        both: Any = (self.args, self.kwargs)
        pairs = zip(tensors_in(both), self.versions, strict=True)
        for place, (tensor, version) in enumerate(pairs):
            if place != number and version_of(tensor) != version:
                raise NetworkError(
                    f"The network changes a tensor in place that its {self.name} was given, so "
                    "that the relevance of that can't be found. Choose another method."
                )
            both = replace_tensor(both, place, value if place == number else tensor.detach())
        result: torch.Tensor = self.func(*both[0], **both[1])
        return result


class Runner:
    """Runs the functions of a network so that a pass backward carries relevance.

    Parameters
    ----------
    rule
        For every linear operation, until it is changed.
    """

    def __init__(self, rule: Rule):
        self._rule = rule

    def __call__(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function, as `Taps.calls` wants it."""
        plain, in_place = _plain(name, func, args, kwargs)
        make = _MAKERS.get(plain)
        images = _from_image(args, kwargs)
        if make is None or not images:
            return func(*args, **kwargs)
        node: Any = (args, kwargs)
        changed = tensors_in(node)[0]
        if in_place:
            node = replace_tensor(node, 0, changed.clone())
        versions = tuple(version_of(tensor) for tensor in tensors_in(node))
        step = make(Call(plain, func, node[0], node[1], images, versions))
        if step is None:
            return func(*args, **kwargs)
        # What works in place gets a copy of its own, and the copy's content goes where it belongs.
        both = replace_tensor(node, 0, changed.detach().clone()) if in_place else node
        result = self._apply(step, Call(plain, func, both[0], both[1], images, versions).run)
        return changed.copy_(result) if in_place else result

    def _apply(self, step: Step, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        what, inputs = step
        # Torch does not say of what type the result of `apply` is.
        if isinstance(what, Operation):
            node: Any = Distribute, Distribution(what, self._rule)
        else:
            node = Share, what
        function, told = node
        result: torch.Tensor = function.apply(told, run, *inputs)
        return result


def _plain(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, bool]:
    """Name without marks, and whether the function works in place."""
    name = name.split(".")[0]  # overloads of aten, such as relu_.default
    if name in _OPERATORS:
        return _OPERATORS[name], name.startswith("__i")
    if name.endswith("_") and not name.endswith("__"):
        return name[:-1], True
    try:
        bound = inspect.signature(func).bind(*args, **kwargs)
    except (TypeError, ValueError):  # not written in Python, and then without such an argument
        return name, False
    return name, bool(bound.arguments.get("inplace", False))


def _from_image(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    given = enumerate(tensors_in((args, kwargs)))
    return tuple(number for number, tensor in given if tensor.requires_grad)


def _weighted(call: Call) -> Step | None:
    if call.images != (0,):  # a weight that comes from the image
        return None
    given = call.given("input weight bias")
    rest = {k: v for k, v in call.kwargs.items() if k not in ("input", "weight", "bias")}
    weight, bias = given["weight"], given.get("bias")

    def function(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = call.func(x, weight, None, *call.args[3:], **rest)
        return found

    if bias is not None and call.name != "linear":
        bias = bias.view(1, -1, *[1] * (weight.ndim - 2))
    return Weighted(function, weight, bias), call.inputs


def _product_of_matrices(call: Call) -> Step | None:
    given = tensors_in((call.args, call.kwargs))
    if len(given) != 2:
        return None
    if len(call.images) == 1:
        (image,) = call.images

        def function(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            pair = (x, weight) if image == 0 else (weight, x)
            both = replace_tensor(replace_tensor((call.args, call.kwargs), 0, pair[0]), 1, pair[1])
            found: torch.Tensor = call.func(*both[0], **both[1])
            return found

        return Weighted(function, given[1 - image], None), call.inputs
    gates = [number for number in (0, 1) if is_gate(given[number])]
    return _resampled(call, 1 - gates[0]) if len(gates) == 1 else None


def _attention(call: Call) -> Step | None:
    """Values, weighted by what a softmax has made of queries and keys."""
    return _resampled(call, 2) if 2 in call.images else None


def _norm(call: Call) -> Step | None:
    if call.images != (0,):
        return None
    names, affine = NORMS[call.name]
    given = call.given(f"input {names}")
    x = call.inputs[0].detach()
    with torch.no_grad():
        scale, shift = affine(x, given)
    return Sum([scale], shift), call.inputs


def _activation(call: Call) -> Step | None:
    return (call.name, call.inputs) if call.images == (0,) else None


def _clamp(call: Call) -> Step | None:
    given = call.given("input min max")
    both = given.get("min") is not None and given.get("max") is not None
    return ("hardtanh" if both else "clamp", call.inputs) if call.images == (0,) else None


def _resampling(call: Call) -> Step | None:
    return _resampled(call, 0) if call.images == (0,) else None


def _resampled(call: Call, number: int) -> Step:
    given = tensors_in((call.args, call.kwargs))
    return Resampling(lambda x: call.run_with(number, x)), [given[number]]


def _interpolation(call: Call) -> Step | None:
    mode = call.given("input size scale_factor mode").get("mode", "nearest")
    return _resampling(call) if mode in ("area", "bilinear", "linear", "trilinear") else None


def _sampling(call: Call) -> Step | None:
    mode = call.given("input grid mode").get("mode", "bilinear")
    return _resampling(call) if mode in ("bilinear", "nearest") else None


def _sum(call: Call) -> Step | None:
    given = call.given("input other alpha")
    if "out" in given:
        return None
    alpha = given.get("alpha", 1)
    first, second = {"add": (1, alpha), "sub": (1, -alpha), "rsub": (-alpha, 1)}[call.name]
    coefficients, constants = [], []
    for coefficient, value in ((first, given["input"]), (second, given["other"])):
        if isinstance(value, torch.Tensor) and value.requires_grad:
            coefficients.append(coefficient)
        else:
            like = call.inputs[0]
            value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
            constants.append(coefficient * value)
    return Sum(coefficients, constants[0] if constants else None), call.inputs


def _product(call: Call) -> Step | None:
    """A factor that is fixed changes nothing; nor does a gate, which only weights the other.

    Two factors of one kind get half of the relevance each (the uniform rule of R. Achtibat et al.:
    AttnLRP, ICML 2024).
    """
    signals = [x for x in call.inputs if not is_gate(x)]
    return "mul", signals or call.inputs


def _quotient(call: Call) -> Step | None:
    """The denominator is held fixed, as in a norm."""
    plain = call.images[0] == 0 and not call.given("input other rounding_mode").get("rounding_mode")
    return ("div", call.inputs[:1]) if plain else None


_OPERATORS = {
    "__add__": "add",
    "__iadd__": "add",
    "__imul__": "mul",
    "__isub__": "sub",
    "__itruediv__": "div",
    "__matmul__": "matmul",
    "__mul__": "mul",
    "__neg__": "neg",
    "__radd__": "add",
    "__rmul__": "mul",
    "__rsub__": "rsub",
    "__sub__": "sub",
    "__truediv__": "div",
}
_ACTIVATIONS = (
    *("celu", "clamp_min", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu"),
    *("mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign"),
    *("tanh", "threshold"),
)
_POOLINGS = (
    *(f"{kind}{ndim}d" for kind in ("adaptive_avg_pool", "avg_pool") for ndim in (1, 2, 3)),
    *("fold", "mean", "sum", "upsample_bilinear2d", "upsample_linear1d", "upsample_trilinear3d"),
)
_MAKERS: dict[str, Callable[[Call], Step | None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "linear"), _weighted),
    **{f"conv_transpose{ndim}d": _weighted for ndim in (1, 2, 3)},
    **dict.fromkeys(("bmm", "matmul", "mm"), _product_of_matrices),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(NORMS, _norm),
    **dict.fromkeys((*_ACTIVATIONS, "neg"), _activation),
    "clamp": _clamp,
    **dict.fromkeys(_POOLINGS, _resampling),
    **dict.fromkeys(("interpolate", "upsample"), _interpolation),
    "grid_sample": _sampling,
    **dict.fromkeys(("add", "sub", "rsub"), _sum),
    "mul": _product,
    "div": _quotient,
}
