"""Which network layers are worth looking at, by their numbers and with the reasons in words.

A network layer is left out if its heatmap is zero, if it repeats the prediction or the image's
edges, if it is the same for another region, or if hardly anything of the score passes there. Of
those of one stage that are left, the one where the most of the score passes is recommended. Where a
network layer stands does not count.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from ...networks.layers import stage_name
from .layer_facts import LayerFacts

MASK_ECHO = 0.8
"""Above this correlation, of either sign, with mask or logits a map repeats the prediction."""

EDGE_ECHO = 0.5
"""Above this correlation, of either sign, with the image's gradients a heatmap repeats edges."""

BLINDNESS = 0.9
"""Above this correlation with another region's heatmap one hardly depends on the region."""

LEAST_SHARE = 0.05
"""Where less than this share of the score passes, for or against, a heatmap explains little."""


def judged(rows: Sequence[LayerFacts]) -> tuple[LayerFacts, ...]:
    """Rows with what their numbers speak for, and why.

    Parameters
    ----------
    rows
        Of one question.
    """
    against = {row.name: reasons_against(row) for row in rows}
    best: dict[str, LayerFacts] = {}
    for row in rows:
        stage = stage_name(row.role, row.level)
        if not against[row.name] and _weight(row) >= _weight(best.get(stage, row)):
            best[stage] = row
    found = []
    for row in rows:
        chosen = best.get(stage_name(row.role, row.level))
        if against[row.name]:
            why = "; ".join(against[row.name])
        elif chosen is row:
            why = _for(row)
        else:
            assert chosen is not None  # this row stood for its stage
            why = f"{_for(row)}; of its stage, {chosen.name} stands for it"
        found.append(replace(row, recommended=chosen is row, why=why))
    return tuple(found)


def reasons_against(row: LayerFacts) -> list[str]:
    """Why not to look at a network layer; empty if nothing speaks against it."""
    if row.empty is not None:
        return [row.empty.rstrip(".")]
    if math.isnan(row.inside):
        return ["its heatmap is zero on the image"]
    reasons = []
    if abs(row.mask_echo) > MASK_ECHO:
        reasons.append(f"repeats the predicted mask (correlation {row.mask_echo:.2f})")
    if abs(row.logit_echo) > MASK_ECHO:
        reasons.append(f"its signed map repeats the logits (correlation {row.logit_echo:.2f})")
    if abs(row.edge_echo) > EDGE_ECHO:
        reasons.append(f"repeats the image's edges (correlation {row.edge_echo:.2f})")
    if row.blindness > BLINDNESS:
        reasons.append(f"the same for another region (correlation {row.blindness:.2f})")
    # A score of zero has no shares.
    if not abs(row.share) >= LEAST_SHARE:
        reasons.append(f"hardly any of the score passes here ({row.share:.1%})")
    return reasons


def repetition(row: LayerFacts) -> float:
    """The largest of the correlations that speak against a network layer."""
    echoes = (abs(row.mask_echo), abs(row.logit_echo), abs(row.edge_echo), row.blindness)
    return max((echo for echo in echoes if not math.isnan(echo)), default=0.0)


def _weight(row: LayerFacts) -> float:
    # Rounding must not choose among network layers that hand the same on.
    return round(abs(row.share), 3)


def _for(row: LayerFacts) -> str:
    """What speaks for a network layer."""
    against = " against the class" if row.share < 0 else ""
    words = f"{abs(row.share):.0%} of the score passes here{against}, and it repeats neither "
    words += "the prediction nor the edges"
    if math.isnan(row.blindness):
        return f"{words}; no map of another region to compare with"
    return f"{words}; it changes with the region (correlation {row.blindness:.2f})"
