"""Layer-wise relevance propagation as a method among others."""

from dataclasses import asdict, dataclass
from typing import Literal

from ...networks.layers import INPUT
from ..ground import Ground
from ..methods.attributing import Attribution, AttributionMethod
from .propagation import conservation, propagate
from .rules import rule_of


@dataclass(frozen=True)
class LayerwiseRelevance(AttributionMethod):
    """Layer-wise relevance propagation: the score is shared out, operation by operation.

    The stabiliser depends on the mean of all that is summed, so that the whole image runs.

    Parameters
    ----------
    rule
        ``"epsilon"``, ``"gamma"``, ``"z-plus"``, or ``"composite"``: z-plus, epsilon in the head.

    References
    ----------
    S. Bach et al.: On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise
    Relevance Propagation. PLoS ONE 10(7), 2015.
    """

    name = "lrp"
    answers_layers = True
    sees_all = True
    rule: Literal["epsilon", "gamma", "z-plus", "composite"] = "epsilon"

    def __post_init__(self) -> None:
        rule_of(self.rule)

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Relevance of the input and of every network layer that is asked about."""
        layers = [layer for layer in ground.layers if layer.role != INPUT]
        found = propagate(
            ground.score.network,
            ground.score.tensor,
            lambda logits: ground.of_logits(logits).sum(),
            layers,
            self.rule,
            ground.progress,
            ground.cancel,
        )
        cuts = conservation(found)
        return {
            name: Attribution(values, None, {**asdict(cuts[name]), "gap": cuts[name].gap})
            for name, values in found.maps.items()
        }
