"""What is known of a network layer, in words."""

from __future__ import annotations

import math
from typing import Any


def row_in_words(row: Any) -> str:
    """A line for each number of a `LayerFacts`, and the reasons."""
    size = " × ".join(map(str, row.resolution))
    return "\n".join(
        [
            f"{row.name}: {row.why}.",
            f"{row.channels} channels of {size}",
            f"share of the score {_percent(row.share)}, Gini index {_number(row.sparsity)}",
            f"like the predicted mask {_number(row.mask_echo)}, the logits"
            f" {_number(row.logit_echo)}, the image's edges {_number(row.edge_echo)}, another"
            f" region's heatmap {_number(row.blindness)}",
        ]
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:z.2f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:z.0f} %"
