import json

import numpy as np
import pytest

from napari_seggradcam.evaluate.observation_report import (
    first_edges,
    report,
    rise,
    statements,
    summaries,
)
from napari_seggradcam.evaluate.observations import (
    COMMON_GRID,
    HEATMAP,
    OWN_GRID,
    SIGNED,
    Observation,
    Observations,
)
from napari_seggradcam.evaluate.references import EDGES, LOGITS, MASK, REFERENCES

STAGES = ("encoder 0", "encoder 1", "encoder 2", "bottleneck", "decoder 1", "decoder 0")


def observations(of_reference, questions=("a", "b", "c")):
    """Correlations for each stage, the same for every question, map and grid."""

    def observation(q, stage, map, grid, reference, value):
        undefined = None if np.isfinite(value) else "empty"
        return Observation(q, stage, stage, map, grid, reference, value, undefined)

    rows = tuple(
        Observation(
            q, stage, stage, map, grid, reference, value, None if np.isfinite(value) else "empty"
        )
        for q in questions
        for reference in REFERENCES
        for stage, value in zip(STAGES, of_reference[reference], strict=True)
        for map in (HEATMAP, SIGNED)
        for grid in (OWN_GRID, COMMON_GRID)
    )
    return Observations("test", tuple(questions), STAGES, rows)


AS_IN_THE_PAPER = {
    EDGES: (0.7, 0.6, 0.4, 0.2, 0.3, 0.1),
    LOGITS: (-0.2, 0.0, 0.0, 0.1, 0.6, 0.95),
    MASK: (0.0, 0.0, 0.0, 0.2, 0.5, 0.8),
}


def test_what_the_paper_says_is_recognised():
    logits, mask, edges = statements(observations(AS_IN_THE_PAPER))
    assert logits == (
        "The correlation with the logits rises from 0.10 at the bottleneck to 0.95 at decoder 0 "
        "(higher at the end in 3 of 3 questions) as the paper says, and falls nowhere."
    )
    assert "rises from 0.20" in mask
    assert edges == (
        "The correlation with the image gradients is highest at one of the first stages, as the "
        "paper says: 0.70 at encoder 0 and 0.60 at encoder 1; the highest after them is 0.40 at "
        "encoder 2."
    )


def test_a_fall_on_the_way_is_named():
    observed = observations(AS_IN_THE_PAPER | {LOGITS: (0, 0, 0, 0.5, 0.3, 0.9)})
    assert "but falls on the way, from 0.50 at the bottleneck to 0.30 at decoder 1" in rise(
        observed, LOGITS
    )


def test_stages_before_the_bottleneck_that_are_higher_are_named():
    observed = observations(AS_IN_THE_PAPER | {LOGITS: (0.5, 0.0, 0.3, 0.1, 0.6, 0.9)})
    expected = "higher than at the bottleneck already at encoder 0 (0.50) and encoder 2 (0.30)."
    assert rise(observed, LOGITS).endswith(expected)


@pytest.mark.parametrize("end", [0.1, 0.4])
def test_no_rise_is_said(end):
    observed = observations(AS_IN_THE_PAPER | {MASK: (0, 0, 0, 0.4, 0.9, end)})
    sentence = rise(observed, MASK)
    assert "does not rise as the paper says" in sentence
    assert "in 0 of 3 questions" in sentence


def test_edges_that_are_strongest_elsewhere_are_said():
    observed = observations(AS_IN_THE_PAPER | {EDGES: (0.1, 0.2, 0.3, 0.9, 0.3, 0.1)})
    sentence = first_edges(observed)
    assert "not highest at the first stages" in sentence
    assert "0.90 at the bottleneck" in sentence


def test_edges_that_are_as_strong_elsewhere_are_said():
    observed = observations(AS_IN_THE_PAPER | {EDGES: (0.1, 0.3, 0.3, 0.2, 0.1, 0.1)})
    assert first_edges(observed).endswith("0.30 at encoder 1, and also 0.30 at encoder 2.")


def test_what_is_not_defined_is_not_called_a_rise():
    observed = observations(AS_IN_THE_PAPER | {MASK: (0, 0, 0, np.nan, 0.4, 0.8)})
    assert (
        rise(observed, MASK)
        == "The correlation with the predicted mask is not defined at bottleneck."
    )


def test_differences_that_rounding_hides_are_no_falls():
    observed = observations(AS_IN_THE_PAPER | {LOGITS: (0, 0, 0, 0.504, 0.501, 0.9)})
    assert "falls nowhere" in rise(observed, LOGITS)


def test_report_has_one_row_a_stage_and_says_how_many_are_empty():
    observed = observations(AS_IN_THE_PAPER | {EDGES: (0.7, 0.6, 0.4, np.nan, 0.3, -0.001)})
    text = report(observed)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 * (2 + len(STAGES))
    assert "| encoder 0 | 0.70 (0.70 … 0.70) |" in text
    assert "3 of 3" in text
    assert "nan" not in text
    assert "-0.00" not in text


def test_summaries_are_json():
    observed = observations(AS_IN_THE_PAPER | {EDGES: (np.nan,) * 6})
    found = json.loads(json.dumps(summaries(observed), allow_nan=False))
    assert len(found["summaries"]) == 2 * 2 * len(STAGES) * len(REFERENCES)
    logits = [
        s for s in found["summaries"] if s["reference"] == LOGITS and s["stage"] == "decoder 0"
    ]
    assert {s["median"] for s in logits} == {0.95}
    assert {s["median"] for s in found["summaries"] if s["reference"] == EDGES} == {None}
