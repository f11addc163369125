"""What a network did to one image, so that gradients are taken of it without running it again.

Where every function between the image and the logits is known, a question needs no pass forward:
what its gradients need was there when the network ran on the whole image, and is kept. The way
back goes through boxes that hold all of the gradient, which are small close to the logits.

A tape is complete or there is none. Every tensor that a function takes has to be the image, a
parameter, or what a function before it has made and nobody has changed since; anything else means
that something has happened out of sight.
"""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel
from ..networks.running import state_of, tensors_in
from .calls import Call, step_of
from .capture import OnMaps, read
from .regions.region import Box
from .steps import Place, Same, Step

_CONSTANT = -1


@dataclass(frozen=True, eq=False)
class Entry:
    """One step, and the numbers of the values that it takes and makes."""

    step: Step
    inputs: tuple[int, ...]
    output: int

    @property
    def needs(self) -> set[int]:
        """Values that have to be kept for the way back."""
        inputs = self.inputs if self.step.keeps_inputs else ()
        return {*inputs, *((self.output,) if self.step.keeps_output else ())}


@dataclass(frozen=True, eq=False)
class Tape:
    """Steps from the image, which is value 0, to the logits.

    Attributes
    ----------
    entries
        In order of execution.
    layers
        Value of every network layer by name.
    logits
        Value of the logits.
    """

    entries: tuple[Entry, ...]
    layers: dict[str, int]
    logits: int

    def path_to(self, names: Sequence[str]) -> "Path":
        """What gradients of network layers go through."""
        values, entries = {self.layers[name] for name in names}, []
        for entry in self.entries:
            if any(number in values for number in entry.inputs):
                values.add(entry.output)
                entries.append(entry)
        return Path(self, tuple(names), frozenset(values), tuple(entries))

    def places(self, windows: Sequence[Box]) -> dict[int, Place]:
        """Where all values of crops lie, for windows of one shape.

        Raises
        ------
        UnevenShift
            If a value does not shift with the windows by whole positions.
        """
        size = tuple(side.stop - side.start for side in windows[0])
        starts = tuple(tuple(side.start for side in window) for window in windows)
        places = {0: Place(size, starts)}
        for entry in self.entries:
            places[entry.output] = entry.step.place([places[number] for number in entry.inputs])
        return places


@dataclass(frozen=True, eq=False)
class Path:
    """The part of a tape that depends on network layers.

    Attributes
    ----------
    tape
        All of it.
    names
        The network layers.
    values
        Values that depend on them, their own among them.
    entries
        Steps that take one of these values, in order of execution.
    """

    tape: Tape
    names: tuple[str, ...]
    values: frozenset[int]
    entries: tuple[Entry, ...]

    @property
    def needs(self) -> set[int]:
        """Values that have to be kept for the way back."""
        return {number for entry in self.entries for number in entry.needs}


class Recorder:
    """Records a tape while a network runs; runs functions for `Taps.calls`.

    Parameters
    ----------
    module
        The network's module.
    image
        Its input.
    on_value
        Called with number and content of every value that the way back needs.
    """

    def __init__(
        self,
        module: nn.Module,
        image: torch.Tensor,
        on_value: Callable[[int, torch.Tensor], None],
    ):
        self._on_value = on_value
        self._entries: list[Entry] = []
        self._layers: dict[str, int] = {}
        self._needed: set[int] = set()
        self._skips: dict[int, int] = {}
        self._count = 0
        self._complete = True
        # By identity, with the version, because tensors are changed in place.
        self._seen: dict[int, tuple[weakref.ref[torch.Tensor], int, int]] = {}
        for constant in state_of(module):
            self._see(constant, _CONSTANT)
        self._see(image, self._new())

    def __call__(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function, and note what it did."""
        given = tensors_in((args, kwargs))
        numbers = [self._number(tensor) for tensor in given]
        for argument, number in self._skips.items():
            numbers[argument] = number
        self._skips.clear()
        result = func(*args, **kwargs)
        if self._complete:
            self._complete = self._note(name, func, args, kwargs, given, numbers, result)
        return result

    def mark(self, layer: NetworkLayer, maps: torch.Tensor) -> None:
        """Note the feature maps of a network layer, as `Taps` takes them."""
        number = self._number(maps)
        if number is None or number == _CONSTANT:
            self._complete = False
        elif layer.argument is None:
            self._layers[layer.name] = number
        else:
            # A skip is what one join takes, and not all that becomes of the tensor.
            skip = self._layers[layer.name] = self._skips[layer.argument] = self._new()
            self._entries.append(Entry(Same(), (number,), skip))

    def tape(self, logits: torch.Tensor) -> Tape | None:
        """The tape, or None if something is not known."""
        number = self._number(logits)
        if not self._complete or number is None or number == _CONSTANT:
            return None
        return Tape(tuple(self._entries), self._layers, number)

    def _note(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        given: list[torch.Tensor],
        numbers: list[int | None],
        result: Any,
    ) -> bool:
        """Whether it is known what a call did."""
        made = tensors_in(result)
        if None in numbers:
            return not made  # somebody has looked at it
        inputs = tuple(i for i, number in enumerate(numbers) if number != _CONSTANT)
        if not inputs:
            for tensor in (*made, *given):
                self._see(tensor, _CONSTANT)
            return True
        changed = [tensor for tensor in given if self._number(tensor) is None]
        if not changed and all(any(new is old for old in given) for new in made):
            return True  # nothing was made
        if len(made) != 1 or any(tensor is not made[0] for tensor in changed):
            return False
        step = step_of(Call(name, func, args, kwargs, inputs, made[0]))
        if step is None:
            return False
        entry = Entry(step, tuple(numbers[i] for i in inputs), self._new())  # type: ignore[misc]
        self._entries.append(entry)
        self._see(made[0], entry.output)
        contents = {numbers[i]: given[i] for i in inputs} | {entry.output: made[0]}
        for number in entry.needs - self._needed:
            self._needed.add(number)
            self._on_value(number, contents[number])
        return True

    def _new(self) -> int:
        self._count += 1
        return self._count - 1

    def _see(self, tensor: torch.Tensor, number: int) -> None:
        if tensor.is_inference():  # which does not know its version
            return
        self._seen[id(tensor)] = weakref.ref(tensor), tensor._version, number

    def _number(self, tensor: torch.Tensor) -> int | None:
        """Number of what a tensor holds; None if it was not seen, or changed since."""
        seen = self._seen.get(id(tensor))
        if seen is None or seen[0]() is not tensor or seen[1] != tensor._version:
            return None
        return seen[2]


def record(
    network: Network,
    tensor: torch.Tensor,
    on_maps: OnMaps,
    on_value: Callable[[int, torch.Tensor], None],
    cancel: Cancel | None,
) -> tuple[torch.Tensor, Tape | None]:
    """Logits of a padded input, without gradients, and the tape, if there is one.

    Parameters
    ----------
    network, tensor
        What runs, and on what, on the network's device and of its type.
    on_maps
        Called with name and feature maps of every network layer.
    on_value
        As for `Recorder`.
    cancel
        Asked before each module.
    """
    recorder = Recorder(network.module, tensor, on_value)
    layers = {layer.name: layer for layer in network.layers}

    def mark(name: str, maps: torch.Tensor) -> None:
        recorder.mark(layers[name], maps)
        on_maps(name, maps)

    logits = read(network, tensor, network.layers, mark, cancel, recorder)
    return logits, recorder.tape(logits)
