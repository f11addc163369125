"""Which step of a tape a call of a torch function is, if it is one that is known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..networks.running import replace_tensor, tensors_in
from .convolutions import CONVOLUTIONS, Convolution
from .patches import Sizes
from .steps import (
    Concatenate,
    Convolve,
    MaxPool,
    Narrow,
    Pointwise,
    Rectify,
    Resize,
    Same,
    Scale,
    Step,
)

_INTERPOLATIONS = ("nearest", "linear", "bilinear", "trilinear")


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a torch function that made one tensor from others.

    Attributes
    ----------
    name, func, args, kwargs
        What was called, and with what.
    inputs
        Which of the tensors among the arguments come from the image.
    result
        The tensor that it returned; one of the inputs if it worked in place.
    """

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[int, ...]
    result: torch.Tensor

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The inputs that come from the image."""
        given = tensors_in((self.args, self.kwargs))
        return [given[number] for number in self.inputs]

    @property
    def others(self) -> int:
        """Number of tensors among the arguments that do not come from the image."""
        return len(tensors_in((self.args, self.kwargs))) - len(self.inputs)

    def given(self, order: str) -> dict[str, Any]:
        """Arguments by name, given the names of the positional ones."""
        return dict(zip(order.split(), self.args, strict=False)) | self.kwargs

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.result.ndim - 2

    @property
    def in_place(self) -> bool:
        """Whether the result stands where an input was."""
        return any(self.result is tensor for tensor in self.tensors)

    @property
    def alike(self) -> bool:
        """Whether all inputs have the result's shape."""
        return all(tensor.shape == self.result.shape for tensor in self.tensors)


def step_of(call: Call) -> Step | None:
    """The step that a call is; None if it is none that is known."""
    make = _MAKERS.get(call.name)
    inputs = call.tensors
    maps = all(tensor.ndim == call.result.ndim for tensor in inputs)
    if make is None or not maps or any(t.dtype != call.result.dtype for t in inputs):
        return None
    return make(call)


def _convolution(call: Call) -> Step | None:
    if call.inputs != (0,):  # a weight that comes from the image
        return None
    found = Convolution.of(call.name, call.args, call.kwargs)
    return None if found is None else Convolve(found)


def _batch_norm(call: Call) -> Step | None:
    given = call.given("input running_mean running_var weight bias training momentum eps")
    mean, variance = given.get("running_mean"), given.get("running_var")
    known = call.func is functional.batch_norm and call.inputs == (0,)
    if not known or mean is None or variance is None or given.get("training", False):
        return None
    factor = (variance.double() + given.get("eps", 1e-5)).rsqrt()
    if given.get("weight") is not None:
        factor = factor * given["weight"].double()
    return Scale(factor.to(call.result.dtype).view(1, -1, *[1] * call.ndim))


def _rectifier(call: Call) -> Step | None:
    if not call.name.startswith("leaky"):
        return Rectify(0.0)
    slope = float(call.given("input negative_slope inplace").get("negative_slope", 0.01))
    return Rectify(slope) if slope > 0 else None


def _max_pool(call: Call) -> Step | None:
    given = call.given("input kernel_size stride padding dilation ceil_mode return_indices")
    dilation = _sizes(given.get("dilation", 1), call.ndim)
    if given.get("ceil_mode") or given.get("return_indices") or any(d != 1 for d in dilation):
        return None
    kernel = _sizes(given["kernel_size"], call.ndim)
    stride = _sizes(given.get("stride") or kernel, call.ndim)
    return MaxPool(kernel, stride, _sizes(given.get("padding", 0), call.ndim))


