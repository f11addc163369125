"""What each score is, and what it must be by algebra."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.explain.regions.output import OutputRegion
from napari_seggradcam.explain.scores import SCORES, Score

IMAGE = np.random.default_rng(0).random((24, 32), np.float32)
MASK = np.zeros(IMAGE.shape, bool)
MASK[5:11, 8:20] = True


def unet(**options: object) -> sgc.Network:
    torch.manual_seed(3)
    module = sgc.UNet(**{"depth": 2, "base_width": 4, "out_channels": 3, **options})
    # Centred, so that every class is predicted somewhere.
    nn.init.normal_(module.head.weight)
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(IMAGE)[None, None])
        module.head.bias -= logits.mean((0, 2, 3))
    return sgc.Network.from_module(module)


NETWORK = unet()
EXPLAINER = sgc.Explainer(NETWORK, IMAGE)


def probabilities() -> np.ndarray:
    shifted = np.exp(EXPLAINER.logits.astype(np.float64))
    return shifted / shifted.sum(0)


def test_scores_are_what_they_say() -> None:
    logits, p = EXPLAINER.logits.astype(np.float64), probabilities()
    found = {name: EXPLAINER.explain(MASK, 1, score=name).score for name in SCORES}
    assert found["logit"] == pytest.approx(logits[1][MASK].sum(), rel=1e-6)
    odds = np.log(p[1] / (1 - p[1]))
    assert found["margin"] == pytest.approx(odds[MASK].sum(), rel=1e-6)
    assert found["log-probability"] == pytest.approx(np.log(p[1])[MASK].sum(), rel=1e-6)
    assert found["probability"] == pytest.approx(p[1][MASK].sum(), rel=1e-6)
    versus = EXPLAINER.explain(MASK, 1, score="margin", versus=2)
    assert versus.score == pytest.approx((logits[1] - logits[2])[MASK].sum(), rel=1e-6)
    assert versus.record["question"]["versus"] == 2


@pytest.mark.parametrize("layers", ["bottleneck", "decoder 0 relu 2"])
def test_probability_weighs_the_logits_of_all_classes(layers: str) -> None:
    """dS/dA = Σ_M p_c (w_c − Σ_c' p_c' w_c'): sure pixels count nothing, the rim of M counts."""
    p, rim = probabilities(), EXPLAINER.explain(MASK, 1, layers, score="probability")
    by_class = [
        EXPLAINER.explain((p[1] * ((c == 1) - p[c]) * MASK).astype(np.float32), c, layers)
        for c in range(3)
    ]
    for name, heatmap in rim.items():
        expected = sum(one[name].weights for one in by_class)
        assert_allclose(heatmap.weights, expected, rtol=1e-3, atol=1e-5 * abs(expected).max())


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.integers(0, 2))
def test_margin_alone_does_not_see_what_all_logits_share(seed: int, target: int) -> None:
    """The gauge: a map that is added to the logits of all classes changes no probability."""
    shifted = copy.deepcopy(NETWORK.module)
    torch.manual_seed(seed)
    with torch.no_grad():
        shifted.head.weight += torch.randn(1, *shifted.head.weight.shape[1:])
    other = sgc.Explainer(sgc.Network.from_module(shifted), IMAGE)
    for name in ("margin", "log-probability", "probability"):
        here, there = (one.explain(MASK, target, score=name) for one in (EXPLAINER, other))
        assert there.score == pytest.approx(here.score, rel=1e-4, abs=1e-3)
        (first,), (second,) = here.values(), there.values()
        assert_allclose(second.weights, first.weights, atol=2e-4 * abs(first.weights).max())
    here, there = (one.explain(MASK, target) for one in (EXPLAINER, other))
    (first,), (second,) = here.values(), there.values()
    assert abs(first.weights - second.weights).max() > 0.01 * abs(first.weights).max()


def test_one_row_of_logits() -> None:
    """Class 1 has z, class 0 −z; p is the sigmoid, and the margin is log p / (1 − p) = ±z."""
    explainer = sgc.Explainer(unet(out_channels=1), IMAGE)
    z = explainer.logits[1].astype(np.float64)
    for target, sign in ((1, 1), (0, -1)):
        p = 1 / (1 + np.exp(-sign * z))
        for name, expected in (
            ("logit", sign * z),
            ("margin", np.log(p / (1 - p))),
            ("log-probability", np.log(p)),
            ("probability", p),
        ):
            found = explainer.explain(MASK, target, score=name).score
            assert found == pytest.approx(expected[MASK].sum(), rel=1e-5)


