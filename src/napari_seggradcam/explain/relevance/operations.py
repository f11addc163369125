"""Linear operations as sums of contributions, which is all that a rule needs to know of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from .rules import Factors, Rule, Sums

Linear = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Map = Callable[[torch.Tensor], torch.Tensor]
HandDown = Callable[[Factors], list[torch.Tensor]]
# A number, or a tensor that is broadcast.
Coefficient = torch.Tensor | float


class Contributions(NamedTuple):
    """What was added up at every position of an output.

    Attributes
    ----------
    sums
        As the rule wants them.
    constant
        What of the sums comes from no input; None: nothing.
    hand_down
        Relevance of every input, given a rule's factors.
    """

    sums: Sums
    constant: torch.Tensor | None
    hand_down: HandDown


class Operation(ABC):
    """A linear operation on tensors that come from the image."""

    @abstractmethod
    def contributions(self, inputs: Sequence[torch.Tensor], rule: Rule) -> Contributions:
        """What is added up, and how it is told apart for a rule."""


class Weighted(Operation):
    """A convolution, a transposed one, or a product with a matrix; and what scales and shifts it.

    Of f(x, w) with fixed weights the output is a · f(x, w) + b. A norm behind it becomes part of
    a and b, so that a rule sees the signs of the contributions after the norm.

    Parameters
    ----------
    function
        f, linear in both arguments.
    weight
        w.
    shift
        b, of a shape that is broadcast to the output; None: zero.
    """

    def __init__(self, function: Linear, weight: torch.Tensor, shift: torch.Tensor | None):
        self._function = function
        self._weight = weight
        self._scale: torch.Tensor | None = None
        self._shift = shift

    def absorb(self, scale: Coefficient, shift: torch.Tensor | None) -> None:
        """Make ``scale`` times the output plus ``shift`` part of the operation."""
        like = self._weight
        factor = torch.as_tensor(scale, dtype=like.dtype, device=like.device)
        self._scale = factor if self._scale is None else factor * self._scale
        own = None if self._shift is None else factor * self._shift
        self._shift = own if shift is None else shift if own is None else own + shift

    def contributions(self, inputs: Sequence[torch.Tensor], rule: Rule) -> Contributions:
        """As `Operation.contributions`."""
        (x,) = inputs
        scale, shift = self._scale, self._shift
        if rule.splits:
            return self._split(x, rule)
        run = _Runs([(x, self._with(self._weight))])
        total = run.total if scale is None else scale * run.total

        def hand_down(factors: Factors) -> list[torch.Tensor]:
            return [run.back(factors.first if scale is None else scale * factors.first)]

        return Contributions(Sums(total if shift is None else total + shift), shift, hand_down)

    def _split(self, x: torch.Tensor, rule: Rule) -> Contributions:
        up, down = self._with(self._weight.clamp(min=0)), self._with(self._weight.clamp(max=0))
        above, below = x.clamp(min=0), x.clamp(max=0)
        turned = None if self._scale is None else self._scale < 0
        has_below = bool((x < 0).any())
        high = _Runs([(above, up), *([(below, down)] if has_below else [])])
        low: _Runs | None = None
        if rule.uses_negative or (turned is not None and bool(turned.any())):
            low = _Runs([(above, down), *([(below, up)] if has_below else [])])
        none = x.new_zeros(())
        sums = self._scaled(high.total, none if low is None else low.total)

        def hand_down(factors: Factors) -> list[torch.Tensor]:
            negative = none if factors.negative is None else factors.negative
            first, second = self._scaled(factors.first, negative)
            found = high.back(first)
            return [found if low is None else found + low.back(second)]

        return Contributions(_shifted(sums, self._shift), self._shift, hand_down)

    def _with(self, weight: torch.Tensor) -> Map:
        return lambda x: self._function(x, weight)

    def _scaled(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Positive and negative sums, or their factors, where a negative scale changes places."""
        if self._scale is None:
            return first, second
        first, second, turned = self._scale * first, self._scale * second, self._scale < 0
        return torch.where(turned, second, first), torch.where(turned, first, second)


