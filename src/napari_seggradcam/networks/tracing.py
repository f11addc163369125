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

from .outputs import select_output
from .running import ACTIVATIONS, FunctionCalls, as_found, leaves, tensors_in

# Outputs of these are their inputs again, in evaluation mode.
_WITHOUT_EFFECT = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
GATES = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}
_GROWTH = 1.4  # padding makes small maps a little larger; upsampling makes them much larger
_NOT_UPSAMPLING = {"pad", "cat", "concat", "concatenate", "expand", "expand_as"}


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
    def __init__(self, ndim: int, image: torch.Tensor):
        super().__init__(ndim)
        self.trace = Trace()
        self._number: dict[int, int] = {}
        self._alive: list[torch.Tensor] = []  # so that no id is used twice
        self._join: tuple[int, ...] | None = None
        self._activation: dict[int, tuple[str, int]] = {}
        self.add(image, "source", ())
        self.trace.values[0].from_image = True

    def number(self, tensor: torch.Tensor) -> int:
        """Number of the value that a tensor holds now; unseen tensors become sources."""
        if id(tensor) not in self._number:
            self.add(tensor, "source", ())
        return self._number[id(tensor)]

    def add(self, tensor: torch.Tensor, function: str, inputs: tuple[int, ...]) -> int:
        values = self.trace.values
        sources = [values[i] for i in inputs if values[i].from_image]
        made_larger = function not in _NOT_UPSAMPLING and any(
            self._is_larger(tensor.shape, source.shape) for source in sources
        )
        tagged = [source.upsampled for source in sources]
        # A skip that is weighted by a gate from the expanding path is still a skip.
        gated = function in GATES and not all(tagged)
        upsampled = made_larger or (any(tagged) and not gated)
        shape = tuple(tensor.shape)
        values.append(Value(len(values), function, inputs, shape, bool(sources), upsampled))
        self._number[id(tensor)] = len(values) - 1
        self._alive.append(tensor)
        return len(values) - 1

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
        inputs = tuple(self.number(t) for t in tensors_in((args, kwargs)))
        joined, self._join = self._join, None
        result = func(*args, **kwargs)
        for tensor in tensors_in(result):
            number = self.add(tensor, name, inputs)
            if joined is not None:
                self.trace.joins.append((joined, number))
            if name in ACTIVATIONS:
                self._activation[number] = (name.rstrip("_"), self.activations - 1)
        return result

    def on_call(self, path: str, kind: str, call: int, args: Any, output: Any) -> None:
        """Note the map that a leaf module returned."""
        maps = [output] if isinstance(output, torch.Tensor) else []
        for tensor in maps:
            if tensor.ndim != self.ndim + 2:
                continue
            if id(tensor) not in self._number:  # a custom autograd function made it
                self.add(tensor, kind, tuple(self.number(t) for t in tensors_in(args)))
            self.trace.calls.append(ModuleCall(path, call, kind, self.number(tensor)))

    def finish(self, logits: torch.Tensor) -> Trace:
        trace = self.trace
        trace.output = self.number(logits)
        trace.rows, trace.output_shape = logits.shape[1], tuple(logits.shape[2:])
        trace.activation = self._activation.get(trace.output)
        if trace.activation is not None:
            trace.output = trace.values[trace.output].inputs[0]
        return trace


def trace_network(module: nn.Module, image: torch.Tensor, ndim: int) -> Trace:
    """Record one forward pass.

    Parameters
    ----------
    module
        Any torch module; it is left as it was found.
    image
        Input of shape (1, channels, *spatial).
    ndim
        Number of spatial axes.

    Raises
    ------
    NetworkError
        If nothing that the module returned has spatial axes.
    """
    recorder = _Recorder(ndim, image)
    counts: Counter[str] = Counter()
    with as_found(module), torch.no_grad(), ExitStack() as hooks:
        for path, leaf in leaves(module).items():
            if isinstance(leaf, _WITHOUT_EFFECT):
                continue

            def on_call(m: nn.Module, args: Any, output: Any, path: str = path) -> None:
                recorder.on_call(path, _kind(m), counts[path], args, output)
                counts[path] += 1

            hooks.callback(leaf.register_forward_hook(on_call).remove)
        with recorder:
            output = module(image)
            logits = select_output(output, ndim)
        return recorder.finish(logits)


def _kind(module: nn.Module) -> str:
    """What a leaf module does, in one or two words."""
    name = type(module).__name__
    for part, kind in (
        ("ConvTranspose", "up"),
        ("Upsample", "up"),
        ("PixelShuffle", "up"),
        ("Conv", "conv"),
        ("Norm", "norm"),
        ("Pool", "pool"),
    ):
        if part in name:
            return kind
    return name.lower()
