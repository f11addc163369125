import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from napari_seggradcam.evaluate.references import (
    class_references,
    rank_correlation,
    standard_ranks,
)


@given(arrays(np.float64, (2, 12), elements=st.integers(0, 3).map(float)))
def test_rank_correlation_with_ties_is_scipys(pair):
    found = rank_correlation(*pair)
    if (np.ptp(pair, axis=1) == 0).any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(*pair).statistic, abs=1e-12)


def test_ranks_see_order_only(rng):
    values = rng.random((9, 7))
    assert rank_correlation(values, np.exp(5 * values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)


@pytest.mark.parametrize("values", [np.zeros((3, 3)), np.array([1.0, np.nan, 2.0]), np.array([])])
def test_maps_without_an_order_have_no_ranks(values):
    assert standard_ranks(values) is None
    assert np.isnan(rank_correlation(values, values))


def test_mask_is_where_the_class_wins():
    logits = np.array([[[1.0, -1.0]], [[0.0, 3.0]]], np.float32)
    of_class, mask = class_references(logits, 1)
    np.testing.assert_array_equal(of_class, [[0, 3]])
    np.testing.assert_array_equal(mask, [[0, 1]])
