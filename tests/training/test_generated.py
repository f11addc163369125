import numpy as np
import pytest
from scipy import ndimage

from napari_seggradcam.errors import Cancelled, TrainingDataError
from napari_seggradcam.scenes.generators import TEST_SEEDS, generate
from napari_seggradcam.scenes.nuclei import TEST_PART
from napari_seggradcam.scenes.samples import real_nuclei
from napari_seggradcam.training.generated import GeneratedScenes, RealNuclei, separated_nuclei

SIZE = (64, 80)


def test_nuclei_that_touch_are_separated_and_others_untouched():
    instances = np.zeros((20, 30), int)
    instances[2:8, 2:8], instances[2:8, 8:14], instances[12:18, 20:26] = 1, 2, 300
    labels = separated_nuclei(instances)
    assert ndimage.label(labels, np.ones((3, 3)))[1] == 3
    assert not labels[instances == 0].any()
    np.testing.assert_array_equal(labels[10:] == 1, instances[10:] == 300)
    # One pixel on either side of the contact is given up.
    np.testing.assert_array_equal(np.nonzero(~labels[4, :14].astype(bool))[0], [0, 1, 7, 8])


def test_separation_works_in_3d():
    instances = np.zeros((6, 8, 8), int)
    instances[:3, 2:6, 2:6], instances[3:, 2:6, 2:6] = 1, 2
    assert ndimage.label(separated_nuclei(instances))[1] == 2


@pytest.mark.parametrize("kind", ["nuclei", "streets"])
def test_scenes_are_those_of_the_generator(kind):
    source = GeneratedScenes(kind, 2, SIZE, first_seed=5)
    scene = generate(kind, 6, SIZE)
    image, labels = source[1]
    assert image.shape == (source.channels, *SIZE)
    assert (image.dtype, labels.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(image, np.atleast_3d(scene.image).transpose(2, 0, 1))
    assert (source.classes, source.colours) == (scene.classes, scene.colours)
    if kind == "streets":
        np.testing.assert_array_equal(labels, scene.labels)


def test_scenes_made_in_advance_are_the_same():
    lazy, prepared = (GeneratedScenes("nuclei", 3, SIZE) for _ in range(2))
    seen = []
    prepared.prepare(2, lambda done, total, what: seen.append((done, total)), None)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for one, other in zip(lazy, prepared, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_making_scenes_can_be_cancelled():
    with pytest.raises(Cancelled, match="1 of 3"):
        GeneratedScenes("nuclei", 3, SIZE).prepare(1, None, lambda: True)


def test_seeds_of_tests_are_refused():
    with pytest.raises(TrainingDataError, match=f"include {TEST_SEEDS[0]}"):
        GeneratedScenes("streets", 10, first_seed=TEST_SEEDS[0] - 3)
    with pytest.raises(TrainingDataError, match="at least 1"):
        GeneratedScenes("streets", 0)


def test_real_image_keeps_its_test_part_unseen():
    """Each part is found at one place in the image, away from the test part and each other."""
    image, instances = real_nuclei()
    taken = np.zeros(image.shape, int)
    for part in ("train", "validation"):
        values, labels = RealNuclei(part)[0]
        height, width = labels.shape
        views = np.lib.stride_tricks.sliding_window_view(image, (8, 8))
        ((y, x),) = np.argwhere((views == values[0, :8, :8]).all((2, 3)))
        np.testing.assert_array_equal(image[y : y + height, x : x + width], values[0])
        assert not labels[instances[y : y + height, x : x + width] == 0].any()
        taken[y : y + height, x : x + width] += 1
    assert taken.max() == 1
    assert not taken[TEST_PART].any()
    numbers = [set(np.unique(instances[area])) - {0} for area in (taken > 0, TEST_PART)]
    assert not numbers[0] & numbers[1]
