"""Rules: in what proportions a linear operation hands relevance down to what it was summed from.

A linear operation adds contributions, z = Σ_i x_i w_i + b. A rule turns its relevance R into the
factors with which every contribution is multiplied to become the relevance of its input:
R_i = x_i w_i s for contributions of either sign, or R_i = (x_i w_i)⁺ s⁺ + (x_i w_i)⁻ s⁻. The bias b
is a contribution as well; what it gets ends there.

References
----------
S. Bach et al.: On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise
Relevance Propagation. PLoS ONE 10 (7), 2015 (ε and z⁺, there α = 1, β = 0).
G. Montavon et al.: Layer-Wise Relevance Propagation: An Overview. In: Explainable AI, LNCS 11700,
2019 (γ, and one rule for the head and another for the rest).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...errors import OptionError
from ..options import check_known


class Sums(NamedTuple):
    """What a linear operation adds up.

    Attributes
    ----------
    first
        The sum of all contributions, or of the positive ones.
    negative
        The sum of the negative ones; None if all are in the first, or nobody asked.
    """

    first: torch.Tensor
    negative: torch.Tensor | None = None


class Factors(NamedTuple):
    """What a rule multiplies contributions with.

    Attributes
    ----------
    first
        Factor of all contributions, or of the positive ones.
    negative
        Of the negative ones; None if the first is for all, or they get nothing.
    absorbed
        Relevance that the stabiliser keeps, at every position.
    """

    first: torch.Tensor
    negative: torch.Tensor | None
    absorbed: torch.Tensor


@dataclass(frozen=True)
class Rule(ABC):
    """How one operation hands relevance down.

    Attributes
    ----------
    epsilon
        The stabiliser: it is added to the size of what relevance is divided by, as a share of the
        mean size of that over all channels and positions.
    """

    epsilon: float = 1e-6
    splits: ClassVar[bool] = True
    """Whether positive and negative contributions are told apart."""
    uses_negative: ClassVar[bool] = True
    """Whether negative contributions matter."""

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon < 1:
            raise OptionError(
                f"The stabiliser is {self.epsilon!r} of the mean; it must be from 0 to below 1."
            )

    @abstractmethod
    def factors(self, sums: Sums, relevance: torch.Tensor) -> Factors:
        """Factors for contributions that add up to ``sums``, given the relevance of their sum."""

    def _divide(
        self, relevance: torch.Tensor, denominator: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Relevance divided by a stabilised denominator, and what the stabiliser absorbs."""
        added = self.epsilon * denominator.abs().mean()
        added = torch.where(denominator < 0, -added, added)
        stabilised = denominator + added
        is_zero = stabilised == 0
        factor = relevance / stabilised.masked_fill(is_zero, 1)
        factor = factor.masked_fill(is_zero, 0)
        return factor, torch.where(is_zero, relevance, added * factor)


@dataclass(frozen=True)
class Epsilon(Rule):
    """s = R / (z + ε sign z): every contribution gets its share of the sum, also negative ones.

    With ε = 0 and without biases, the relevance of a network of rectifiers and poolings by maximum
    is gradient times value.
    """

    epsilon: float = 1e-2
    splits: ClassVar[bool] = False

    def factors(self, sums: Sums, relevance: torch.Tensor) -> Factors:
        """As `Rule.factors`."""
        factor, absorbed = self._divide(relevance, sums.first)
        return Factors(factor, None, absorbed)


@dataclass(frozen=True)
class ZPlus(Rule):
    """s⁺ = R / (z⁺ + ε), s⁻ = 0: only positive contributions count (α = 1, β = 0).

    Where relevance begins positive, it is positive everywhere. What nothing positive has led to
    is absorbed by the stabiliser.
    """

    uses_negative: ClassVar[bool] = False

    def factors(self, sums: Sums, relevance: torch.Tensor) -> Factors:
        """As `Rule.factors`."""
        factor, absorbed = self._divide(relevance, sums.first)
        return Factors(factor, None, absorbed)


@dataclass(frozen=True)
class Gamma(Rule):
    """Contributions that point where the sum points count 1 + γ times.

    For positive inputs and sums these are the weights w + γ w⁺ of Montavon et al.; for others it
    is the form that keeps the denominator away from zero (L. Andéol et al.: Learning Domain
    Invariant Representations by Joint Wasserstein Distance Minimization, 2021, and zennit).

    Attributes
    ----------
    gamma
        γ; 0 is ε's rule, and large ones come close to z⁺ where sums are positive.
    """

    gamma: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma < float("inf"):
            raise OptionError(f"γ is {self.gamma!r}; it must be a number from 0 up.")

    def factors(self, sums: Sums, relevance: torch.Tensor) -> Factors:
        """As `Rule.factors`."""
        positive, negative = sums
        assert negative is not None  # asked for by `uses_negative`
        is_up, more = positive + negative >= 0, 1 + self.gamma
        denominator = torch.where(is_up, more * positive + negative, positive + more * negative)
        factor, absorbed = self._divide(relevance, denominator)
        favoured = more * factor
        up, down = torch.where(is_up, favoured, factor), torch.where(is_up, factor, favoured)
        return Factors(up, down, absorbed)


@dataclass(frozen=True)
class Composite:
    """One rule for the head and another for what lies before it.

    Attributes
    ----------
    name
        For people and records.
    body
        For every operation but those of the head.
    head
        For the last operation with weights on every way to the logits, and what follows it.
    """

    name: str
    body: Rule
    head: Rule


DEFAULT = "epsilon"
RULES = {
    rule.name: rule
    for rule in (
        Composite("epsilon", Epsilon(), Epsilon()),
        Composite("gamma", Gamma(), Gamma()),
        Composite("z-plus", ZPlus(), ZPlus()),
        Composite("composite", ZPlus(), Epsilon()),
    )
}
"""By name; ``"composite"`` is z⁺ with ε on the head, as usual for convolutional networks."""


def rule_of(rule: str | Rule | Composite) -> Composite:
    """What a name or a rule stands for.

    Raises
    ------
    OptionError
        If there is no rule of that name.
    """
    if isinstance(rule, Composite):
        return rule
    if isinstance(rule, Rule):
        return Composite(repr(rule), rule, rule)
    check_known("rule", rule, RULES)
    return RULES[rule]
