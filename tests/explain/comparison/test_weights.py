"""Weights compared at different locations: closed forms, and what a designed network must say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from torch import nn

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain.comparison.vectors import cosine_matrix, spearman_matrix
from napari_seggradcam.explain.comparison.weights import WeightComparison, compare_weights

IMAGE = np.random.default_rng(0).random((32, 40), np.float32)
COUNTS = st.integers(-3, 3).map(float)


def box(y: int, x: int, height: int = 6, width: int = 6) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, bool)
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.fixture(scope="module")
def explainer() -> sgc.Explainer:
    return sgc.Explainer(small_unet(), IMAGE)


REGIONS = {"left": box(4, 3), "right": box(20, 28), "both": box(4, 3) | box(20, 28)}


@pytest.fixture(scope="module")
def compared(explainer: sgc.Explainer) -> WeightComparison:
    return compare_weights(explainer, REGIONS, 1)


def test_weights_are_those_of_explain(explainer, compared) -> None:
    assert compared.names == ("left", "right", "both")
    for name, row, target in zip(compared.names, compared.weights, compared.targets, strict=True):
        heatmap = explainer.explain(REGIONS[name], 1)[compared.layer.name]
        assert_allclose(row, heatmap.weights, rtol=1e-5, atol=1e-12)
        assert target == 1


def test_weights_of_a_union_are_the_sum(compared) -> None:
    left, right, both = compared.weights
    assert_allclose(left + right, both, atol=1e-6 * np.abs(both).max())


def test_contributions_add_up_to_the_signed_map(explainer, compared) -> None:
    for name, row in zip(compared.names, compared.contributions, strict=True):
        signed = explainer.explain(REGIONS[name], 1)[compared.layer.name].signed
        size = np.abs(row).sum()
        assert row.sum() == pytest.approx(signed.sum(dtype=np.float64), abs=1e-5 * size)


def test_difference_is_the_difference_of_signed_maps(explainer, compared) -> None:
    one, other = (
        explainer.explain(REGIONS[name], 1)[compared.layer.name] for name in ("left", "right")
    )
    difference = compared.difference("left", "right")
    size = np.abs(one.signed).max() + np.abs(other.signed).max()
    assert_allclose(difference.signed, one.signed - other.signed, atol=1e-5 * size)
    assert (difference.scale, difference.translate) == (one.scale, one.translate)
    assert difference.resized().shape == IMAGE.shape
    same = compared.difference("left", "left")
    assert not same.signed.any()
    assert same.empty


def test_feature_map_is_the_layers_output(explainer, compared) -> None:
    module = explainer.network.module
    seen = []
    with module.bottleneck[-1].register_forward_hook(lambda m, args, out: seen.append(out)):
        explainer.network.predict(IMAGE)
    found = compared.feature_map(5)
    assert_allclose(found.signed, seen[0][0, 5].detach().numpy(), atol=1e-6)
    assert found.weights.tolist() == [0] * 5 + [1] + [0] * (len(found.weights) - 6)
    assert found.scale == (4, 4)
    with pytest.raises(sgc.OptionError, match="no channel 99"):
        compared.feature_map(99)


class TwoCues(nn.Module):
    """By hand: class 1 is counted in the middles of vertical and of horizontal strokes.

    Channel 0 of ``find`` has the vertical ones, channel 1 the horizontal ones, and channel 2
    diagonals, which do not count. Only what is above a threshold lets a gradient through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.find = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        stroke = torch.zeros(3, 3)
        stroke[:, 1] = 1
        self.find.weight.data = torch.stack([stroke, stroke.T, torch.eye(3)])[:, None] / 3
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(3, 2, 1)
        self.head.weight.data[1, :, 0, 0] = torch.tensor([1.0, 1.0, 0.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.find(x) - 0.9))


def strokes() -> tuple[np.ndarray, np.ndarray]:
    image, labels = np.zeros((24, 32), np.float32), np.zeros((24, 32), np.int32)
    for label, (y, x, is_vertical) in enumerate(
        [(4, 5, True), (14, 8, False), (6, 20, True), (18, 24, False)], 1
    ):
        along = (slice(y, y + 3), x) if is_vertical else (y, slice(x, x + 3))
        image[along] = 1
        labels[along] = label
    return image, labels


def test_designed_cues_are_told_apart() -> None:
    image, labels = strokes()
    explainer = sgc.Explainer(sgc.Network.from_module(TwoCues()), image)
    compared = compare_weights(explainer, labels, 1, "find")
    assert compared.names == (1, 2, 3, 4)
    vertical = np.array([True, False, True, False])
    assert_allclose(compared.cosine, (vertical[:, None] == vertical).astype(float), atol=1e-9)
    clusters = compared.clusters()
    assert clusters[1] == clusters[3] != clusters[2] == clusters[4]
    assert compared.clusters(1) == dict.fromkeys(range(1, 5), 1)
    assert {frozenset(compared.order[:2]), frozenset(compared.order[2:])} == {
        frozenset({1, 3}),
        frozenset({2, 4}),
    }
    (top,) = compared.top_channels(1, 1)
    assert top.channel == 0
    assert top.weight == pytest.approx(1 / image.size)
    # Every pixel that is 1 adds 3/3 to channel 0, whichever stroke it belongs to.
    assert top.contribution == pytest.approx(image.sum() / image.size, rel=1e-5)
    assert compared.shared_channels(1) == {}
    assert compared.shared_channels(1, 0.5) == {0: 2, 1: 2}
    assert compared.shared_channels(3, by="weight") == {0: 4, 1: 4, 2: 4}


