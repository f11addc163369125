import shutil

import numpy as np
import pytest
from skimage.io import imread, imsave

from napari_seggradcam.errors import OptionError, TrainingDataError
from napari_seggradcam.scenes.generators import generate
from napari_seggradcam.scenes.streets import CLASSES as GROUPS_OF_SCENES
from napari_seggradcam.training.cityscapes import CLASSES, GROUPS, LABELS, Cityscapes, label_table


def test_tables_are_those_of_the_benchmark():
    classes, groups = label_table("classes"), label_table("groups")
    assert len(LABELS) == len(classes) == 34
    # Train ids of the benchmark in the order of the label ids.
    trained = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    np.testing.assert_array_equal(np.nonzero(classes != 255)[0], trained)
    np.testing.assert_array_equal(classes[trained], range(19))
    assert (groups[:7] == 255).all()
    assert (groups[7:] == np.sort(groups[7:])).all()
    np.testing.assert_array_equal(np.bincount(groups[7:]), [4, 6, 4, 2, 1, 2, 8])
    assert list(CLASSES)[:3] == ["road", "sidewalk", "building"]


def test_groups_have_the_names_of_the_generated_streets():
    assert tuple(GROUPS) == GROUPS_OF_SCENES


def test_scene_comes_back_from_the_layout(cityscapes_root):
    source = Cityscapes(cityscapes_root, "train", "groups")
    scene = generate("streets", 2, (96, 192))
    image, labels = source[2]
    assert (len(source), source.channels) == (3, 3)
    assert source.classes == scene.classes
    np.testing.assert_array_equal(image, scene.image.transpose(2, 0, 1))
    np.testing.assert_array_equal(labels, scene.labels)


def test_classes_and_splits_are_told_apart(cityscapes_root):
    source = Cityscapes(cityscapes_root, "val", "classes")
    assert (len(source), len(source.classes), len(source.colours)) == (1, 19, 19)
    groups = Cityscapes(cityscapes_root, "val", "groups")[0][1]
    of_class = [list(GROUPS).index(label.group) for label in LABELS if label.trained]
    np.testing.assert_array_equal(np.array(of_class)[source[0][1]], groups)


def test_labels_that_are_not_trained_are_ignored(cityscapes_root, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(cityscapes_root, root)
    _, annotation = Cityscapes(root, "val").pairs[0]
    ids = imread(annotation)
    ids[:3], ids[3:6] = 4, 9  # static; parking: flat, but outside of the benchmark
    imsave(annotation, ids, check_contrast=False)
    assert (Cityscapes(root, "val", "classes")[0][1][:6] == 255).all()
    groups = Cityscapes(root, "val", "groups")[0][1]
    assert (groups[:3] == 255).all()
    assert (groups[3:6] == list(GROUPS).index("flat")).all()


def test_wrong_data_are_told_with_the_name_of_the_file(cityscapes_root, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(cityscapes_root, root)
    image, annotation = Cityscapes(root, "val").pairs[0]
    imsave(annotation, np.full((96, 192), 99, np.uint8), check_contrast=False)
    with pytest.raises(TrainingDataError, match=rf"{annotation.name} holds the value 99"):
        Cityscapes(root, "val")[0]
    imsave(annotation, np.full((96, 190), 7, np.uint8), check_contrast=False)
    with pytest.raises(TrainingDataError, match=rf"{image.name} .* don't fit"):
        Cityscapes(root, "val")[0]
    annotation.unlink()
    with pytest.raises(TrainingDataError, match=rf"{image.name} has no annotation"):
        Cityscapes(root, "val")
    with pytest.raises(TrainingDataError, match="no images of the split 'test'"):
        Cityscapes(root, "test")
    with pytest.raises(OptionError, match="'colours'"):
        Cityscapes(root, "train", "colours")
