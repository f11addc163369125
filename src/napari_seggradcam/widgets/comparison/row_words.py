"""What is known of a network layer, in words."""

from __future__ import annotations

import math
from typing import Any


def row_in_words(row: Any) -> str:
    """The reasons of a `LayerFacts`, and its numbers."""
    size = " × ".join(map(str, row.resolution))
    echoes = ", ".join(f"{name} {_number(value)}" for name, value in _echoes(row))
    return (
        f"{row.name}: {row.why}.\n"
        f"{row.channels} channels of {size}, Gini index {_number(row.sparsity)}."
        f" Correlation with {echoes}."
    )


def repeated_most(row: Any) -> str:
    """What a network layer's map is most like, and how much; "zero" where there is no heat."""
    if row.empty:
        return "zero"
    known = [one for one in _echoes(row) if not math.isnan(one[1])]
    if not known:
        return "–"
    name, value = max(known, key=lambda one: abs(one[1]))
    return f"{name} {_number(value)}"


def percent(value: float) -> str:
    """A share in percent, without the sign."""
    return "–" if math.isnan(value) else f"{100 * value:z.0f}"


def _echoes(row: Any) -> tuple[tuple[str, float], ...]:
    return (
        ("mask", row.mask_echo),
        ("logits", row.logit_echo),
        ("edges", row.edge_echo),
        ("other", row.blindness),
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:z.2f}"