def test_rows_with_probabilities_of_their_own() -> None:
    torch.manual_seed(0)
    network = sgc.Network.from_module(nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Sigmoid()))
    explainer = sgc.Explainer(network, IMAGE)
    y = explainer.logits[2].astype(np.float64)[MASK]
    p = 1 / (1 + np.exp(-y))
    found = [explainer.explain(MASK, 2, "0", score=name).score for name in SCORES]
    assert found == pytest.approx([y.sum(), y.sum(), np.log(p).sum(), p.sum()], rel=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_against_autograd_of_the_formula(name: str) -> None:
    """Of random logits, in double precision, by another way to write the score."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((2, 4, 6, 7), generator=generator, dtype=torch.float64).requires_grad_()
    weights = np.random.default_rng(1).normal(size=(3, 5))
    region = OutputRegion((2, 1), weights, "")
    found = Score(name)(logits, 2, region)
    p = torch.softmax(logits, 1)[:, 2, 2:5, 1:6]
    direct = {
        "logit": logits[:, 2, 2:5, 1:6],
        "margin": torch.log(p / (1 - p)),
        "log-probability": torch.log(p),
        "probability": p,
    }[name]
    expected = (direct * torch.from_numpy(weights)).sum((1, 2))
    torch.testing.assert_close(found, expected)
    (mine,) = torch.autograd.grad(found.sum(), logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(mine, theirs)


def test_mean_is_the_sum_over_what_counts() -> None:
    total, mean = (EXPLAINER.explain(MASK, 1, "all", reduce=r) for r in ("sum", "mean"))
    assert mean.score == pytest.approx(total.score / MASK.sum(), rel=1e-6)
    for name in total:
        size = abs(mean[name].weights).max()
        assert_allclose(mean[name].weights * MASK.sum(), total[name].weights, atol=1e-4 * size * 72)


def test_mean_of_two_regions_counts_both_alike() -> None:
    small = np.zeros_like(MASK)
    small[20:22, 3:5] = True
    found = EXPLAINER.explain(sgc.contrast(MASK, small), 1, reduce="mean")
    logits = EXPLAINER.logits[1]
    assert found.score == pytest.approx(logits[MASK].mean() - logits[small].mean(), rel=1e-5)


# ---- weighted regions ----


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
def test_scores_are_linear_in_what_pixels_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = (random.normal(size=IMAGE.shape).astype(np.float32) for _ in range(2))
    asked = (first, second, 2 * first - second)
    a, b, both = (EXPLAINER.explain(weights, 1, "levels") for weights in asked)
    size = float(np.abs(first).sum() * np.abs(EXPLAINER.logits).max())
    assert both.score == pytest.approx(2 * a.score - b.score, abs=1e-5 * size)
    for name in both:
        expected = 2 * a[name].weights - b[name].weights
        assert_allclose(both[name].weights, expected, atol=1e-3 * abs(expected).max())


def test_contrast_is_the_difference_of_two_questions() -> None:
    other = np.zeros_like(MASK)
    other[15:22, 2:9] = True
    a, b = (EXPLAINER.explain(m, 1, "all") for m in (MASK, other))
    contrast = EXPLAINER.explain(sgc.contrast(MASK, other), 1, "all")
    assert contrast.score == pytest.approx(a.score - b.score, rel=1e-5)
    np.testing.assert_array_equal(contrast.region, MASK.astype(np.float32) - other)
    assert contrast.region_size == MASK.sum() + other.sum()
    for name in contrast:
        size = max(abs(a[name].signed).max(), abs(b[name].signed).max())
        difference = a[name].signed - b[name].signed
        assert_allclose(contrast[name].signed, difference, atol=1e-5 * size + 1e-12)


@pytest.mark.parametrize("width", [1, 3])
def test_border_counts_inside_for_and_outside_against(width: int) -> None:
    from scipy.ndimage import distance_transform_cdt

    region = EXPLAINER.explain(sgc.border(MASK, width), 1).region
    inside = MASK & (distance_transform_cdt(MASK, "taxicab") <= width)
    outside = ~MASK & (distance_transform_cdt(~MASK, "taxicab") <= width)
    np.testing.assert_array_equal(region, inside.astype(np.float32) - outside)


def test_the_edge_of_the_image_is_no_border() -> None:
    half = np.zeros_like(MASK)
    half[:, :16] = True
    region = EXPLAINER.explain(sgc.border(half), 1).region
    assert np.unique(np.nonzero(region)[1]).tolist() == [15, 16]


def test_errors_of_the_prediction_are_regions() -> None:
    truth = np.random.default_rng(2).integers(0, 3, IMAGE.shape)
    predicted = EXPLAINER.prediction
    false_positives = EXPLAINER.explain(sgc.false_positives(truth, 1), 1)
    np.testing.assert_array_equal(false_positives.region, (predicted == 1) & (truth != 1))
    missed = EXPLAINER.explain(sgc.false_negatives(truth, 1), 1)
    np.testing.assert_array_equal(missed.region, (truth == 1) & (predicted != 1))
    border = EXPLAINER.explain(sgc.border(sgc.predicted(1), 2), 1).region
    assert (border[predicted == 1] >= 0).all()
    assert (border[predicted != 1] <= 0).all()


def test_a_weighted_region_is_saved_and_opened(tmp_path) -> None:
    soft = np.random.default_rng(4).random(IMAGE.shape, np.float32)
    explanation = EXPLAINER.explain(soft, 1, "levels", score="margin", reduce="mean")
    for lazy in (False, True):
        again = sgc.open_explanation(explanation.save(tmp_path / "soft.sgc.zarr"), lazy=lazy)
        np.testing.assert_array_equal(np.asarray(again.region), soft)
        assert again.region.dtype == np.float32
        assert np.asarray(again.mask).all()
        assert again.region_size == soft.size
    assert again.record["question"]["score"] == "margin"
    assert again.record["question"]["reduce"] == "mean"
