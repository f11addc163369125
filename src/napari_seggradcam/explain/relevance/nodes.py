"""Functions whose pass backward hands relevance down instead of gradients.

Autograd carries relevance where it would carry a gradient: what only moves values (slices,
concatenation, pooling by maximum, padding) routes both alike, and what is used twice adds up.
Where the two differ, one of these functions stands in the graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .operations import Operation, absorbed_by, gathered
from .rules import Rule

Run = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Sharing:
    """What a `Share` is.

    Attributes
    ----------
    kind
        Name of the function.
    """

    kind: str


class Distribution:
    """One run of a linear operation, and what of its relevance ended there.

    Parameters
    ----------
    operation
        The operation.
    rule
        How it hands relevance down; may be changed before the pass backward.

    Attributes
    ----------
    shape : tuple of int
        Of the output.
    passes : bool
        Whether another operation has absorbed this one, so that relevance passes unchanged.
    constants, stabiliser : torch.Tensor
        Sums of what biases and the stabiliser have kept, after the pass backward.
    """

    def __init__(self, operation: Operation, rule: Rule):
        self.operation = operation
        self.rule = rule
        self.passes = False
        self.shape: tuple[int, ...] = ()
        self.constants = self.stabiliser = torch.zeros(())

    def hand_down(
        self, inputs: Sequence[torch.Tensor], relevance: torch.Tensor
    ) -> list[torch.Tensor]:
        """Relevance of every input from that of the output."""
        if self.passes:
            return [gathered(relevance, inputs[0].shape)]
        sums, constant, hand_down = self.operation.contributions(inputs, self.rule)
        factors = self.rule.factors(sums, relevance)
        self.stabiliser = total(factors.absorbed)
        if constant is not None:
            self.constants = total(absorbed_by(constant, factors, self.rule.splits))
        return hand_down(factors)


class Distribute(torch.autograd.Function):
    """A linear operation, whose relevance a rule distributes."""

    @staticmethod
    def forward(
        ctx: Any, distribution: Distribution, run: Run, *inputs: torch.Tensor
    ) -> torch.Tensor:
        """What ``run`` computes of the inputs."""
        ctx.distribution = distribution
        ctx.save_for_backward(*inputs)
        result = run()
        distribution.shape = tuple(result.shape)
        return result

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> Any:
        """Relevance of the inputs."""
        return None, None, *ctx.distribution.hand_down(ctx.saved_tensors, relevance)


class Share(torch.autograd.Function):
    """Inputs that all get the same share of the relevance, position by position."""

    @staticmethod
    def forward(ctx: Any, kind: str, run: Run, *inputs: torch.Tensor) -> torch.Tensor:
        """What ``run`` computes of the inputs; ``kind`` names it."""
        ctx.sharing = Sharing(kind)
        ctx.shapes = [x.shape for x in inputs]
        return run()

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> Any:
        """Relevance of the inputs."""
        share = relevance / len(ctx.shapes)
        return None, None, *(gathered(share, shape) for shape in ctx.shapes)


def total(tensor: torch.Tensor) -> torch.Tensor:
    """Sum of all values, in double precision where the device knows it."""
    dtype = tensor.dtype if tensor.device.type == "mps" else torch.float64
    return tensor.sum(dtype=dtype)
