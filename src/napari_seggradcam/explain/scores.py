"""The score S: what is differentiated.

S adds up, over the pixels (i, j) of M, a function of the logits y there:

=================  ==================================================================
``logit``          y_c, as in the paper
``margin``         y_c − log Σ_{c' ≠ c} exp y_c' = log p_c / (1 − p_c); or y_c − y_c'
``log-probability``  log p_c
``probability``    p_c, which the code that the paper's authors released differentiates
=================  ==================================================================

The margin alone stays the same when anything is added to all logits of a pixel, which leaves the
probabilities p as they are. p is the softmax of the logits, or the sigmoid of each, where the
network ends in one or has one row z of logits; then y_1 = z, y_0 = −z and the margin is y_c, again
log p_c / (1 − p_c).

References
----------
K. Vinogradova, A. Dibrov, G. Myers: Towards Interpretable Semantic Segmentation via
Gradient-Weighted Class Activation Mapping. AAAI-20 student abstract, 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..errors import OptionError, TargetError
from ..networks.network import Network
from .options import check_known
from .regions.output import OutputRegion

LOGIT, MARGIN, LOG_PROBABILITY, PROBABILITY = "logit", "margin", "log-probability", "probability"
SCORES = (LOGIT, MARGIN, LOG_PROBABILITY, PROBABILITY)
SUM, MEAN = "sum", "mean"
REDUCTIONS = (SUM, MEAN)

# S, of every item of a batch or of all, as a function of the logits (batch, rows, *output).
ScoreOfLogits = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Score:
    """Which function of the logits is added up, and how.

    Attributes
    ----------
    name
        One of `SCORES`.
    versus
        Of a margin, the class c' that is asked about instead of all others.
    reduce
        ``"sum"``, as in the paper, or ``"mean"``: over M, or over each side of a region that
        weighs two against each other.
    sigmoid
        Whether every row of logits has a probability of its own.
    """

    name: str = LOGIT
    versus: int | None = None
    reduce: str = SUM
    sigmoid: bool = False

    @classmethod
    def of(
        cls, network: Network, name: str, versus: int | str | None = None, reduce: str = SUM
    ) -> "Score":
        """Score of a network's class.

        Parameters
        ----------
        network
            What is explained.
        name, reduce
            As for the class.
        versus
            Class by index or name.

        Raises
        ------
        OptionError
            If there is no such score or reduction, or ``versus`` is for another score.
        TargetError
            If the network has no such class.
        """
        check_known("score", name, SCORES)
        check_known("reduce", reduce, REDUCTIONS)
        if versus is not None and name != MARGIN:
            raise OptionError(
                f"The score is {name!r} and versus is {versus!r}; another class is only asked "
                'against by score="margin".'
            )
        against = None if versus is None else network.class_index(versus)
        sigmoid = network.rows == 1 or network.activation == "sigmoid"
        return cls(name, against, reduce, sigmoid)

    def check(self, target: int) -> None:
        """Raise `TargetError` if class ``target`` is asked against itself."""
        if self.versus == target:
            raise TargetError(
                f"Class {target} is asked against itself (versus). Choose another class."
            )

    def region(self, region: OutputRegion) -> OutputRegion:
        """The region whose sum gives this score."""
        return region.averaged() if self.reduce == MEAN else region

    def __call__(self, logits: torch.Tensor, target: int, region: OutputRegion) -> torch.Tensor:
        """Score of every item of a batch, in double precision.

        Parameters
        ----------
        logits
            Of shape (batch, rows, *output).
        target
            Class c.
        region
            M on the output grid, as `region` gave it.

        Returns
        -------
        torch.Tensor, shape (batch,)
        """
        return self._weighted(logits, target, region).flatten(1).sum(1)

    def of_pixels(self, logits: torch.Tensor, target: int, region: OutputRegion) -> torch.Tensor:
        """What every pixel of M adds to the score, (batch, pixels); as for calling it."""
        there = torch.from_numpy(region.weights != 0).to(logits.device)
        return self._weighted(logits, target, region)[:, there]

    def describe(self) -> dict[str, Any]:
        """In JSON types."""
        return {"score": self.name, "versus": self.versus, "reduce": self.reduce}

    def at_pixels(self, logits: torch.Tensor, target: int) -> torch.Tensor:
        """The function of the logits at every pixel, (batch, *output), in double precision."""
        if self.name == LOGIT and logits.shape[1] > 1:  # the others may be many
            return _double(logits[:, target])
        return self._functions(_double(logits), target)

    def _weighted(self, logits: torch.Tensor, target: int, region: OutputRegion) -> torch.Tensor:
        """What every pixel of the box around M adds to the score, (batch, *box)."""
        pixels = self.at_pixels(logits[:, :, *region.box], target)
        return pixels * torch.from_numpy(region.weights).to(pixels)

    def _functions(self, logits: torch.Tensor, target: int) -> torch.Tensor:
        """Score of every pixel, (batch, *box), of logits (batch, rows, *box)."""
        if logits.shape[1] == 1:
            own = logits[:, 0] if target else -logits[:, 0]
        else:
            own = logits[:, target]
        if self.name == LOGIT:
            return own
        if self.name == MARGIN:
            return self._margin(own, logits, target)
        sigmoid = self.sigmoid
        log_probability = functional.logsigmoid(own) if sigmoid else own - logits.logsumexp(1)
        return log_probability if self.name == LOG_PROBABILITY else log_probability.exp()

    def _margin(self, own: torch.Tensor, logits: torch.Tensor, target: int) -> torch.Tensor:
        if logits.shape[1] == 1:
            return own
        if self.versus is not None:
            return own - logits[:, self.versus]
        if self.sigmoid:
            return own
        others = torch.cat([logits[:, :target], logits[:, target + 1 :]], 1)
        return own - others.logsumexp(1)


def _double(values: torch.Tensor) -> torch.Tensor:
    """In double precision, where the device has it."""
    return values if values.device.type == "mps" else values.double()
