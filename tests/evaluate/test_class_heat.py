import numpy as np
import pytest

from napari_seggradcam.errors import ShapeError
from napari_seggradcam.evaluate.class_heat import area_by_class, heat_by_class

CLASSES = ("flat", "sky", "human")


def test_shares_of_a_heatmap_made_by_hand():
    heatmap = np.array([[3.0, 0.0], [1.0, 4.0]])
    labels = np.array([[0, 0], [1, 1]])
    assert heat_by_class(heatmap, labels, CLASSES) == {"flat": 3 / 8, "sky": 5 / 8, "human": 0}


def test_shares_do_not_depend_on_units(rng):
    heatmap, labels = rng.random((20, 30)), rng.integers(0, 3, (20, 30))
    shares = heat_by_class(heatmap, labels, CLASSES)
    assert sum(shares.values()) == pytest.approx(1)
    assert heat_by_class(1e-9 * heatmap, labels, CLASSES) == pytest.approx(shares)


def test_even_heat_falls_on_classes_by_area(rng):
    labels = rng.integers(0, 3, (3, 8, 9))
    shares = heat_by_class(np.full(labels.shape, 7.0), labels, CLASSES)
    assert shares == pytest.approx(area_by_class(labels, CLASSES))
    assert shares["sky"] == pytest.approx((labels == 1).mean())


def test_pixels_of_no_class_keep_their_heat_from_all_classes():
    shares = heat_by_class([1.0, 1.0, 2.0], [0, 1, 255], CLASSES)
    assert shares == {"flat": 0.25, "sky": 0.25, "human": 0}


def test_an_empty_heatmap_has_no_shares():
    assert set(heat_by_class(np.zeros(4), np.zeros(4, int), CLASSES).values()) == {0.0}


def test_negative_values_hold_no_heat():
    assert heat_by_class([-5.0, 1.0], [0, 1], CLASSES)["sky"] == 1


def test_heatmap_at_another_resolution_is_refused():
    with pytest.raises(ShapeError, match=r"resized\(\)"):
        heat_by_class(np.zeros((4, 4)), np.zeros((8, 8), int), CLASSES)
