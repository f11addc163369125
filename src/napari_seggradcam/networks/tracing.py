"""What happens inside a network, recorded during one forward pass.

The record is a graph of tensors: who made each one, from which others, and how large it is.
Roles of network layers are read from it in `roles`.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .outputs import maps_in, select_output
from .running import (
    ACTIVATIONS,
    FunctionCalls,
    call_module,
    leaves,
    memory_of,
    tensors_in,
    version_of,
)

GATES = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}
_UPSAMPLING = (
    "conv_transpose",
    "grid_sample",
    "interpolate",
    "max_unpool",
    "pixel_shuffle",
    "repeat",
    "tile",
    "upsample",
)
_GROWTH = 1.4  # to fit a skip a map grows by a few positions; upsampling makes it much larger
# Classes of modules that stand for those of other classes.
_STAND_INS = {"InterpreterModule", "InterpreterModuleDispatcher"}
# What may stand between a trailing activation and the output without being a computation.
_RESHAPING = {
    "__getitem__",
    "clone",
    "contiguous",
    "float",
    "interpolate",
    "narrow",
    "reshape",
    "squeeze",
    "to",
    "unsqueeze",
    "upsample",
    "view",
}


@dataclass
class Value:
    """A tensor that some torch function has made."""

    number: int
    function: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    from_image: bool  # and not from parameters alone
    upsampled: bool  # made, somewhere up the graph, by enlarging a map


@dataclass(frozen=True)
class ModuleCall:
    """One call of a leaf module that returned a map."""

    path: str
    call: int
    kind: str
    weighted: bool  # has parameters
    value: int


@dataclass
class Trace:
    """A network's graph of tensors for one input size.

    Attributes
    ----------
    values
        Every tensor, in order of execution.
    calls
        Leaf module calls that returned one map, in order of execution.
    joins
        Per join, the values that came together, in the order of the arguments; and the value
        that it made.
    output
        Number of the value that is the logits, after a trailing activation was left out.
    activation
        Name and number of a trailing softmax or sigmoid, if there is one.
    outputs
        Names of what was returned that may be logits.
    rows
        Rows of logits, that is output channels.
    output_shape
        Spatial shape of the logits.
    """

    values: list[Value] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    joins: list[tuple[tuple[int, ...], int]] = field(default_factory=list)
    output: int = -1
    activation: tuple[str, int] | None = None
    outputs: tuple[str, ...] = ()
    rows: int = 0
    output_shape: tuple[int, ...] = ()

    def ancestors(self, *numbers: int) -> set[int]:
        """The values and everything that they were made from."""
        found: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting.extend(self.values[number].inputs)
        return found


class _Recorder(FunctionCalls):
    """Builds a `Trace` from the calls of torch functions.

    A tensor that is changed in place is a new value from then on, and so is every view of it.
    """

    def __init__(self, ndim: int, image: torch.Tensor):
        super().__init__(ndim)
        self.trace = Trace()
        self._number: dict[int, int] = {}
        self._alive: dict[int, torch.Tensor] = {}  # so that no id is used twice
        self._join: tuple[int, ...] | None = None
        self._activation: dict[int, tuple[str, int]] = {}
        self._entered = 0
        self.add(image, "source", ())
        self.trace.values[0].from_image = True

    def number(self, tensor: torch.Tensor) -> int:
        """Number of the value that a tensor holds now; unseen tensors become sources."""
        if id(tensor) not in self._number:
            self.add(tensor, "source", ())
        return self._number[id(tensor)]

    def add(self, tensor: torch.Tensor, function: str, inputs: tuple[int, ...]) -> None:
        """Note that a tensor holds a new value."""
        values, shape = self.trace.values, tuple(tensor.shape)
        sources = [values[i] for i in inputs if values[i].from_image]
        made_larger = function.startswith(_UPSAMPLING) and any(
            self._is_larger(shape, source.shape) for source in sources
        )
        # A skip that is weighted by a gate from the expanding path is still a skip.
        gated = function in GATES and any(not s.upsampled and s.shape == shape for s in sources)
        upsampled = made_larger or (any(s.upsampled for s in sources) and not gated)
        values.append(Value(len(values), function, inputs, shape, bool(sources), upsampled))
        self._number[id(tensor)] = len(values) - 1
        self._alive[id(tensor)] = tensor

    def _is_larger(self, new: tuple[int, ...], old: tuple[int, ...]) -> bool:
        if not len(new) == len(old) == self.ndim + 2 or max(old[2:]) == 1:
            return False
        pairs = list(zip(new[2:], old[2:], strict=True))
        return all(n >= o for n, o in pairs) and any(n >= _GROWTH * o for n, o in pairs)

    def join(self, number: int, args: Any, kwargs: Any) -> tuple[Any, Any]:
        self._join = tuple(self.number(t) for t in tensors_in((args, kwargs)))
        return args, kwargs

    def call(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        given = tensors_in((args, kwargs))
        inputs = tuple(self.number(t) for t in given)
        versions = [version_of(t) for t in given]
        joined, self._join = self._join, None
        result = func(*args, **kwargs)
        changed = [t for t, before in zip(given, versions, strict=True) if version_of(t) != before]
        for tensor in self._sharing_memory(changed):
            self.add(tensor, name, (*inputs, self.number(tensor)))
        for tensor in tensors_in(result):
            if id(tensor) not in self._number:
                self.add(tensor, name, inputs)
            number = self.number(tensor)
            if joined is not None:
                self.trace.joins.append((joined, number))
            if name in ACTIVATIONS:
                self._activation[number] = (name.rstrip("_"), self.activations - 1)
        return result

    def _sharing_memory(self, changed: list[torch.Tensor]) -> list[torch.Tensor]:
        """Known tensors, views among them, that lie in the memory of changed ones."""
        if not changed:
            return []
        memory = {memory_of(t) for t in changed}
        return [t for t in self._alive.values() if memory_of(t) in memory]

    def on_enter(self) -> None:
        """Note that a leaf module begins."""
        self._entered = len(self.trace.values)

    def on_call(self, module: nn.Module, path: str, call: int, args: Any, output: Any) -> None:
        """Note the map that a leaf module returned."""
        is_map = isinstance(output, torch.Tensor) and output.ndim == self.ndim + 2
        if not is_map or output.shape[0] != 1:
            return
        kind, inputs = _kind(module), tuple(self.number(t) for t in tensors_in(args))
        if id(output) not in self._number:  # a custom autograd function made it
            self.add(output, kind, inputs)
        value = self.trace.values[self.number(output)]
        if value.number < self._entered:
            return  # the module did nothing, as Identity and Dropout in evaluation
        # A module may upsample by means that its functions do not tell, such as reshaping; but
        # one that pads a small map does not upsample it.
        larger = [self._is_larger(value.shape, self.trace.values[i].shape) for i in inputs]
        value.upsampled |= bool(larger) and all(larger) and value.function != "pad"
        weighted = next(module.parameters(), None) is not None
        self.trace.calls.append(ModuleCall(path, call, kind, weighted, value.number))

    def finish(self, logits: torch.Tensor) -> Trace:
        trace = self.trace
        trace.output = last = self.number(logits)
        trace.rows, trace.output_shape = logits.shape[1], tuple(logits.shape[2:])
        while last not in self._activation and trace.values[last].function in _RESHAPING:
            last = trace.values[last].inputs[0]
        trace.activation = self._activation.get(last)
        if trace.activation is not None:
            trace.output = trace.values[last].inputs[0]
        return trace


def trace_network(
    module: nn.Module, image: torch.Tensor, ndim: int, output: str | None = None
) -> Trace:
    """Record one forward pass.

    Parameters
    ----------
    module
        Any torch module, in evaluation mode; hooks are put on it and taken off again.
    image
        Input of shape (1, channels, *spatial).
    ndim
        Number of spatial axes.
    output
        Which of several outputs is the logits; None: see `select_output`.

    Raises
    ------
    NetworkError
        If the module raises an error, or nothing that it returned has spatial axes.
    """
    recorder = _Recorder(ndim, image)
    counts: Counter[str] = Counter()

    def on_enter(m: nn.Module, args: Any) -> None:
        recorder.on_enter()

    with torch.no_grad(), ExitStack() as hooks:
        for path, leaf in leaves(module).items():

            def on_call(m: nn.Module, args: Any, output: Any, path: str = path) -> None:
                recorder.on_call(m, path, counts[path], args, output)
                counts[path] += 1

            hooks.callback(leaf.register_forward_pre_hook(on_enter).remove)
            hooks.callback(leaf.register_forward_hook(on_call).remove)
        with recorder:
            returned = call_module(module, image)
            logits = select_output(returned, ndim, output)
        trace = recorder.finish(logits)
        trace.outputs = tuple(maps_in(returned, ndim))
        return trace


def _kind(module: nn.Module) -> str:
    """What a leaf module does, in one or two words."""
    name = type_name_of(module)
    for part, kind in (
        ("ConvTranspose", "up"),
        ("Upsampl", "up"),
        ("PixelShuffle", "up"),
        ("Unpool", "up"),
        ("Conv", "conv"),
        ("Norm", "norm"),
        ("Pool", "pool"),
    ):
        if part in name:
            return kind
    return name.lower()


def type_name_of(module: nn.Module) -> str:
    """Name of a module's class.

    Modules of `torch.export` are all of one class, and tell by a method ``type_name`` which one
    they stand for.
    """
    tell = getattr(module, "type_name", None)
    told = tell() if callable(tell) and type(module).__name__ in _STAND_INS else None
    return (told or type(module).__name__).rsplit(".", 1)[-1]
