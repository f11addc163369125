"""What holds for every kind of generated scene."""

import numpy as np
import pytest

from napari_seggradcam.errors import OptionError, ShapeError
from napari_seggradcam.scenes.generators import (
    KINDS,
    TEST_SEEDS,
    TRAIN_SEEDS,
    VALIDATION_SEEDS,
    generate,
)


@pytest.fixture(scope="module", params=KINDS)
def scene(request):
    return generate(request.param, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_makes_one_scene_whatever_was_made_before(kind):
    first = generate(kind, 5, (96, 128))
    generate(kind, 6, (96, 128))
    np.random.default_rng(0).random()
    second = generate(kind, 5, (96, 128))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.instances, second.instances)


@pytest.mark.parametrize("kind", KINDS)
def test_two_seeds_make_two_scenes(kind):
    assert (generate(kind, 1).labels != generate(kind, 2).labels).mean() > 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (75, 190), (300, 100)])
def test_the_scene_has_the_size_that_was_asked_for(kind, size):
    scene = generate(kind, 0, size)
    assert scene.image.shape[:2] == scene.labels.shape == scene.instances.shape == size
    assert np.isin(scene.labels, np.arange(len(scene.classes))).all()


def test_image_and_axes_agree(scene):
    assert scene.image.ndim == len(scene.axes)
    assert scene.image.dtype == {"YX": np.uint16, "YXC": np.uint8}[scene.axes]


def test_every_class_has_a_name_and_a_colour(scene):
    assert len(scene.classes) == len(set(scene.classes)) == len(scene.colours)
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in scene.colours)


def test_instances_are_counted_without_gaps_and_each_has_one_class(scene):
    numbers = np.unique(scene.instances)
    np.testing.assert_array_equal(numbers, np.arange(numbers[-1] + 1))
    for number in numbers[1:]:
        assert np.unique(scene.labels[scene.instances == number]).size == 1


def test_seeds_for_training_validation_and_test_never_meet():
    assert TRAIN_SEEDS.stop <= VALIDATION_SEEDS.start
    assert VALIDATION_SEEDS.stop <= TEST_SEEDS.start


def test_an_unknown_kind_is_refused_and_told_which_there_are():
    with pytest.raises(OptionError, match=r"'cats'.*nuclei, streets"):
        generate("cats", 0)


def test_a_negative_seed_is_refused():
    with pytest.raises(OptionError, match="-1"):
        generate("nuclei", -1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_too_small_is_refused(kind):
    with pytest.raises(ShapeError):
        generate(kind, 0, (32, 512))
