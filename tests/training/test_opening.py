import numpy as np
import pytest

from napari_seggradcam.errors import OptionError, TrainingDataError
from napari_seggradcam.training.opening import open_source

MASK = np.tile(np.array([[0, 1], [1, 0]], np.uint8), (8, 8))


@pytest.mark.parametrize(("word", "classes"), [("nuclei", 2), ("streets", 7)])
def test_words_open_the_data_of_the_recipes(word, classes):
    training, validation = open_source(word), open_source(word, "validation")
    assert len(training.classes) == classes
    assert len(training) > len(validation) > 1
    assert training.describe() != validation.describe()


def test_folder_is_split_into_parts_that_share_no_image(write_images):
    names = [f"{i}.png" for i in range(10)]
    root = write_images(
        {n: MASK + np.uint8(i) for i, n in enumerate(names)}, dict.fromkeys(names, MASK)
    )
    parts = [open_source(root, part, classes=("no", "yes")) for part in ("train", "validation")]
    assert [len(part) for part in parts] == [8, 2]
    assert {int(image.min()) for part in parts for image, _ in part} == set(range(10))
    with pytest.raises(OptionError, match="takes no labels"):
        open_source(root, labels="groups")


def test_cityscapes_is_known_by_its_folders(cityscapes_root):
    assert len(open_source(cityscapes_root)) == 3
    assert len(open_source(cityscapes_root, "validation", labels="classes").classes) == 19
    with pytest.raises(OptionError, match="Cityscapes takes no instances"):
        open_source(cityscapes_root, instances=True)


def test_anything_else_is_told(tmp_path):
    with pytest.raises(TrainingDataError, match="neither nuclei nor streets"):
        open_source(tmp_path)
    with pytest.raises(OptionError, match="'test'"):
        open_source("nuclei", "test")
    with pytest.raises(OptionError, match="nuclei takes no axes"):
        open_source("nuclei", axes="YX")
