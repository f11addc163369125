"""Sentences and tables about what was observed, written from the numbers.

The paper says that heatmaps of the first network layers show edge-like structures, and that those
towards the end of the expansive path come to look like the logits and the mask. Each sentence puts
one of these beside the medians, and names the stages where it does not hold.
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise, product
from typing import Any

import numpy as np

from .observations import COMMON_GRID, HEATMAP, OWN_GRID, SIGNED, Observations
from .references import EDGES, LOGITS, MASK, REFERENCES

# Medians are given to two digits, and what does not show in them is no rise and no fall.
_DIGITS = 2
# "The first network layers" of the paper: the stages before the second halving of the resolution.
_FIRST_STAGES = 2
_OTHER_READINGS = ((HEATMAP, COMMON_GRID), (SIGNED, OWN_GRID), (SIGNED, COMMON_GRID))
_GRIDS = {OWN_GRID: "each stage on its own grid", COMMON_GRID: "all stages on one common grid"}


def statements(
    observed: Observations, map: str = HEATMAP, grid: str = OWN_GRID
) -> tuple[str, str, str]:
    """Whether the paper's observations hold for a network.

    Parameters
    ----------
    observed
        What was observed.
    map, grid
        Which map is spoken of, and the grid on which it was compared.

    Returns
    -------
    tuple of str
        One sentence each about the logits, the predicted mask and the image's gradients.
    """
    return (
        rise(observed, LOGITS, map, grid),
        rise(observed, MASK, map, grid),
        first_edges(observed, map, grid),
    )


def rise(observed: Observations, reference: str, map: str = HEATMAP, grid: str = OWN_GRID) -> str:
    """Whether the correlation with a reference rises from the bottleneck to the end."""
    middle = observed.stages.index("bottleneck")
    stages = observed.stages[middle:]
    medians = _medians(observed, stages, reference, map, grid)
    if np.isnan(medians).any():
        without = [stage for stage, m in zip(stages, medians, strict=True) if np.isnan(m)]
        return f"The correlation with the {reference} is not defined at {_listed(without)}."
    change = f"from {medians[0]:.2f} at the {stages[0]} to {medians[-1]:.2f} at {stages[-1]}"
    in_questions = _rising_questions(observed, stages, reference, map, grid)
    if medians[-1] <= medians[0]:
        return (
            f"The correlation with the {reference} does not rise as the paper says: it goes "
            f"{change} ({in_questions})."
        )
    falls = _falls(stages, medians)
    course = f"but falls on the way, from {_listed(falls)}" if falls else "and falls nowhere"
    before = observed.stages[:middle]
    earlier = zip(before, _medians(observed, before, reference, map, grid), strict=True)
    higher = [f"{stage} ({median:.2f})" for stage, median in earlier if median > medians[0]]
    already = f"; higher than at the bottleneck already at {_listed(higher)}" if higher else ""
    return (
        f"The correlation with the {reference} rises {change} ({in_questions}) as the paper "
        f"says, {course}{already}."
    )


def first_edges(observed: Observations, map: str = HEATMAP, grid: str = OWN_GRID) -> str:
    """Whether the correlation with the image's gradients is highest at the first stages."""
    medians = _medians(observed, observed.stages, EDGES, map, grid)
    first = _named(observed.stages[:_FIRST_STAGES], medians[:_FIRST_STAGES])
    later = medians[_FIRST_STAGES:]
    if np.isnan(medians[:_FIRST_STAGES]).all() or np.isnan(later).all():
        return f"The correlation with the {EDGES} is not defined at enough stages."
    best_first = float(np.nanmax(medians[:_FIRST_STAGES]))
    best = int(np.nanargmax(later)) + _FIRST_STAGES
    opposite = f"{medians[best]:.2f} at {_the(observed.stages[best])}"
    if best_first > medians[best]:
        return (
            f"The correlation with the {EDGES} is highest at one of the first stages, as the "
            f"paper says: {first}; the highest after them is {opposite}."
        )
    contrast = "and also" if best_first == medians[best] else "but"
    return (
        f"The correlation with the {EDGES} is not highest at the first stages as the paper says: "
        f"{first}, {contrast} {opposite}."
    )


