"""Arrays that are made plane by plane: what is asked for, and no plane beside it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_seggradcam.viewer.on_demand import planes_on_demand


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), min_size=3, max_size=5), st.integers(2, 3))
def test_it_is_indexed_as_numpy_is(data: st.DataObject, sizes: list[int], plane: int) -> None:
    values = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    array = planes_on_demand(values.shape, values.dtype, lambda where: values[where], plane)
    index = data.draw(basic_indices(values.shape, allow_newaxis=False))
    np.testing.assert_array_equal(np.asarray(array[index]), values[index])


def test_a_plane_is_made_when_it_is_looked_at() -> None:
    made: list[Any] = []

    def make(where: tuple[slice, ...]) -> np.ndarray:
        made.append(where)
        return np.full((1, 1, 2, 3), 10 * where[0].start + where[1].start)

    array = planes_on_demand((4, 5, 2, 3), int, make)
    assert (array.shape, array.dtype, made) == ((4, 5, 2, 3), int, [])
    assert np.asarray(array[3, 2]).tolist() == [[32] * 3] * 2
    assert made == [(slice(3, 4), slice(2, 3))]


@pytest.mark.parametrize("plane", [2, 3])
def test_a_single_plane_is_made_at_once(plane: int) -> None:
    values = np.zeros((2, 3, 3)[-plane:])
    assert planes_on_demand(values.shape, values.dtype, lambda _where: values, plane) is values
