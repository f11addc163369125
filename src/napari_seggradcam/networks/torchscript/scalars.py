"""Operations of TorchScript on numbers, strings, lists, tuples and dicts, in Python.

TorchScript's semantics are Python's where a name is listed here.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...errors import NetworkError

Function = Callable[..., Any]

# TorchScript holds types of tensors as these numbers.
DTYPES: dict[int, torch.dtype] = {
    0: torch.uint8,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.int64,
    5: torch.float16,
    6: torch.float32,
    7: torch.float64,
    8: torch.complex32,
    9: torch.complex64,
    10: torch.complex128,
    11: torch.bool,
    15: torch.bfloat16,
}
_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}


def dtype_number(tensor: torch.Tensor) -> int:
    """Number under which TorchScript knows a tensor's type."""
    return _NUMBERS[tensor.dtype]


def _append(items: list[Any], item: Any) -> list[Any]:
    items.append(item)
    return items


def _set_item(items: Any, key: Any, value: Any) -> Any:
    items[key] = value
    return items


def _delete(items: Any, key: Any) -> None:
    del items[key]


def _extend(items: list[Any], more: list[Any]) -> list[Any]:
    items += more
    return items


def _unwrap(value: Any) -> Any:
    if value is None:
        raise NetworkError("The TorchScript network unwraps an optional value that is None.")
    return value


def _refuse(message: Any = "", *others: Any) -> None:
    raise NetworkError(f"The TorchScript network raised an error: {message}")


def _nothing(*values: Any) -> None:
    return None


def _first(value: Any, *others: Any) -> Any:
    return value


def _as_tensor(
    value: Any,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype, device=device, requires_grad=requires_grad)


def _implicit(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def _range_length(start: int, stop: int, step: int) -> int:
    return len(range(start, stop, step))


ANY: Mapping[str, Function] = {
    "aten::Bool": bool,
    "aten::Float": float,
    "aten::FloatImplicit": float,
    "aten::Int": int,
    "aten::IntImplicit": int,
    "aten::ScalarImplicit": _implicit,
    "aten::__derive_index": lambda index, start, step: start + index * step,
    "aten::__is__": operator.is_,
    "aten::__isnot__": operator.is_not,
    "aten::__range_length": _range_length,
    "aten::_unwrap_optional": _unwrap,
    "aten::device": torch.device,
    "aten::dict": dict,
    "aten::dim": torch.Tensor.dim,
    "aten::format": lambda text, *values: text.format(*values),
    "aten::is_scripting": lambda: True,
    "aten::list": list,
    "aten::percentFormat": lambda text, *values: text % values,
    "aten::size": lambda tensor, *axis: (
        tensor.size(*axis) if axis else list(torch.Tensor.size(tensor))
    ),
    "aten::str": str,
    "aten::tensor": _as_tensor,
    "aten::warn": _nothing,
    "prim::DictConstruct": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
    "prim::ListConstruct": lambda *items: list(items),
    "prim::NumToTensor": torch.tensor,
    "prim::Print": _nothing,
    "prim::RaiseException": _refuse,
    "prim::TupleConstruct": lambda *items: items,
    "prim::TupleIndex": operator.getitem,
    "prim::Uninitialized": _nothing,
    "prim::abs": abs,
    "prim::device": lambda tensor: tensor.device,
    "prim::dtype": dtype_number,
    "prim::is_cpu": lambda tensor: tensor.is_cpu,
    "prim::is_cuda": lambda tensor: tensor.is_cuda,
    "prim::is_meta": lambda tensor: tensor.is_meta,
    "prim::is_mps": lambda tensor: tensor.is_mps,
    "prim::is_nested": lambda tensor: tensor.is_nested,
    "prim::is_quantized": lambda tensor: tensor.is_quantized,
    "prim::is_sparse": lambda tensor: tensor.is_sparse,
    "prim::layout": _nothing,  # there is but one that networks use
    "prim::max": max,
    "prim::min": min,
    "prim::rangelist": lambda n: list(range(n)),
    "prim::requires_grad": lambda tensor: tensor.requires_grad,
    "prim::shape": lambda tensor: list(tensor.shape),
    "prim::tolist": lambda tensor, *types: tensor.tolist(),
    "prim::unchecked_cast": _first,
    "prim::unchecked_unwrap_optional": _first,
}
"""Whatever the arguments are."""

CONTAINERS: Mapping[str, Function] = {
    "aten::Delete": _delete,
    "aten::__contains__": operator.contains,
    "aten::__getitem__": operator.getitem,
    "aten::_set_item": _set_item,
    "aten::add": operator.add,
    "aten::add_": _extend,
    "aten::append": _append,
    "aten::clear": lambda items: items.clear(),
    "aten::copy": lambda items: items.copy(),
    "aten::count": lambda items, value: items.count(value),
    "aten::eq": operator.eq,
    "aten::endswith": lambda text, end: text.endswith(end),
    "aten::extend": lambda items, more: items.extend(more),
    "aten::get": lambda items, key, otherwise=None: items.get(key, otherwise),
    "aten::index": lambda items, value: items.index(value),
    "aten::insert": lambda items, at, value: items.insert(at, value),
    "aten::items": lambda items: list(items.items()),
    "aten::keys": list,
    "aten::len": len,
    "aten::mul": operator.mul,
    "aten::ne": operator.ne,
    "aten::pop": lambda items, *arguments: items.pop(*arguments),
    "aten::reverse": lambda items: items.reverse(),
    "aten::slice": lambda items, start, stop, step=1: items[start:stop:step],
    "aten::startswith": lambda text, start: text.startswith(start),
    "aten::values": lambda items: list(items.values()),
}
"""Where the first argument is a list, tuple, dict or string."""

NUMBERS: Mapping[str, Function] = {
    "aten::__and__": operator.and_,
    "aten::__not__": operator.not_,
    "aten::__or__": operator.or_,
    "aten::__xor__": operator.xor,
    "aten::add": operator.add,
    "aten::ceil": math.ceil,
    "aten::div": operator.truediv,
    "aten::eq": operator.eq,
    "aten::floor": math.floor,
    "aten::floordiv": operator.floordiv,
    "aten::ge": operator.ge,
    "aten::gt": operator.gt,
    "aten::le": operator.le,
    "aten::lt": operator.lt,
    "aten::mul": operator.mul,
    "aten::ne": operator.ne,
    "aten::neg": operator.neg,
    "aten::remainder": operator.mod,
    "aten::sqrt": math.sqrt,
    "aten::sub": operator.sub,
}
"""Where no argument holds a tensor."""
