"""Operations that are no modules, as torch functions.

A function takes the node's attributes and its inputs. Some inputs are tensors; others say how,
such as a shape or the ends of a slice, and come as numbers and lists of them, because they are
never taken from the image. Functions with names that the package's engine knows (``add``, ``mul``,
``cat``, ``pad``, ``__getitem__``) are used where there is a choice.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from .graphs import DTYPES

Attributes = dict[str, Any]
# A file of a few bytes could ask for any amount of memory.
_MOST = 2**28


@dataclass(frozen=True)
class Function:
    """An operation.

    Attributes
    ----------
    run
        Takes attributes and inputs, and returns a tensor or several.
    numbers
        Which inputs come as numbers.
    """

    run: Callable[..., Any]
    numbers: frozenset[int] = frozenset()


FUNCTIONS: dict[str, Function] = {}


def operation(*names: str, numbers: Sequence[int] = ()) -> Callable[[Any], Any]:
    """Put a function into the table."""

    def note(run: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            FUNCTIONS[name] = Function(run, frozenset(numbers))
        return run

    return note


def _plain(name: str, function: Callable[..., Any]) -> None:
    FUNCTIONS[name] = Function(lambda attributes, *inputs: function(*inputs))


for _name, _function in {
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
}.items():
    _plain(_name, _function)


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


@operation("Concat")
def _concatenate(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat(inputs, dim=attributes["axis"])


@operation("ConstantOfShape", numbers=(0,))
def _constant_of_shape(attributes: Attributes, shape: list[int]) -> torch.Tensor:
    value = attributes.get("value", torch.zeros(1))
    return torch.full(_bounded(shape), value.item(), dtype=value.dtype)


@operation("Shape")
def _shape(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")])


@operation("Size")
def _size(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return torch.tensor(x.numel())


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


@operation("Gather", numbers=(1,))
def _gather(attributes: Attributes, x: torch.Tensor, index: int | list[Any]) -> torch.Tensor:
    axis = attributes.get("axis", 0) % x.ndim
    if isinstance(index, int):
        return x.select(axis, index)
    # Known indices are looked up, also where the tensor that they are looked up in has no data.
    wanted = torch.tensor(index, dtype=torch.int64)
    wanted = torch.where(wanted < 0, wanted + x.shape[axis], wanted).to(x.device)
    rows = torch.index_select(x, axis, wanted.flatten())
    return rows.reshape(*x.shape[:axis], *wanted.shape, *x.shape[axis + 1 :])


@operation("Unsqueeze", numbers=(1,))
def _unsqueeze(
    attributes: Attributes, x: torch.Tensor, axes: list[int] | int | None = None
) -> torch.Tensor:
    wanted = _axes(attributes, axes)
    ndim = x.ndim + len(wanted)
    for axis in sorted(axis % ndim for axis in wanted):
        x = x.unsqueeze(axis)
    return x


@operation("Squeeze", numbers=(1,))
def _squeeze(
    attributes: Attributes, x: torch.Tensor, axes: list[int] | int | None = None
) -> torch.Tensor:
    if axes is None and "axes" not in attributes:
        return x.squeeze()
    for axis in sorted((axis % x.ndim for axis in _axes(attributes, axes)), reverse=True):
        x = x.squeeze(axis)
    return x


@operation("Reshape", numbers=(1,))
def _reshape(attributes: Attributes, x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    as_is = not attributes.get("allowzero")
    return x.reshape([x.shape[i] if n == 0 and as_is else n for i, n in enumerate(shape)])


@operation("Flatten")
def _flatten(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    axis = attributes.get("axis", 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


@operation("Transpose")
def _transpose(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return x.permute(attributes.get("perm") or tuple(reversed(range(x.ndim))))


@operation("Expand", numbers=(1,))
def _expand(attributes: Attributes, x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, _bounded(shape)))


@operation("Tile", numbers=(1,))
def _tile(attributes: Attributes, x: torch.Tensor, repeats: list[int]) -> torch.Tensor:
    _bounded([n * r for n, r in zip(x.shape, repeats, strict=True)])
    return x.repeat(repeats)


@operation("Range")
def _range(
    attributes: Attributes, start: torch.Tensor, stop: torch.Tensor, step: torch.Tensor
) -> torch.Tensor:
    first, last, distance = start.item(), stop.item(), step.item()
    _bounded([math.ceil((last - first) / distance)])
    return torch.arange(first, last, distance, dtype=start.dtype)


@operation("Slice", numbers=(1, 2, 3, 4))
def _slice(
    attributes: Attributes,
    x: torch.Tensor,
    starts: list[int] | int,
    ends: list[int] | int,
    axes: list[int] | int | None = None,
    steps: list[int] | int | None = None,
) -> torch.Tensor:
    first, last = as_list(starts), as_list(ends)
    along = list(range(len(first))) if axes is None else as_list(axes)
    by = [1] * len(first) if steps is None else as_list(steps)
    index = [slice(None)] * x.ndim
    backwards = []
    for start, end, axis, step in zip(first, last, along, by, strict=True):
        axis %= x.ndim
        if step > 0:
            index[axis] = slice(start, end, step)
        else:  # torch slices forwards only
            positions = range(x.shape[axis])[start:end:step]
            index[axis] = slice(positions[-1], positions[0] + 1, -step) if positions else slice(0)
            backwards.append(axis)
    x = x[tuple(index)]
    return x.flip(backwards) if backwards else x


@operation("Split", numbers=(1,))
def _split(
    attributes: Attributes, x: torch.Tensor, sizes: list[int] | int | None = None
) -> tuple[torch.Tensor, ...]:
    axis = attributes.get("axis", 0)
    wanted = as_list(sizes) if sizes is not None else attributes.get("split")
    if wanted:
        return torch.split(x, wanted, axis)
    return torch.split(x, -(-x.shape[axis] // attributes["outputs"]), axis)


@operation("Pad", numbers=(1, 2, 3))
def _pad(
    attributes: Attributes,
    x: torch.Tensor,
    pads: list[int] | None = None,
    value: float | list[float] | None = None,
    axes: list[int] | None = None,
) -> torch.Tensor:
    pads = attributes["pads"] if pads is None else pads
    along = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes]
    ends = [(0, 0)] * x.ndim
    for number, axis in enumerate(along):
        ends[axis] = pads[number], pads[number + len(along)]
    mode = attributes.get("mode", "constant")
    if mode == "constant":
        fill = attributes.get("value", 0.0) if value is None else as_list(value)[0]
        return functional.pad(x, _last_first(ends), value=fill)
    if any(before or after for before, after in ends[:2]):
        raise ValueError(f"torch can't pad batch and channels with the mode {mode!r}")
    name = {"edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode]
    return functional.pad(x, _last_first(ends[2:]), mode=name)


@operation("SamePad")
def _same_pad(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    """What a convolution or pooling with ``auto_pad`` needs around its input."""
    ends = []
    geometry = (attributes[name] for name in ("kernel", "stride", "dilation"))
    for n, k, s, d in zip(x.shape[2:], *geometry, strict=True):
        missing = max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less, more = missing // 2, missing - missing // 2
        ends.append((less, more) if attributes["upper"] else (more, less))
    return functional.pad(x, _last_first(ends), value=attributes["value"])


@operation("Crop")
def _crop(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    """Without some positions at the ends of the spatial axes, as (before, after)."""
    sides = zip(attributes["ends"], x.shape[2:], strict=True)
    return x[(..., *(slice(before, n - after) for (before, after), n in sides))]


def _reduction(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def run(
        attributes: Attributes, x: torch.Tensor, axes: list[int] | int | None = None
    ) -> torch.Tensor:
        wanted = _axes(attributes, axes)
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
    return torch.sum(x * x, axes, keepdim=keepdim)


def _norm(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    return torch.sqrt(_square_sum(x, axes, keepdim))


def _absolute_sum(x: torch.Tensor, axes: Sequence[int], keepdim: bool) -> torch.Tensor:
    return torch.sum(torch.abs(x), axes, keepdim=keepdim)


for _name, _function in {
    "ReduceL1": _absolute_sum,
    "ReduceL2": _norm,
    "ReduceMax": torch.amax,
    "ReduceMean": torch.mean,
    "ReduceMin": torch.amin,
    "ReduceProd": _product,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": _square_sum,
}.items():
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
    result = attributes.get("alpha", 1.0) * torch.matmul(x, weight)
    return result if bias is None else result + attributes.get("beta", 1.0) * bias


@operation("Einsum")
def _einsum(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.einsum(attributes["equation"], *inputs)


@operation("DepthToSpace")
def _depth_to_space(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    block = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "DCR":  # blocks outermost; torch has them innermost
        batch, channels, height, width = x.shape
        x = x.reshape(batch, block * block, -1, height, width).transpose(1, 2)
        x = x.reshape(batch, channels, height, width)
    return functional.pixel_shuffle(x, block)


@operation("GridSample")
def _grid_sample(attributes: Attributes, x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    mode = attributes.get("mode", "linear")
    return functional.grid_sample(
        x,
        grid,
        mode={"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode),
        padding_mode=attributes.get("padding_mode", "zeros"),
        align_corners=bool(attributes.get("align_corners", 0)),
    )


def as_list(value: Any) -> list[Any]:
    """A list of numbers, also of one that comes alone."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _axes(attributes: Attributes, axes: list[int] | int | None) -> list[int]:
    return as_list(attributes.get("axes", []) if axes is None else axes)


def _last_first(ends: Sequence[tuple[int, int]]) -> list[int]:
    """Ends of all axes in torch's order: the last axis first."""
    return [n for pair in reversed(ends) for n in pair]


def _bounded(shape: list[int]) -> list[int]:
    if math.prod(shape) > _MOST:
        raise ValueError(f"a tensor of shape {shape} is too large")
    return shape
