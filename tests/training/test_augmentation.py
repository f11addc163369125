from dataclasses import replace

import numpy as np
import pytest

from napari_seggradcam.errors import OptionError
from napari_seggradcam.training.augmentation import Augmentation
from napari_seggradcam.training.sources import IGNORE

STILL = Augmentation(scale=(1, 1), gamma=1, contrast=0, brightness=0, colour=0, noise=0)


def image_of(labels):
    return labels[None].astype(np.float32)


def numbered(*shape):
    return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("shape", [(20, 30), (12, 14, 16)])
def test_image_and_labels_stay_together(shape):
    labels = numbered(*shape)
    crop = (8,) * len(shape)
    for seed in range(20):
        image, view = STILL(image_of(labels), labels, crop, np.random.default_rng(seed))
        assert view.shape == crop
        np.testing.assert_allclose(image[0], view, rtol=1e-6)


def orientations(augmentation):
    """First row of views of a 2 by 2 image, whose four corners tell the orientation."""
    labels = np.array([[0, 1], [2, 3]])
    views = set()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        views.add(tuple(augmentation(image_of(labels), labels, (2, 2), rng)[1].ravel()))
    return views


def test_upright_images_are_only_mirrored_left_to_right():
    assert orientations(replace(STILL, upright=True)) == {(0, 1, 2, 3), (1, 0, 3, 2)}


def test_others_take_all_eight_orientations():
    assert len(orientations(STILL)) == 8


def test_every_place_is_seen():
    labels = numbered(6, 7)
    seen = [STILL(image_of(labels), labels, (4, 4), np.random.default_rng(s))[1] for s in range(99)]
    assert set(np.unique(seen)) == set(range(42))


def test_small_image_is_continued_and_the_margin_ignored():
    labels = np.ones((4, 6), int)
    image, view = STILL(image_of(labels), labels, (10, 10), np.random.default_rng(0))
    assert (view == 1).sum() == 24
    assert (view == IGNORE).sum() == 76
    assert (image == 1).all()


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_scale_changes_sizes_of_image_and_labels_alike(factor):
    """Of disks in a lattice, whose share of the area no scale changes but whose number does."""
    rows, columns = np.indices((192, 192)) % 32 - 15.5
    labels = (np.hypot(rows, columns) < 10).astype(int)
    augmentation = replace(STILL, scale=(factor, factor))
    image, view = augmentation(image_of(labels), labels, (96, 96), np.random.default_rng(1))
    assert (view != (image[0] > 0.5)).mean() < 0.02
    assert view.mean() == pytest.approx(labels.mean(), rel=0.15)
    # Rows through disks change value four times as often at a scale four times smaller.
    changes = np.abs(np.diff(view, axis=1)).sum() * factor
    assert changes == pytest.approx(np.abs(np.diff(labels[:96, :96], axis=1)).sum(), rel=0.2)


def test_intensities_follow_the_scale_of_the_values():
    """A view of a * image + b is a * view + b: the numbers fit every normalisation."""
    labels = numbered(16, 16)
    image = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    for seed in range(5):
        one, other = (
            Augmentation()(values, labels, (12, 12), np.random.default_rng(seed))[0]
            for values in (image, 50 * image + 200)
        )
        np.testing.assert_allclose(other, 50 * one + 200, atol=1e-2)


def test_constant_image_stays_finite():
    labels = np.zeros((8, 8), int)
    image, _ = Augmentation()(
        np.zeros((1, 8, 8), np.float32), labels, (8, 8), np.random.default_rng(0)
    )
    assert np.isfinite(image).all()


def test_generator_decides_everything():
    labels = numbered(20, 20)
    image = image_of(labels)
    views = [Augmentation()(image, labels, (8, 8), np.random.default_rng(s)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(views[0][0], views[1][0])
    assert not np.array_equal(views[0][0], views[2][0])
    np.testing.assert_array_equal(image, image_of(labels))


@pytest.mark.parametrize(
    "wrong", [{"scale": (2, 1)}, {"scale": (0, 1)}, {"gamma": 0.5}, {"noise": -1}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Augmentation(**wrong)
