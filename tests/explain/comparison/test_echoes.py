"""What one map is an echo of, and how its heat is spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_seggradcam.explain.comparison.echoes import (
    gini,
    image_gradients,
    pearson,
    share_inside,
)

COUNTS = st.integers(0, 5).map(float)


@given(arrays(np.float64, (2, 3, 5), elements=COUNTS))
def test_correlation_is_numpys(pair: np.ndarray) -> None:
    found = pearson(*pair)
    if (np.ptp(pair, axis=(1, 2)) == 0).any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.corrcoef(pair.reshape(2, -1))[0, 1], abs=1e-12)


@given(arrays(np.float64, (4, 3), elements=COUNTS))
def test_gini_is_half_of_the_mean_difference_over_the_mean(values: np.ndarray) -> None:
    """The definition that economists use: Σ_ij |v_i - v_j| / (2 n² mean)."""
    if not values.any():
        assert np.isnan(gini(values))
        return
    flat = values.ravel()
    differences = np.abs(flat[:, None] - flat).mean()
    assert gini(values) == pytest.approx(differences / (2 * flat.mean()), abs=1e-12)


@given(arrays(np.float64, 7, elements=COUNTS), st.integers(1, 3))
def test_gini_depends_neither_on_unit_nor_number(values: np.ndarray, copies: int) -> None:
    if values.any():
        assert gini(3 * np.repeat(values, copies)) == pytest.approx(gini(values), abs=1e-12)


def test_share_inside_of_even_heat_is_the_share_of_pixels() -> None:
    region = np.zeros((4, 5), bool)
    region[1, 1:4] = True
    assert share_inside(np.ones((4, 5), np.float32), region) == pytest.approx(3 / 20)
    assert np.isnan(share_inside(np.zeros((4, 5), np.float32), region))


def test_gradients_are_along_a_step_and_nowhere_else() -> None:
    image = np.zeros((8, 10), np.uint16)
    image[:, 5:] = 1000
    gradients = image_gradients(image, "YX")
    assert (gradients[:, 4:6] > 0).all()
    assert not gradients[:, :4].any()
    assert not gradients[:, 6:].any()


def test_gradients_of_a_grey_colour_image_are_those_of_the_grey_image() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (7, 9)).astype(np.uint8)
    expected = image_gradients(grey, "YX")
    np.testing.assert_allclose(image_gradients(np.stack([grey] * 3, -1), "YXC"), expected)
    np.testing.assert_allclose(image_gradients(np.stack([grey] * 3), "CYX"), expected)
    np.testing.assert_allclose(image_gradients(np.stack([grey] * 2), "CYX"), expected)


def test_gradients_of_a_volume_see_the_third_axis() -> None:
    volume = np.zeros((6, 4, 4))
    volume[3:] = 1
    gradients = image_gradients(volume, "ZYX")
    assert (gradients[2:4] > 0).all()
    assert not gradients[0].any()
