"""Operations that move values: shapes, parts, joins, padding, sampling."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from .operations import Attributes, Table, as_list, axes_of

SHAPING = Table()
operation = SHAPING.note

# A file of a few bytes could ask for any amount of memory.
_MOST = 2**28


@operation("Concat")
def _concatenate(attributes: Attributes, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat(inputs, dim=attributes["axis"])


@operation("ConstantOfShape", numbers=(0,))
def _constant_of_shape(attributes: Attributes, shape: list[int]) -> torch.Tensor:
    value = attributes.get("value", torch.zeros(1))
    return torch.full(_bounded(shape), value.item(), dtype=value.dtype)


@operation("Shape")
def _shape(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    sizes = x.shape[attributes.get("start", 0) : attributes.get("end")]
    return torch.tensor(sizes, dtype=torch.int64)  # also of none


@operation("Size")
def _size(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    return torch.tensor(x.numel())


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
    wanted = axes_of(attributes, axes)
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
    for axis in sorted((axis % x.ndim for axis in axes_of(attributes, axes)), reverse=True):
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
    return torch.broadcast_to(x, _common(x.shape, _bounded(shape)))


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
    index = [slice(None), slice(None)]
    index += [slice(before, n - after) for (before, after), n in sides]
    return x[tuple(index)]


@operation("DepthToSpace")
def _depth_to_space(attributes: Attributes, x: torch.Tensor) -> torch.Tensor:
    block = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "DCR":  # blocks outermost; torch has them innermost
        batch, channels, height, width = x.shape
        x = x.reshape(batch, block * block, -1, height, width).transpose(1, 2)
        x = x.reshape(batch, channels, height, width)
    return functional.pixel_shuffle(x, block)


_SAMPLING = {"linear": "bilinear", "cubic": "bicubic"}


@operation("GridSample")
def _grid_sample(attributes: Attributes, x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    mode: str = attributes.get("mode", "linear")
    return functional.grid_sample(
        x,
        grid,
        mode=_SAMPLING.get(mode, mode),
        padding_mode=attributes.get("padding_mode", "zeros"),
        align_corners=bool(attributes.get("align_corners", 0)),
    )


def _common(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Shape of two tensors together, where one of them may be repeated."""
    ndim = max(len(first), len(second))
    pairs = (([1] * (ndim - len(s)) + list(s)) for s in (first, second))
    return [b if a == 1 else a for a, b in zip(*pairs, strict=True)]


def _last_first(ends: Sequence[tuple[int, int]]) -> list[int]:
    """Ends of all axes in torch's order: the last axis first."""
    return [n for pair in reversed(ends) for n in pair]


def _bounded(shape: list[int]) -> list[int]:
    if math.prod(shape) > _MOST:
        raise ValueError(f"a tensor of shape {shape} is too large")
    return shape
