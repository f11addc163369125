"""Operations that compute values: functions of numbers and maps, reductions, matrices."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from .graphs import DTYPES
from .operations import Attributes, Function, Table, axes_of

ARITHMETIC = Table()
operation = ARITHMETIC.note

_PLAIN: dict[str, Any] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "And": torch.logical_and,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Equal": torch.eq,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "IsInf": torch.isinf,
    "IsNaN": torch.isnan,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Log": torch.log,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Or": torch.logical_or,
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Where": torch.where,
    "Xor": torch.logical_xor,
}


def _plain(function: Callable[..., Any]) -> Function:
    return Function(lambda attributes, *inputs: function(*inputs))


ARITHMETIC.update({name: _plain(function) for name, function in _PLAIN.items()})


@operation("Div")
def _divide(attributes: Attributes, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    whole = not (x.is_floating_point() or y.is_floating_point())
    return torch.div(x, y, rounding_mode="trunc") if whole else torch.div(x, y)


@operation("Mod")
def _modulo(attributes: Attributes, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.fmod(x, y) if attributes.get("fmod") else torch.remainder(x, y)


@operation("Sum")
def _sum(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return _pairwise(torch.add, inputs)


@operation("Max")
def _maximum(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return _pairwise(torch.maximum, inputs)


@operation("Min")
def _minimum(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return _pairwise(torch.minimum, inputs)


@operation("Mean")
def _mean(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.div(_pairwise(torch.add, inputs), len(inputs))


def _pairwise(
    function: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor]
) -> torch.Tensor:
    result = inputs[0]
    for other in inputs[1:]:
        result = function(result, other)
    return result


@operation("HardSigmoid")
def _hard_sigmoid(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return torch.clamp(x * alpha + beta, 0, 1)


@operation("PRelu")
def _prelu(attributes: Attributes, x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(x >= 0, x, x * slope)


@operation("Clip", numbers=(1, 2))
def _clip(
    attributes: Attributes, x: torch.Tensor, least: float | None = None, most: float | None = None
) -> torch.Tensor:
    return torch.clamp(x, attributes.get("min", least), attributes.get("max", most))


@operation("Softmax")
def _softmax(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    """As before version 13: over all axes from the given one."""
    return functional.softmax(_flat(attributes, x), dim=-1).reshape(x.shape)


@operation("LogSoftmax")
def _log_softmax(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return functional.log_softmax(_flat(attributes, x), dim=-1).reshape(x.shape)


def _flat(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return x.flatten(attributes.get("axis", 1) % x.ndim)


@operation("Cast")
def _cast(
    attributes: Attributes, x: torch.Tensor, like: torch.Tensor | None = None
) -> torch.Tensor:
    """Another type of numbers.

    All that is computed from the image stays in the type that the network computes in, which
    is that of ``like``; a cast to half precision and back rounds nothing.
    """
    dtype = DTYPES[attributes["to"]]
    if like is not None and dtype.is_floating_point:
        return x if x.is_floating_point() else x.to(like.dtype)
    return x.to(dtype)


def _reduction(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def run(
        attributes: Attributes, x: torch.Tensor, axes: list[int] | int | None = None
    ) -> torch.Tensor:
        wanted = axes_of(attributes, axes)
        if not wanted and attributes.get("noop_with_empty_axes"):
            return x
        keep = bool(attributes.get("keepdims", 1))
        return function(x, tuple(wanted) or tuple(range(x.ndim)), keepdim=keep)

    return run


def _product(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keepdim)
    return x


def _square_sum(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    return torch.sum(x * x, tuple(axes), keepdim=keepdim)


def _norm(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    return torch.sqrt(_square_sum(x, axes, keepdim))


def _absolute_sum(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    return torch.sum(torch.abs(x), tuple(axes), keepdim=keepdim)


_REDUCTIONS: dict[str, Any] = {
    "ReduceL1": _absolute_sum,
    "ReduceL2": _norm,
    "ReduceMax": torch.amax,
    "ReduceMean": torch.mean,
    "ReduceMin": torch.amin,
    "ReduceProd": _product,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": _square_sum,
}
for _name, _function in _REDUCTIONS.items():
    operation(_name, numbers=(1,))(_reduction(_function))


@operation("ArgMax")
def _argmax(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return x.argmax(attributes.get("axis", 0), keepdim=bool(attributes.get("keepdims", 1)))


@operation("ArgMin")
def _argmin(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return x.argmin(attributes.get("axis", 0), keepdim=bool(attributes.get("keepdims", 1)))


@operation("GroupNormalization")
def _group_norm(
    attributes: Attributes, x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """As before version 21: one weight for each group."""
    repeats = x.shape[1] // len(scale)
    return functional.group_norm(
        x,
        attributes["num_groups"],
        scale.repeat_interleave(repeats),
        bias.repeat_interleave(repeats),
        attributes.get("epsilon", 1e-5),
    )


@operation("Gemm")
def _gemm(
    attributes: Attributes, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    x = x.T if attributes.get("transA") else x
    weight = weight.T if attributes.get("transB") else weight
    result = torch.mul(torch.matmul(x, weight), attributes.get("alpha", 1.0))
    return result if bias is None else torch.add(result, bias, alpha=attributes.get("beta", 1.0))


@operation("Einsum")
def _einsum(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.einsum(attributes["equation"], *inputs)
