"""Ranks of vectors: what scipy correlates by, in order alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from napari_seggradcam.explain.comparison.vectors import standard_ranks


@given(arrays(np.float64, (2, 12), elements=st.integers(0, 3).map(float)))
def test_the_product_of_ranks_with_ties_is_scipys(pair: np.ndarray) -> None:
    first, second = standard_ranks(pair)
    if (np.ptp(pair, axis=1) == 0).any():
        assert np.isnan(first @ second)
    else:
        assert first @ second == pytest.approx(spearmanr(*pair).statistic, abs=1e-12)


def test_ranks_see_order_only() -> None:
    values = np.random.default_rng(0).random(63)
    ranks, risen, turned = standard_ranks(np.stack([values, np.exp(5 * values), -values]))
    np.testing.assert_array_equal(ranks, risen)
    assert ranks @ turned == pytest.approx(-1)
    assert ranks.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("values", [np.zeros(9), np.array([1.0, np.nan, 2.0]), np.array([7.0])])
def test_vectors_without_an_order_have_no_ranks(values: np.ndarray) -> None:
    assert np.isnan(standard_ranks(values[None])).all()