def test_top_channels_are_sorted_by_what_was_asked(compared) -> None:
    signed = [one.contribution for one in compared.top_channels("left", 16)]
    assert signed == sorted(signed, reverse=True)
    sizes = [abs(one.weight) for one in compared.top_channels("left", 16, by="weight")]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(sgc.OptionError, match="by is 'name'"):
        compared.top_channels("left", by="name")
    with pytest.raises(sgc.RegionError, match="no region 'middle'"):
        compared.top_channels("middle")


def test_regions_without_weights_are_said_and_in_no_cluster() -> None:
    """Where no stroke is found, the rectifier lets no gradient through."""
    image, _ = strokes()
    explainer = sgc.Explainer(sgc.Network.from_module(TwoCues()), image)
    regions = {"blank": np.pad(np.ones((2, 2), bool), ((22, 0), (0, 30))), "stroke": image > 0}
    compared = compare_weights(explainer, regions, 1, "find")
    assert compared.empty[0]
    assert compared.empty[1] is None
    assert np.isnan(compared.cosine[0]).all()
    assert np.isnan(compared.spearman[:, 0]).all()
    assert compared.cosine[1, 1] == pytest.approx(1)
    assert compared.clusters() == {"blank": 0, "stroke": 1}
    assert compared.order == ("stroke", "blank")


@given(arrays(np.float64, (4, 5), elements=COUNTS))
def test_matrices_are_those_of_numpy_and_scipy(vectors: np.ndarray) -> None:
    cosine, spearman = cosine_matrix(vectors), spearman_matrix(vectors)
    for i, one in enumerate(vectors):
        for j, other in enumerate(vectors):
            if one.any() and other.any():
                expected = one @ other / np.sqrt((one @ one) * (other @ other))
                assert cosine[i, j] == pytest.approx(expected, abs=1e-12)
            else:
                assert np.isnan(cosine[i, j])
            if np.ptp(one) and np.ptp(other):
                expected = spearmanr(one, other).statistic
                assert spearman[i, j] == pytest.approx(expected, abs=1e-12)
            else:
                assert np.isnan(spearman[i, j])


@pytest.mark.parametrize("what", ["weights", "contributions", "cosine", "spearman"])
def test_tables_have_the_numbers(compared, what: str) -> None:
    frame = compared.to_frame(what)
    assert list(frame.index) == ["left", "right", "both"]
    assert_allclose(frame.to_numpy(), getattr(compared, what))
    with pytest.raises(sgc.OptionError, match="what is 'maps'"):
        compared.to_frame("maps")


def test_predicted_is_every_regions_own_class(explainer) -> None:
    logits = explainer.logits
    regions = {c: logits.argmax(0) == c for c in (0, 1) if (logits.argmax(0) == c).any()}
    compared = compare_weights(explainer, {str(c): region for c, region in regions.items()})
    assert compared.targets == tuple(regions)


def test_what_cannot_be_compared_is_said(explainer) -> None:
    with pytest.raises(sgc.RegionError, match="no regions"):
        compare_weights(explainer, np.zeros(IMAGE.shape, int), 1)
    with pytest.raises(sgc.LayerError, match="weights are compared at one"):
        compare_weights(explainer, REGIONS, 1, "levels")
    with pytest.raises(sgc.Cancelled):
        compare_weights(explainer, REGIONS, 1, cancel=lambda: True)


def test_progress_ends_with_all_regions(explainer) -> None:
    steps: list[tuple[int, int]] = []
    compare_weights(
        sgc.Explainer(explainer.network, IMAGE),
        REGIONS,
        1,
        progress=lambda done, total, name: steps.append((done, total)),
    )
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (3, 3)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda it: it.clusters(0), "count is 0; expected a whole number from 1"),
        (lambda it: it.clusters(-1), "count is -1"),
        (lambda it: it.clusters(2.5), "count is 2.5"),
        (lambda it: it.clusters(distance="a"), "distance is 'a'"),
        (lambda it: it.top_channels("left", -3), "count is -3"),
        (lambda it: it.shared_channels(share=95), "share is 95; expected a number from 0 to 1"),
        (lambda it: it.shared_channels(count=-1), "count is -1"),
        (lambda it: it.feature_map(1.5), "no channel 1.5"),
        (lambda it: it.feature_map(-1), "no channel -1"),
        (lambda it: it.feature_map("a"), "no channel 'a'"),
        (lambda it: it.to_frame("alpha"), "^what is 'alpha'; known are 'weights'"),
    ],
)
def test_numbers_that_are_none_are_told(compared, ask, said: str) -> None:
    with pytest.raises(sgc.OptionError, match=said):
        ask(compared)


def test_every_comparison_needs_an_explainer(explainer) -> None:
    network = explainer.network
    for ask in (
        lambda: sgc.compare_weights(network, REGIONS),
        lambda: sgc.compare_layers(network, REGIONS["left"]),
        lambda: sgc.weight_atlas(network),
    ):
        with pytest.raises(sgc.OptionError, match="of type Network; expected an Explainer"):
            ask()