def _interpolation(call: Call) -> Step | None:
    order = "input size scale_factor mode align_corners recompute_scale_factor antialias"
    given = call.given(order)
    mode = given.get("mode", "nearest")
    sizes = list(zip(call.result.shape[2:], call.tensors[0].shape[2:], strict=True))
    factor = tuple(new // old for new, old in sizes)
    scale = given.get("scale_factor")
    scales = factor if scale is None else _sizes(scale, call.ndim)
    whole = all(f * old == new for f, (new, old) in zip(factor, sizes, strict=True))
    other = given.get("align_corners") or given.get("antialias") or mode not in _INTERPOLATIONS
    return Resize(factor, mode) if whole and scales == factor and not other else None


def _concatenation(call: Call) -> Step | None:
    axis = call.given("tensors dim").get("dim", 0)
    if axis not in (1, 1 - call.result.ndim) or call.others:
        return None
    return Concatenate(tuple(tensor.shape[1] for tensor in call.tensors))


def _sum(call: Call) -> Step | None:
    if call.alike and not call.others and "alpha" not in call.kwargs:
        return Same()
    return _pointwise(call)


def _copy(call: Call) -> Step | None:
    return Same() if call.alike and not call.in_place else None


def _dropout(call: Call) -> Step | None:
    training = call.given("input p training inplace").get("training", True)
    return None if training else _copy(call)


def _padding(call: Call) -> Step | None:
    return None if any(call.given("input pad")["pad"]) else _copy(call)


def _pointwise(call: Call) -> Step | None:
    size = call.result.shape[2:]
    # Of other tensors, only single numbers and one weight per channel are for every position.
    if call.in_place or any(t.shape[2:] != size for t in call.tensors):
        return None
    arguments = (call.args, call.kwargs)
    constants = [t for i, t in enumerate(tensors_in(arguments)) if i not in call.inputs]
    if any(t.numel() > 1 for t in constants) and call.name != "prelu":
        return None

    def function(*values: torch.Tensor) -> torch.Tensor:
        both: Any = arguments
        for number, value in zip(call_inputs, values, strict=True):
            both = replace_tensor(both, number, value)
        found: torch.Tensor = func(*both[0], **both[1])
        return found

    # What the function is given stays out of the tape: it would be kept with it.
    call_inputs, func = call.inputs, call.func
    empty = torch.empty(0)
    for number in call_inputs:
        arguments = replace_tensor(arguments, number, empty)
    return Pointwise(function)


def _narrow(call: Call) -> Step | None:
    given = call.given("input dim start length")
    axis = int(given["dim"]) % call.result.ndim
    before, start = [0] * call.result.ndim, int(given["start"])
    before[axis] = start if start >= 0 else start + call.tensors[0].shape[axis]
    return _part(call, before)


def _slices(call: Call) -> Step | None:
    index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    missing = call.result.ndim - len(index) + sum(item is ... for item in index)
    full: list[Any] = []
    for item in index:
        full += [slice(None)] * missing if item is ... else [item]
    full += [slice(None)] * (call.result.ndim - len(full))
    if not all(isinstance(item, slice) and item.step in (None, 1) for item in full):
        return None
    sizes = call.tensors[0].shape
    return _part(call, [item.indices(n)[0] for item, n in zip(full, sizes, strict=True)])


def _part(call: Call, before: Iterable[int]) -> Step | None:
    """Some positions of all channels."""
    shapes = zip(call.tensors[0].shape, call.result.shape, strict=True)
    missing = tuple(old - new for old, new in shapes)
    if any(missing[:2]):
        return None
    return Narrow(tuple(before)[2:], missing[2:])


def _sizes(value: Any, ndim: int) -> Sizes:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * ndim


_MAKERS: dict[str, Callable[[Call], Step | None]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    "batch_norm": _batch_norm,
    **dict.fromkeys(("relu", "relu_", "leaky_relu", "leaky_relu_"), _rectifier),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), _max_pool),
    "interpolate": _interpolation,
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenation),
    **dict.fromkeys(("add", "add_", "__add__", "__iadd__", "__radd__"), _sum),
    **dict.fromkeys(("clone", "contiguous"), _copy),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), _dropout),
    "pad": _padding,
    "narrow": _narrow,
    "__getitem__": _slices,
    **dict.fromkeys(
        ("celu", "elu", "gelu", "hardswish", "mish", "prelu", "relu6", "selu", "sigmoid", "silu"),
        _pointwise,
    ),
    **dict.fromkeys(("mul", "__mul__", "__rmul__", "softplus", "tanh"), _pointwise),
}
