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

from .options import check_above_zero, check_count

# Steps of the first try; fewer have never been enough for a network with rectifiers.
_FIRST = 32
# What rounding makes of a score, in units of its last digit.
_ROUNDING = 8


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
        If the tolerance is not above 0 or the steps are no whole number from 1.
    """

    tolerance: float = 0.01
    most_steps: int = 1024

    def __post_init__(self) -> None:
        check_above_zero("tolerance", self.tolerance)
        check_count("most_steps", self.most_steps)

    def reach(
        self,
        integrate: Callable[[int], torch.Tensor],
        start: float,
        end: float,
        expect: Callable[[int], None],
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Attributions that add up, and facts about how well they do.

        A difference of the score that is small beside the score itself is known no better than
        rounding leaves it, and more steps can't close such a gap: one within the rounding
        counts as closed.

        Parameters
        ----------
        integrate
            Gives the attributions of so many steps.
        start, end
            S at the ends of the line; ΔS is the second less the first.
        expect
            Told how many steps come next.
        """
        steps, difference = min(_FIRST, self.most_steps), end - start
        while True:
            expect(steps)
            values = integrate(steps)
            error, gap = _gap(values, difference)
            rounding = _ROUNDING * torch.finfo(values.dtype).eps * max(abs(start), abs(end))
            is_closed = gap <= self.tolerance or error <= rounding
            if is_closed or 2 * steps > self.most_steps:
                break
            steps *= 2
        facts: dict[str, Any] = {
            "steps": steps,
            "score_difference": difference,
            "score_rounding": rounding,
            "completeness_gap": gap,
            "tolerance": self.tolerance,
            "complete": is_closed,
        }
        return values, facts


def _gap(values: torch.Tensor, difference: float) -> tuple[float, float]:
    """What Σ attributions differs from ΔS by, alone and as a share of |ΔS|.

    Where ΔS is zero, the sum of the attributions' absolute values stands for it; with nothing to
    share out and nothing shared out the share is zero.
    """
    values = values.cpu().double()
    error = abs(float(values.sum()) - difference)
    whole = abs(difference) or float(values.abs().sum())
    return error, error / whole if whole else 0.0
