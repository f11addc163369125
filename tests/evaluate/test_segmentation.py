"""Measures against brute force and closed forms."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_seggradcam.errors import MissingPackage, ShapeError
from napari_seggradcam.evaluate.segmentation import (
    ObjectScore,
    best_threshold,
    confusion,
    dice,
    fit_colour_forest,
    intersection_over_union,
    mean_iou,
    object_score,
)

SHAPE = (6, 7)
masks = arrays.arrays(bool, SHAPE)
class_maps = arrays.arrays(np.uint8, SHAPE, elements=st.integers(0, 3))


@given(masks, masks)
def test_dice_follows_from_intersection_over_union(prediction, truth):
    either = (prediction | truth).sum()
    overlap = (prediction & truth).sum() / either if either else 1.0
    assert dice(prediction, truth) == pytest.approx(2 * overlap / (1 + overlap))


@given(masks)
def test_dice_is_one_with_itself_and_zero_with_its_opposite(mask):
    assert dice(mask, mask) == 1.0
    assert dice(mask, ~mask) == 0.0


@given(class_maps, class_maps)
def test_confusion_counts_every_pixel_once(prediction, truth):
    counts = confusion(prediction, truth, 4)
    for true in range(4):
        for predicted in range(4):
            expected = ((truth == true) & (prediction == predicted)).sum()
            assert counts[true, predicted] == expected


@given(class_maps, class_maps, masks)
def test_ignored_pixels_change_nothing(prediction, truth, ignored):
    hidden = np.where(ignored, 255, truth).astype(np.uint8)
    changed = np.where(ignored, 3 - prediction, prediction)
    np.testing.assert_array_equal(confusion(prediction, hidden, 4), confusion(changed, hidden, 4))
    assert confusion(prediction, hidden, 4).sum() == (~ignored).sum()


@given(class_maps, class_maps)
def test_iou_of_each_class_and_their_mean(prediction, truth):
    values = intersection_over_union(confusion(prediction, truth, 4))
    present = []
    for index, value in enumerate(values):
        either = ((prediction == index) | (truth == index)).sum()
        if either == 0:
            assert np.isnan(value)
            continue
        present.append(((prediction == index) & (truth == index)).sum() / either)
        assert value == pytest.approx(present[-1])
    assert mean_iou(confusion(prediction, truth, 4)) == pytest.approx(np.mean(present))


def test_mean_iou_of_nothing_is_not_a_number():
    assert np.isnan(mean_iou(np.zeros((3, 3), np.int64)))


def _instances(*boxes):
    labels = np.zeros((20, 30), np.int32)
    for number, (rows, columns) in enumerate(boxes, start=1):
        labels[slice(*rows), slice(*columns)] = 3 * number
    return labels


def test_objects_found_invented_and_missed():
    truth = _instances(((0, 6), (0, 6)), ((10, 16), (0, 6)), ((10, 16), (20, 26)))
    prediction = np.zeros(truth.shape, bool)
    prediction[0:6, 0:5] = True  # overlap 30/36 with the first
    prediction[10:13, 0:5] = True  # overlap 15/36 with the second: too little
    score = object_score(prediction, truth)
    assert score == ObjectScore(found=1, invented=1, missed=2)
    assert score.f1 == pytest.approx(2 / 5)


def test_an_overlap_of_exactly_one_half_is_no_match():
    truth = _instances(((0, 4), (0, 4)))
    prediction = np.zeros(truth.shape, bool)
    prediction[0:4, 0:2] = True
    assert object_score(prediction, truth).found == 0
    prediction[0, 2] = True
    assert object_score(prediction, truth).found == 1


def test_two_objects_that_touch_in_the_prediction_count_as_one():
    truth = _instances(((0, 5), (0, 5)), ((0, 5), (5, 10)))
    assert object_score(truth > 0, truth) == ObjectScore(found=0, invented=1, missed=2)


def test_nothing_to_find_and_nothing_invented_is_perfect():
    empty = np.zeros(SHAPE, np.int32)
    assert object_score(empty > 0, empty).f1 == 1.0


@given(masks)
def test_without_a_prediction_every_object_is_missed(truth):
    from scipy import ndimage

    labels, count = ndimage.label(truth)
    assert object_score(np.zeros(SHAPE, bool), labels) == ObjectScore(0, 0, count)
    assert object_score(truth, labels) == ObjectScore(count, 0, 0)


def test_objects_where_no_pixel_is_background():
    full = np.ones(SHAPE, np.int32)
    assert object_score(full > 0, full) == ObjectScore(1, 0, 0)


@given(arrays.arrays(np.uint16, SHAPE, elements=st.integers(0, 9)), masks)
def test_the_best_threshold_is_the_best_of_all(image, truth):
    best = best_threshold(image, truth)
    tried = [dice(image >= value, truth) for value in np.unique(image)]
    if truth.any():
        assert best.dice == pytest.approx(max(tried))
        assert dice(image >= best.value, truth) == pytest.approx(best.dice)


@pytest.mark.parametrize("measure", [dice, object_score, best_threshold])
def test_different_shapes_are_refused(measure):
    with pytest.raises(ShapeError, match=r"\(6, 7\).*\(7, 6\)"):
        measure(np.ones((6, 7), bool), np.ones((7, 6), bool))


def test_the_forest_learns_colour_and_position_and_nothing_else():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 20, 30, 3)).astype(np.uint8)
    by_colour = (images[..., 0] > 128).astype(np.uint8)
    by_row = np.broadcast_to((np.arange(20) >= 10)[:, None], (4, 20, 30)).astype(np.uint8)
    shuffled = rng.permutation(by_colour.ravel()).reshape(by_colour.shape)
    for labels, floor, ceiling in [(by_colour, 0.95, 1), (by_row, 0.95, 1), (shuffled, 0.4, 0.65)]:
        classify = fit_colour_forest(images[:3], labels[:3], pixels=500, trees=10)
        predicted = classify(images[3])
        assert predicted.shape == labels[3].shape
        assert floor <= (predicted == labels[3]).mean() <= ceiling


def test_without_scikit_learn_the_error_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[plots\]"'):
        fit_colour_forest([], [])