def report(observed: Observations) -> str:
    """Sentences and tables about a network, in Markdown.

    Parameters
    ----------
    observed
        What was observed.

    Returns
    -------
    str
        What holds of the heatmap on each stage's own grid and on one common grid, and of the
        signed map; a table of the first with quartiles, and one of the medians of the others.
    """
    lines = [f"### {observed.network}: {len(observed.questions)} questions", ""]
    for map, grid in ((HEATMAP, OWN_GRID), *_OTHER_READINGS):
        lines += [f"**The {map}, {_GRIDS[grid]}.** {' '.join(statements(observed, map, grid))}", ""]
    return "\n".join([*lines, _main_table(observed), "", _other_table(observed), ""])


def summaries(observed: Observations) -> dict[str, Any]:
    """The same for a script, in JSON types; None where no correlation is defined."""
    rows = []
    for map, grid in product((HEATMAP, SIGNED), (OWN_GRID, COMMON_GRID)):
        for stage, reference in product(observed.stages, REFERENCES):
            found = asdict(observed.summary(stage, reference, map, grid))
            known = {k: None if v != v else v for k, v in found.items()}  # NaN is no JSON
            rows.append({"map": map, "grid": grid, **known})
    return {
        "network": observed.network,
        "questions": list(observed.questions),
        "statements": list(statements(observed)),
        "summaries": rows,
    }


def _main_table(observed: Observations) -> str:
    rows = []
    for stage in observed.stages:
        cells = [stage]
        for reference in REFERENCES:
            found = observed.summary(stage, reference)
            median, lower, upper = map(_written, (found.median, found.lower, found.upper))
            cells.append(f"{median} ({lower} … {upper})")
        empty = sum(observed.empty_heatmaps(stage).values())
        rows.append([*cells, f"{empty} of {len(observed.questions)}"])
    return _markdown(["stage", *REFERENCES, "empty heatmaps"], rows)


def _other_table(observed: Observations) -> str:
    header = ["stage", *(f"{map}, {grid}" for map, grid in _OTHER_READINGS)]
    rows = []
    for stage in observed.stages:
        cells = [
            " / ".join(_written(observed.summary(stage, r, map, grid).median) for r in REFERENCES)
            for map, grid in _OTHER_READINGS
        ]
        rows.append([stage, *cells])
    return _markdown(header, rows)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _medians(
    observed: Observations, stages: Sequence[str], reference: str, map: str, grid: str
) -> list[float]:
    return [_rounded(observed.summary(stage, reference, map, grid).median) for stage in stages]


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # + 0.0 turns -0.0 into 0.0


def _written(value: float) -> str:
    return "–" if np.isnan(value) else f"{_rounded(value):.{_DIGITS}f}"


def _falls(stages: Sequence[str], medians: Sequence[float]) -> list[str]:
    """Steps from one stage to the next at which the medians fall, in words."""
    steps = zip(pairwise(stages), pairwise(medians), strict=True)
    return [
        f"{high:.2f} at {_the(before)} to {low:.2f} at {after}"
        for (before, after), (high, low) in steps
        if low < high
    ]


def _rising_questions(
    observed: Observations, stages: Sequence[str], reference: str, map: str, grid: str
) -> str:
    first, last = (
        observed.correlations(stage, reference, map, grid) for stage in (stages[0], stages[-1])
    )
    defined = np.isfinite(first) & np.isfinite(last)
    rising = int((last > first)[defined].sum())
    return f"higher at the end in {rising} of {int(defined.sum())} questions"


def _named(stages: Sequence[str], medians: Sequence[float]) -> str:
    return _listed([f"{_written(m)} at {_the(s)}" for s, m in zip(stages, medians, strict=True)])


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _the(stage: str) -> str:
    return f"the {stage}" if stage == "bottleneck" else stage
