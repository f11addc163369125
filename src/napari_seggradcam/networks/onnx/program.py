"""A module that runs the steps of a graph."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from .folding import evaluate
from .functions import FUNCTIONS
from .graphs import Node

PRECISION = "_precision"  # an empty buffer, whose type is that of the network's numbers


@dataclass(frozen=True)
class Operand:
    """What a step is given.

    Attributes
    ----------
    kind
        ``"map"``: a tensor that is made from the image. ``"weight"``: a parameter or buffer of
        the module. ``"known"``: something that was known when the graph was read. Numbers that
        are computed from the sizes of maps come as a tensor on the CPU (``"sizes"``), as plain
        numbers (``"numbers"``), or as a tensor that goes together with maps (``"moved"``).
    name
        Of the value or the weight.
    known
        What is known.
    """

    kind: Literal["map", "weight", "known", "sizes", "numbers", "moved"]
    name: str = ""
    known: Any = None


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes
    ----------
    node
        What it does, and what the values that it makes are called.
    operands
        What it is given.
    of_sizes
        Whether it computes with the sizes of maps, and not with maps.
    module
        Path of the module that does it; empty: a function does.
    done
        Values that nobody needs behind it.
    branches
        What runs if the first operand holds, and what if not.
    """

    node: Node
    operands: tuple[Operand, ...]
    of_sizes: bool = False
    module: str = ""
    done: tuple[str, ...] = ()
    branches: tuple["Program", ...] = ()


@dataclass
class Program:
    """Steps in order of execution, and what they make in the end."""

    steps: list[Step] = field(default_factory=list)
    outputs: tuple[Operand, ...] = ()

    def used(self) -> set[str]:
        """Names of all values that are taken."""
        operands = [o for step in self.steps for o in step.operands]
        inner = {n for step in self.steps for branch in step.branches for n in branch.used()}
        return {o.name for o in (*operands, *self.outputs)} | inner


class OnnxModule(nn.Module):
    """An ONNX graph; made by `napari_seggradcam.networks.onnx.import_onnx`.

    Parameters
    ----------
    program
        What it does.
    image
        What the program calls the image.
    outputs
        Names of the outputs.
    """

    def __init__(self, program: Program, image: str, outputs: list[str]):
        super().__init__()
        self._program = program
        self._image = image
        self._outputs = outputs
        self.register_buffer(PRECISION, torch.empty(0), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """The output, or several by name.

        Parameters
        ----------
        image
            Of shape (batch, channels, *spatial).
        """
        made = self._run(self._program, {self._image: image})
        return made[0] if len(made) == 1 else dict(zip(self._outputs, made, strict=True))

    def _run(self, program: Program, values: dict[str, torch.Tensor]) -> list[Any]:
        for step in program.steps:
            given = [self._given(operand, values) for operand in step.operands]
            made = self._step(step, given, values)
            values.update(zip(step.node.outputs, made, strict=False))
            for name in step.done:
                del values[name]
        return [self._given(operand, values) for operand in program.outputs]

    def _step(self, step: Step, given: list[Any], values: dict[str, torch.Tensor]) -> list[Any]:
        if step.branches:
            return self._run(step.branches[0 if given[0] else 1], dict(values))
        if step.of_sizes:
            # Who watches the network's functions sees the same as of any other module.
            with torch._C.DisableTorchFunction():
                return list(evaluate(step.node, given))
        if step.module:
            made = self.get_submodule(step.module)(*given)
        else:
            made = FUNCTIONS[step.node.op].run(step.node.attributes, *given)
        return list(made) if isinstance(made, tuple | list) else [made]

    def _given(self, operand: Operand, values: dict[str, torch.Tensor]) -> Any:
        if operand.kind == "known":
            return operand.known
        if operand.kind == "weight":
            return getattr(self, operand.name)
        value = values[operand.name]
        if operand.kind in ("map", "sizes"):
            return value
        with torch._C.DisableTorchFunction():
            if operand.kind == "numbers":
                return value.tolist()
            like = getattr(self, PRECISION)
            return value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