class Resampling(Operation):
    """A map whose outputs are sums of inputs with fixed weights, none of which is negative.

    Such are mean pooling, interpolation between neighbours, and means and sums over axes.

    Parameters
    ----------
    function
        The map.
    """

    def __init__(self, function: Map):
        self._function = function

    def contributions(self, inputs: Sequence[torch.Tensor], rule: Rule) -> Contributions:
        """As `Operation.contributions`."""
        (x,) = inputs
        parts = [x.clamp(min=0), x.clamp(max=0)] if rule.splits else [x]
        runs = [_Runs([(part, self._function)]) for part in parts]

        def hand_down(factors: Factors) -> list[torch.Tensor]:
            pairs = zip(runs, (factors.first, factors.negative), strict=False)
            found = [run.back(factor) for run, factor in pairs if factor is not None]
            return [sum(found[1:], found[0])]

        return Contributions(Sums(*(run.total for run in runs)), None, hand_down)


class Sum(Operation):
    """A sum of tensors, each times a coefficient, and of a constant; element by element.

    Parameters
    ----------
    coefficients
        One for each tensor.
    constant
        None: zero.
    """

    def __init__(self, coefficients: Sequence[Coefficient], constant: torch.Tensor | None = None):
        self.coefficients = tuple(coefficients)
        self.constant = constant

    def contributions(self, inputs: Sequence[torch.Tensor], rule: Rule) -> Contributions:
        """As `Operation.contributions`."""
        terms = [c * x for c, x in zip(self.coefficients, inputs, strict=True)]
        parts = [(t.clamp(min=0), t.clamp(max=0)) if rule.splits else (t,) for t in terms]
        totals = [sum(same[1:], same[0]) for same in zip(*parts, strict=True)]
        sums = Sums(*totals)
        if self.constant is not None:
            whole = Sums(sums.first + self.constant)
            sums = _shifted(totals, self.constant) if rule.splits else whole

        def hand_down(factors: Factors) -> list[torch.Tensor]:
            found = []
            for x, part in zip(inputs, parts, strict=True):
                pairs = zip(part, (factors.first, factors.negative), strict=False)
                shares = [value * factor for value, factor in pairs if factor is not None]
                found.append(gathered(sum(shares[1:], shares[0]), x.shape))
            return found

        return Contributions(sums, self.constant, hand_down)


def absorbed_by(constant: torch.Tensor, factors: Factors, splits: bool) -> torch.Tensor:
    """Relevance that a constant keeps, at every position."""
    if not splits:
        return constant * factors.first
    kept = constant.clamp(min=0) * factors.first
    if factors.negative is None:
        return kept
    return kept + constant.clamp(max=0) * factors.negative


def gathered(relevance: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Relevance of a tensor of a shape that was broadcast: what it was repeated for, added up."""
    return relevance.sum_to_size(*shape)


class _Runs:
    """Maps run on values, their outputs added up; and the way back to the values."""

    def __init__(self, runs: Sequence[tuple[torch.Tensor, Map]]):
        with torch.enable_grad():
            self._leaves = [value.detach().requires_grad_() for value, _ in runs]
            outputs = [run(leaf) for leaf, (_, run) in zip(self._leaves, runs, strict=True)]
            self._output = sum(outputs[1:], outputs[0])
        self.total = self._output.detach()

    def back(self, factor: torch.Tensor) -> torch.Tensor:
        """Contributions of every value times the factor of the output that they went into."""
        factor = factor.expand_as(self._output)
        gradients = torch.autograd.grad(self._output, self._leaves, factor)
        shares = [x.detach() * g for x, g in zip(self._leaves, gradients, strict=True)]
        return sum(shares[1:], shares[0])


def _shifted(sums: Sequence[torch.Tensor], shift: torch.Tensor | None) -> Sums:
    """Positive and negative sums with a constant, which is one or the other."""
    first, negative = sums
    if shift is None:
        return Sums(first, negative)
    return Sums(first + shift.clamp(min=0), negative + shift.clamp(max=0))
