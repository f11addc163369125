import numpy as np
import pytest

from napari_seggradcam.errors import TrainingDataError
from napari_seggradcam.training.sources import Mixed, Part, split


def test_part_takes_the_images_it_names(squares):
    source = squares(6)
    part = Part(source, (4, 1))
    assert len(part) == 2
    np.testing.assert_array_equal(part[0][0], source[4][0])
    np.testing.assert_array_equal(part[1][1], source[1][1])
    assert (part.classes, part.colours) == (source.classes, source.colours)


@pytest.mark.parametrize(("count", "share", "second"), [(10, 0.2, 2), (2, 0.01, 1), (3, 0.99, 2)])
def test_split_shares_no_image_and_loses_none(squares, count, share, second):
    training, validation = split(squares(count), share)
    assert len(validation) == second
    assert sorted(training.indices + validation.indices) == list(range(count))


def test_split_is_decided_by_its_seed(squares):
    again = [split(squares(20), 0.5, seed)[0].indices for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]


def test_one_image_cannot_be_split(squares):
    with pytest.raises(TrainingDataError, match="1 image can't be split"):
        split(squares(1), 0.5)


def test_mixture_holds_every_image_in_the_given_proportions(squares):
    few, many = squares(2), squares(9, first_seed=100)
    mixed = Mixed((few, many), (2, 3))
    images = [mixed[i][0] for i in range(len(mixed))]
    counts = [
        sum(any(np.array_equal(image, s[i][0]) for i in range(len(s))) for image in images)
        for s in (few, many)
    ]
    assert counts == [6, 9]
    assert all(any(np.array_equal(many[i][0], image) for image in images) for i in range(9))
    with pytest.raises(IndexError):
        mixed[len(mixed)]


def test_mixture_of_sources_that_differ_is_refused(squares):
    with pytest.raises(TrainingDataError, match="different channels: 1 and 3"):
        Mixed((squares(), squares(channels=3)))


@pytest.mark.parametrize("shares", [(1,), (1, 0), (1, -2)])
def test_mixture_needs_a_positive_share_for_each_source(squares, shares):
    with pytest.raises(TrainingDataError, match="share"):
        Mixed((squares(), squares()), shares)
