"""Generated nuclei resemble the real image, and the real image's split is honest."""

import numpy as np
import pytest

from napari_seggradcam.scenes import nuclei
from napari_seggradcam.scenes.samples import real_nuclei


@pytest.fixture(scope="module")
def scenes():
    return [nuclei.generate(seed) for seed in range(8)]


def _typical_area(instances):
    return np.median(np.bincount(instances.ravel())[1:])


def test_labels_are_the_instances_pixels(scenes):
    for scene in scenes:
        np.testing.assert_array_equal(scene.labels == 1, scene.instances > 0)


def test_nuclei_are_as_large_and_as_dense_as_real_ones(scenes):
    _, real = real_nuclei()
    areas = [_typical_area(scene.instances) for scene in scenes]
    share = np.mean([scene.labels.mean() for scene in scenes])
    assert 0.6 < np.median(areas) / np.median(np.unique(real, return_counts=True)[1][1:]) < 1.6
    assert 0.6 < share / (real > 0).mean() < 1.6


def test_some_nuclei_touch(scenes):
    touching = 0
    for scene in scenes:
        left, right = scene.instances[:, :-1], scene.instances[:, 1:]
        touching += int(((left != right) & (left > 0) & (right > 0)).sum())
    assert touching > 20


def test_nuclei_differ_in_brightness_but_are_brighter_than_what_surrounds_them(scenes):
    for scene in scenes:
        image = scene.image.astype(float)
        means = [image[scene.instances == n].mean() for n in range(1, scene.instances.max() + 1)]
        background = np.median(image[scene.labels == 0])
        assert np.max(means) - background > 1.5 * (np.min(means) - background)
        assert np.mean(np.array(means) > background) == 1


def test_no_real_nucleus_lies_in_both_parts():
    _, instances = real_nuclei()
    train, test = (set(np.unique(instances[part])) - {0} for part in _parts())
    assert train
    assert test
    assert not train & test


def test_the_guard_band_is_wider_than_any_nucleus():
    _, instances = real_nuclei()
    train, test = _parts()
    guard = train[1].start - test[1].stop
    for number in np.unique(instances)[1:]:
        columns = np.flatnonzero((instances == number).any(0))
        assert columns[-1] - columns[0] + 1 < guard


def test_the_test_part_is_a_third_or_more_of_the_image():
    image, _ = real_nuclei()
    assert image[nuclei.TEST_PART].size / image.size > 1 / 3


def _parts():
    return nuclei.TRAIN_PART, nuclei.TEST_PART
