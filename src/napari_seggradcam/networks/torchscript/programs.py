"""Methods of TorchScript as lists of Python functions, made once and run many times.

A method's graph says in single static assignment what it computes. Every value of the graph gets a
place in a *frame*, which is a list; every node becomes a *step*, a function that takes the frame,
reads the places of the node's inputs and writes those of its outputs. A place is emptied as soon
as nothing reads it any more, so that feature maps live as briefly as in the module's own Python.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import NetworkError

Frame = list[Any]
Step = Callable[[Frame], None]

MODULE = 0
"""Place of the module whose method runs."""


@dataclass(frozen=True, eq=False)
class Block:
    """Steps, and the places that get and give values.

    Attributes
    ----------
    steps
        In order, each with the places that nothing reads after it.
    inputs, outputs
        Places.
    own
        Outputs that the block itself has made.
    """

    steps: tuple[tuple[Step, tuple[int, ...]], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    own: tuple[int, ...]

    def run(self, frame: Frame) -> list[Any]:
        """Values of the outputs."""
        for step, unread in self.steps:
            step(frame)
            for place in unread:
                frame[place] = None
        values = [frame[place] for place in self.outputs]
        for place in self.own:
            frame[place] = None
        return values


@dataclass(frozen=True, eq=False)
class Program:
    """A method.

    Attributes
    ----------
    block
        What it does.
    frame
        Constants at their places; what a run starts with.
    defaults
        Values of the last arguments, for calls that leave them out.
    tensors
        Tensors that stand in the graph, by the name under which the module holds them.
    """

    block: Block
    frame: tuple[Any, ...]
    defaults: tuple[Any, ...]
    tensors: dict[str, torch.Tensor]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Program":
        return self  # it holds nothing of any module

    def run(self, module: Any, arguments: Sequence[Any]) -> Any:
        """What the method of a module returns."""
        frame = list(self.frame)
        frame[MODULE] = module
        wanted = len(self.block.inputs)
        missing = wanted - len(arguments)
        if not 0 <= missing <= len(self.defaults):
            raise NetworkError(
                f"A method of the TorchScript network was given {len(arguments)} arguments; "
                f"expected {wanted}, of which {len(self.defaults)} may be left out."
            )
        given = (*arguments, *self.defaults[len(self.defaults) - missing :])
        for place, value in zip(self.block.inputs, given, strict=True):
            frame[place] = value
        del given, arguments
        return self.block.run(frame)[0]


@dataclass(frozen=True, eq=False)
class Entry:
    """A step with the places that it reads, and those that it writes.

    Attributes
    ----------
    step, reads, writes
        As said.
    tensor
        Name of the tensor that stands in the graph, for a step that only reads one.
    """

    step: Step
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    tensor: str | None = None


def block_of(
    entries: Sequence[Entry], inputs: Sequence[int], outputs: Sequence[int]
) -> tuple[Block, tuple[int, ...]]:
    """Block of steps, and the places of others that it reads.

    Parameters
    ----------
    entries
        In order.
    inputs, outputs
        Places.
    """
    made = {*inputs, *(place for entry in entries for place in entry.writes)}
    last = {place: number for number, entry in enumerate(entries) for place in entry.writes}
    for number, entry in enumerate(entries):
        last.update((place, number) for place in entry.reads if place in made)
    unread: list[list[int]] = [[] for _ in entries]
    for place, number in last.items():
        if place not in outputs:
            unread[number].append(place)
    steps = zip((entry.step for entry in entries), map(tuple, unread), strict=True)
    read = {place for entry in entries for place in entry.reads} | set(outputs)
    own = tuple(place for place in dict.fromkeys(outputs) if place in made)
    block = Block(tuple(steps), tuple(inputs), tuple(outputs), own)
    return block, tuple(read - made)


def branch(condition: int, blocks: Sequence[Block], outputs: Sequence[int]) -> Step:
    """Step that runs the first block, or else the second."""
    yes, no = blocks

    def step(frame: Frame) -> None:
        values = (yes if frame[condition] else no).run(frame)
        for place, value in zip(outputs, values, strict=True):
            frame[place] = value

    return step


def loop(inputs: Sequence[int], body: Block, outputs: Sequence[int]) -> Step:
    """Step that runs a block while its first output says so, at most so many times."""
    most, first, *carried = inputs

    def step(frame: Frame) -> None:
        values, more, count = [frame[place] for place in carried], frame[first], 0
        while more and count < frame[most]:
            for place, value in zip(body.inputs, (count, *values), strict=True):
                frame[place] = value
            more, *values = body.run(frame)
            count += 1
        for place, value in zip(outputs, values, strict=True):
            frame[place] = value

    return step


def call(function: Callable[..., Any], inputs: Sequence[int], output: int | None) -> Step:
    """Step that calls a function."""
    if output is None:

        def effect(frame: Frame) -> None:
            function(*[frame[place] for place in inputs])

        return effect
    if len(inputs) == 1:
        only = inputs[0]

        def one(frame: Frame) -> None:
            frame[output] = function(frame[only])

        return one

    def step(frame: Frame) -> None:
        frame[output] = function(*[frame[place] for place in inputs])

    return step


def unpack(value: int, outputs: Sequence[int]) -> Step:
    """Step that takes a tuple or list apart."""

    def step(frame: Frame) -> None:
        for place, item in zip(outputs, frame[value], strict=True):
            frame[place] = item

    return step


def walk(block: Any) -> Iterator[Any]:
    """All nodes of a graph or block of TorchScript, those of inner blocks among them."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from walk(inner)
