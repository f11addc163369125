import numpy as np
import pytest
import torch

import napari_seggradcam as sgc
from napari_seggradcam.evaluate.observations import (
    COMMON_GRID,
    HEATMAP,
    OWN_GRID,
    SIGNED,
    Question,
    observe,
)
from napari_seggradcam.evaluate.references import EDGES, LOGITS, MASK, REFERENCES
from napari_seggradcam.explain.methods.weighting import NO_POSITIVE_EVIDENCE
from napari_seggradcam.networks.unet import UNet

STAGES = ("encoder 0", "encoder 1", "bottleneck", "decoder 1", "decoder 0")


@pytest.fixture
def module():
    module = UNet(ndim=2, in_channels=1, out_channels=2, depth=2, base_width=4).eval()
    with torch.no_grad():
        module(torch.randn(1, 1, 32, 32))
    return module


@pytest.fixture
def questions(rng):
    image = rng.random((30, 44)).astype(np.float32)
    corner = np.zeros(image.shape, bool)
    corner[:9, :9] = True
    return [
        Question("corner", image, "YX", corner, 1),
        Question("all", image, "YX", sgc.everywhere(), "class 0"),
        Question("other image", image[::-1].copy(), "YX", sgc.pixel(5, 6), 1),
    ]


def head_of(module):
    return [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)][-1]


def test_one_observation_for_every_question_stage_map_grid_and_reference(module, questions):
    network = sgc.Network.from_module(module)
    observed = observe(network, questions)
    assert observed.stages == STAGES
    assert observed.questions == ("corner", "all", "other image")
    assert len(observed.rows) == len({row.question for row in observed.rows}) * 5 * 2 * 2 * 3
    for stage in STAGES:
        for reference in REFERENCES:
            assert observed.correlations(stage, reference).shape == (3,)


def test_signed_map_before_the_last_convolution_is_the_logits(module, questions):
    # (|M| / N) (y_c - b_c): the same order at every pixel, whatever M is.
    observed = observe(sgc.Network.from_module(module), questions)
    correlations = observed.correlations("decoder 0", LOGITS, SIGNED, OWN_GRID)
    assert correlations == pytest.approx(1, abs=1e-6)


def test_grids_agree_where_they_are_the_same(module, questions):
    observed = observe(sgc.Network.from_module(module), questions)
    for map in (HEATMAP, SIGNED):
        own, common = (
            observed.correlations("bottleneck", EDGES, map, g) for g in (OWN_GRID, COMMON_GRID)
        )
        np.testing.assert_array_equal(own, common)


def test_empty_heatmaps_are_counted_with_their_reason(module, questions):
    head = head_of(module)
    with torch.no_grad():
        head.weight.copy_(-head.weight.abs())
    observed = observe(sgc.Network.from_module(module), questions)
    assert observed.empty_heatmaps("decoder 0") == {NO_POSITIVE_EVIDENCE: 3}
    summary = observed.summary("decoder 0", LOGITS)
    assert np.isnan(summary.median)
    assert (summary.questions, summary.undefined) == (3, 3)
    assert observed.summary("decoder 0", LOGITS, SIGNED).undefined == 0


def test_a_class_that_is_predicted_nowhere_is_no_empty_heatmap(module, questions):
    head = head_of(module)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([1e4, 0.0]))
    observed = observe(sgc.Network.from_module(module), questions[:1])
    rows = [r for r in observed.rows if r.reference == MASK and r.map == SIGNED]
    assert {row.undefined for row in rows} == {"The predicted mask is the same everywhere."}
    assert observed.summary("decoder 0", LOGITS, SIGNED).undefined == 0


def test_summary_is_median_and_quartiles_of_what_is_defined(module, questions):
    observed = observe(sgc.Network.from_module(module), questions)
    values = observed.correlations("encoder 0", EDGES, SIGNED)
    summary = observed.summary("encoder 0", EDGES, SIGNED)
    assert summary.median == pytest.approx(sorted(values)[1])
    assert summary.lower <= summary.median <= summary.upper


def test_progress_names_every_question(module, questions):
    seen = []
    observe(sgc.Network.from_module(module), questions, lambda *step: seen.append(step))
    assert seen == [(0, 3, "corner"), (1, 3, "all"), (2, 3, "other image")]
