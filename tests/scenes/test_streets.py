"""Street scenes: every class occurs, planes are in perspective, colours give little away."""

import numpy as np
import pytest

from napari_seggradcam.evaluate.segmentation import confusion, fit_colour_forest, mean_iou
from napari_seggradcam.scenes import streets
from napari_seggradcam.scenes.generators import TEST_SEEDS
from napari_seggradcam.scenes.street_camera import Camera
from napari_seggradcam.scenes.street_canvas import FLAT, SKY, VEHICLE, Canvas


@pytest.fixture(scope="module")
def scenes():
    return [streets.generate(seed) for seed in range(12)]


def _pixels(scenes, name):
    value = streets.CLASSES.index(name)
    return np.concatenate([scene.image[scene.labels == value] for scene in scenes])


def test_classes_and_colours_are_cityscapes_groups_in_its_order():
    groups = "flat construction object nature sky human vehicle"
    assert " ".join(streets.CLASSES) == groups
    assert streets.COLOURS[:2] == ("#804080", "#464646")


@pytest.mark.parametrize(("name", "share"), [
    ("flat", 0.15), ("construction", 0.08), ("object", 0.01), ("nature", 0.05),
    ("sky", 0.06), ("human", 0.01), ("vehicle", 0.02),
])  # fmt: skip
def test_every_class_has_a_sensible_share(scenes, name, share):
    pixels = sum(scene.labels.size for scene in scenes)
    assert share < len(_pixels(scenes, name)) / pixels < 0.5


def test_humans_vehicles_and_objects_are_instances_and_nothing_else_is(scenes):
    counted = [streets.CLASSES.index(name) for name in ("object", "human", "vehicle")]
    for scene in scenes:
        np.testing.assert_array_equal(scene.instances > 0, np.isin(scene.labels, counted))


def test_ground_lies_below_sky(scenes):
    rows = np.arange(scenes[0].labels.shape[0])[:, None]
    for scene in scenes:
        ground = (rows * (scene.labels == FLAT)).sum() / (scene.labels == FLAT).sum()
        sky = (rows * (scene.labels == SKY)).sum() / max(1, (scene.labels == SKY).sum())
        assert ground > sky


def test_colour_and_row_do_not_tell_the_classes_apart(scenes):
    """A table of the likeliest class for each colour and row, made from eight other scenes."""
    learned, unseen = scenes[:8], scenes[8:]
    classes = len(streets.CLASSES)
    table = np.zeros((classes, 8, 8, 8, 8))
    for scene in learned:
        np.add.at(table, (scene.labels, *_colour_and_row(scene)), 1)
    guess = table.argmax(0)
    counts = sum(
        confusion(guess[_colour_and_row(scene)], scene.labels, classes) for scene in unseen
    )
    assert mean_iou(counts) < 0.5


def _colour_and_row(scene):
    row = np.indices(scene.labels.shape)[0] * 8 // scene.labels.shape[0]
    return (*np.moveaxis(scene.image // 32, -1, 0), row)


def test_a_level_plane_and_an_upright_one_meet_where_they_should():
    camera = Camera((200, 300), 250.0, 90.0, 140.0, 1.6)
    window = camera.everything
    x, z = camera.level(0.0, window)
    row, column = 180, 250
    across, up = camera.frontal(float(z[row, 0]), window)
    assert up[row, 0] == pytest.approx(0.0, abs=1e-4)
    assert across[0, column] == pytest.approx(x[row, column], rel=1e-5)
    depth, height = camera.side(float(x[row, column]), window)
    assert depth[0, column] == pytest.approx(z[row, 0], rel=1e-5)
    assert height[row, column] == pytest.approx(0.0, abs=1e-4)


def test_a_window_holds_the_points_that_it_was_made_for():
    camera = Camera((200, 300), 250.0, 90.0, 140.0, 1.6)
    rows, columns = camera.window([(-1.0, 0.0, 8.0), (1.0, 2.0, 8.0)])
    across, up = camera.frontal(8.0, (rows, columns))
    assert across.min() <= -0.96
    assert across.max() >= 0.96
    assert up.min() <= 0.04
    assert up.max() >= 1.96


def test_what_lies_outside_the_picture_has_no_window():
    camera = Camera((200, 300), 250.0, 90.0, 140.0, 1.6)
    assert camera.window([(50.0, 0.0, 8.0), (52.0, 2.0, 8.0)]) is None


def test_later_paint_covers_earlier_and_takes_brightness_per_pixel_or_window():
    canvas = Canvas((6, 8))
    window = (slice(1, 4), slice(2, 7))
    mask = np.zeros((3, 5), bool)
    mask[1, 1:4] = True
    grey = np.full(3, 0.5, np.float32)
    canvas.paint(window, mask, grey, np.array([[0.0], [2.0], [0.0]]), FLAT, 10.0)
    np.testing.assert_allclose(canvas.rgb[2, 3:6], 1.0)
    canvas.paint(window, mask, grey, np.array([1.0, 0.5, 0.0]), VEHICLE, 5.0, canvas.new_instance())
    np.testing.assert_allclose(canvas.rgb[2, 3:6, 0], [0.5, 0.25, 0.0])
    assert (canvas.labels == VEHICLE).sum() == 3
    np.testing.assert_array_equal(canvas.instances[2, 3:6], 1)
    np.testing.assert_array_equal(canvas.depth[2, 3:6], 5.0)
    assert (canvas.labels[canvas.instances == 0] == SKY).all()


@pytest.mark.slow
def test_a_forest_on_colour_and_position_stays_below_what_a_network_must_reach(scenes):
    learned = [*scenes, *(streets.generate(seed) for seed in range(12, 24))]
    classify = fit_colour_forest([s.image for s in learned], [s.labels for s in learned], trees=25)
    unseen = [streets.generate(seed) for seed in TEST_SEEDS[:8]]
    classes = len(streets.CLASSES)
    counts = sum(confusion(classify(s.image), s.labels, classes) for s in unseen)
    assert mean_iou(counts) <= 0.55
