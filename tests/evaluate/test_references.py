import numpy as np

from napari_seggradcam.evaluate.references import class_references


def test_mask_is_where_the_class_wins():
    logits = np.array([[[1.0, -1.0]], [[0.0, 3.0]]], np.float32)
    of_class, mask = class_references(logits, 1)
    np.testing.assert_array_equal(of_class, [[0, 3]])
    np.testing.assert_array_equal(mask, [[0, 1]])
