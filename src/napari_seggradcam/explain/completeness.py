"""Integrals along a line that are computed until they add up.

What integrated gradients share out over the values of an input, or of feature maps, is the
difference of the score between the ends of the line. How much of that is missing or too much says
how good the sum that stands for the integral is.

References
----------
M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks. ICML 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import OptionError

# Steps of the first try; fewer have never been enough for a network with rectifiers.
_FIRST = 32


@dataclass(frozen=True)
class Completeness:
    """When an integral is good enough.

    Attributes
    ----------
    tolerance
        The completeness gap that is sought: |Σ attributions - ΔS| ÷ |ΔS|, where ΔS is the
        difference of the score between the ends of the line.
    most_steps
        Steps at most. The number of steps is doubled until the gap is within the tolerance.

    Raises
    ------
    OptionError
        If the tolerance is not above 0 or the steps are fewer than 1.
    """

    tolerance: float = 0.01
    most_steps: int = 1024

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise OptionError(f"The tolerance is {self.tolerance}; expected a number above 0.")
        if self.most_steps < 1:
            raise OptionError(f"There are to be {self.most_steps} steps; expected 1 or more.")

    def reach(
        self,
        integrate: Callable[[int], torch.Tensor],
        difference: float,
        expect: Callable[[int], None],
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Attributions that add up, and facts about how well they do.

        Parameters
        ----------
        integrate
            Gives the attributions of so many steps.
        difference
            ΔS.
        expect
            Told how many steps come next.
        """
        steps = min(_FIRST, self.most_steps)
        while True:
            expect(steps)
            values = integrate(steps)
            gap = gap_of(values, difference)
            if gap <= self.tolerance or 2 * steps > self.most_steps:
                break
            steps *= 2
        facts: dict[str, Any] = {
            "steps": steps,
            "score_difference": difference,
            "completeness_gap": gap,
            "tolerance": self.tolerance,
            "complete": gap <= self.tolerance,
        }
        return values, facts


def gap_of(values: torch.Tensor, difference: float) -> float:
    """Completeness gap of attributions, |Σ attributions - ΔS| ÷ |ΔS|.

    Where ΔS is zero, the sum of the attributions' absolute values stands for it; with nothing to
    share out and nothing shared out the gap is zero.
    """
    total = float(values.cpu().double().sum())
    whole = abs(difference) or float(values.cpu().double().abs().sum())
    return abs(total - difference) / whole if whole else 0.0
