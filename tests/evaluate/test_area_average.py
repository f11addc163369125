import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.evaluate.area_average import area_average, image_grid
from napari_seggradcam.networks.outputs import MapGrid


def halved(shape):
    """Grid of 2 × 2 pooling."""
    return MapGrid(tuple(n // 2 for n in shape), (2.0,) * len(shape), (0.5,) * len(shape))


def test_pooling_grid_gives_block_means(rng):
    values = rng.random((6, 8))
    expected = values.reshape(3, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(area_average(values, image_grid((6, 8)), halved((6, 8))), expected)


def test_same_grid_changes_nothing(rng):
    values = rng.random((3, 4, 5))
    np.testing.assert_array_equal(
        area_average(values, image_grid(values.shape), image_grid(values.shape)), values
    )


def test_a_cell_that_reaches_outside_is_averaged_over_its_inside():
    grid = MapGrid((2,), (4.0,), (-0.5,))  # cells -2.5 … 1.5 and 1.5 … 5.5 of the pixels 0 … 3
    np.testing.assert_allclose(area_average([1.0, 3.0, 5.0, 9.0], image_grid((4,)), grid), [2, 7])


def test_half_a_pixel_counts_half():
    grid = MapGrid((1,), (2.0,), (1.0,))  # 0 … 2: half of pixel 0, pixel 1, half of pixel 2
    np.testing.assert_allclose(area_average([4.0, 1.0, 8.0], image_grid((3,)), grid), [3.5])


def test_a_cell_outside_has_no_value():
    grid = MapGrid((3,), (2.0,), (0.5,))
    averaged = area_average([1.0, 1.0, 1.0, 1.0], image_grid((4,)), grid)
    np.testing.assert_array_equal(np.isnan(averaged), [False, False, True])


def test_finer_grid_repeats_the_values_of_its_cell(rng):
    values = rng.random((3, 4))
    back = area_average(values, halved((6, 8)), image_grid((6, 8)))
    np.testing.assert_allclose(back, values.repeat(2, axis=0).repeat(2, axis=1))


@given(
    size=st.integers(1, 40),
    scale=st.sampled_from((1.0, 2.0, 3.0, 4.0, 16.0)),
    offset=st.integers(-16, 16),
    value=st.integers(-1000, 1000),
)
def test_equal_values_stay_exactly_equal(size, scale, offset, value):
    # A mask's equal shares must not get different ranks from rounding.
    grid = MapGrid((size,), (scale,), (offset / 2,))
    averaged = area_average(np.full(size, value), image_grid((size,)), grid)
    defined = averaged[np.isfinite(averaged)]
    assert np.unique(defined).size <= 1
    assert defined == pytest.approx(value)
