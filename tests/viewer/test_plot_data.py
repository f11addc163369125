"""Trees, clicks and scales of plots, against scipy and by their definition."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import dendrogram, fcluster, leaves_list, linkage

from napari_seggradcam.viewer.plot_data import (
    joins_of,
    members_at,
    stage_runs,
    symmetric_limit,
    tick_step,
)


def tree(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Linkage of random vectors, and the order of its leaves."""
    vectors = np.random.default_rng(seed).standard_normal((count, 4))
    found = linkage(vectors, "average")
    return found, [int(leaf) for leaf in leaves_list(found)]


@given(count=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_the_tree_is_drawn_where_scipy_draws_it(count: int, seed: int) -> None:
    found, order = tree(count, seed)
    theirs = dendrogram(found, no_plot=True)
    assert theirs["leaves"] == order
    # scipy's leaves stand at 5, 15, …
    expected = {
        ((at[0] - 5) / 10, (at[2] - 5) / 10, *heights[:2], heights[3])
        for at, heights in zip(theirs["icoord"], theirs["dcoord"], strict=True)
    }
    mine = {
        (*join.positions, join.heights[0], join.height, join.heights[1])
        for join in joins_of(found, range(count), order)
    }
    np.testing.assert_allclose(sorted(mine), sorted(expected), rtol=1e-12)


@given(count=st.integers(2, 12), seed=st.integers(0, 10**6), cut=st.floats(0.01, 5))
def test_a_click_is_a_cut_through_the_tree(count: int, seed: int, cut: float) -> None:
    found, order = tree(count, seed)
    clusters = fcluster(found, cut, "distance")
    joins = joins_of(found, range(count), order)
    for position, row in enumerate(order):
        expected = set(np.flatnonzero(clusters == clusters[row]))
        assert set(members_at(joins, order, position, cut)) == expected


def test_rows_without_a_branch_stand_alone() -> None:
    """Rows 1 and 3 have weights; row 0 and 2 have none and come last."""
    joins = joins_of([[0, 1, 0.5, 2]], rows=(1, 3), order=(3, 1, 0, 2))
    (join,) = joins
    assert join.positions == (0, 1)
    assert join.members == (3, 1)
    assert members_at(joins, (3, 1, 0, 2), 0.3, 0.6) == (3, 1)
    assert members_at(joins, (3, 1, 0, 2), 2, 0.6) == (0,)
    assert members_at(joins, (3, 1, 0, 2), 17, 0.6) == (2,)


@given(count=st.integers(1, 500), room=st.integers(1, 60))
def test_labels_fit_and_no_more_are_left_out_than_needed(count: int, room: int) -> None:
    step = tick_step(count, room)
    assert len(range(0, count, step)) <= room
    assert step == 1 or len(range(0, count, step - 1)) > room


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_runs_of_stages_are_the_rows_once_each(stages: list[str]) -> None:
    runs = stage_runs(stages)
    rows = [row for first, last in runs for row in range(first, last + 1)]
    assert rows == list(range(len(stages)))
    assert all(len({*stages[first : last + 1]}) == 1 for first, last in runs)
    assert all(stages[one[1]] != stages[other[0]] for one, other in pairwise(runs))


@pytest.mark.parametrize(
    ("values", "limit"),
    [([1.0, -3.0], 3.0), ([np.nan, 0.5], 0.5), ([0.0], 1.0), ([], 1.0), ([np.inf, 2.0], 2.0)],
)
def test_diverging_scales_are_symmetric_and_never_empty(values: list[float], limit: float) -> None:
    assert symmetric_limit(values) == limit
