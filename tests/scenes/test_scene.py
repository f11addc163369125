"""Sizes and numbering, which all generators share."""

import numpy as np
import pytest

from napari_seggradcam.errors import ShapeError
from napari_seggradcam.scenes.scene import check_size, renumbered


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (64,), (64, 64, 64), (70.5, 64), (-64, 64)])
def test_a_size_that_holds_no_scene_is_refused(size):
    with pytest.raises(ShapeError, match="at least 64"):
        check_size(size, 64)


def test_a_size_may_come_as_numpy_integers():
    assert check_size(tuple(np.array([64, 80])), 64) == (64, 80)


def test_renumbered_leaves_no_gaps_and_keeps_what_belongs_together():
    instances = np.array([[0, 7, 7], [3, 0, 9]], np.int32)
    np.testing.assert_array_equal(renumbered(instances), [[0, 2, 2], [1, 0, 3]])


def test_renumbered_without_any_instance():
    assert not renumbered(np.zeros((3, 4), np.int32)).any()
