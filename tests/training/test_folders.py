import numpy as np
import pytest
import tifffile

from napari_seggradcam.errors import TrainingDataError
from napari_seggradcam.training.folders import ImageFolder

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 60000, (12, 16)).astype(np.uint16)
RGB = RNG.integers(0, 255, (12, 16, 3)).astype(np.uint8)
CLASSES = RNG.integers(0, 3, (12, 16)).astype(np.uint8)


def folder(root, *args, **options):
    return ImageFolder(root / "images", root / "masks", *args, **options)


def test_images_and_masks_are_paired_by_name_whatever_their_format(write_images):
    root = write_images(
        {"b.png": RGB, "a.tif": RGB[::-1]}, {"a.png": CLASSES[::-1], "b.tif": CLASSES}
    )
    (root / "images" / "notes.txt").write_text("not an image")
    source = folder(root)
    assert (len(source), source.channels, source.axes) == (2, 3, "CYX")
    assert source.classes == ("class 0", "class 1", "class 2")
    assert len(set(source.colours)) == 3
    np.testing.assert_array_equal(source[0][0], RGB[::-1].transpose(2, 0, 1))
    np.testing.assert_array_equal(source[1][1], CLASSES)


def test_opacity_is_left_out_and_ignored_pixels_are_kept(write_images):
    mask = CLASSES.copy()
    mask[0] = 255
    source = folder(
        write_images({"a.png": np.dstack([RGB, CLASSES])}, {"a.png": mask}), ("x", "y", "z")
    )
    assert source.channels == 3
    assert source.classes == ("x", "y", "z")
    np.testing.assert_array_equal(source[0][1], mask)


def test_instances_become_nucleus_and_background(write_images):
    mask = np.zeros((12, 16), np.uint16)
    mask[2:6, 2:6], mask[8:11, 8:14] = 255, 70
    source = folder(write_images({"a.tif": GREY}, {"a.tif": mask}), instances=True)
    assert source.classes == ("background", "nucleus")
    np.testing.assert_array_equal(source[0][1], mask > 0)


def test_volumes_are_read_with_their_axes(tmp_path):
    volume = RNG.normal(size=(5, 2, 6, 7)).astype(np.float32)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", volume, photometric="minisblack")
    tifffile.imwrite(
        tmp_path / "masks" / "a.tif",
        np.eye(7, dtype=np.uint8)[:6] + np.zeros((5, 1, 1), np.uint8),
        photometric="minisblack",
    )
    source = folder(tmp_path, axes="ZCYX")
    assert (source.axes, source.channels) == ("CZYX", 2)
    image, labels = source[0]
    np.testing.assert_array_equal(image, volume.transpose(1, 0, 2, 3))
    assert labels.shape == (5, 6, 7)


@pytest.mark.parametrize(
    ("images", "masks", "told"),
    [
        ({"a.tif": GREY, "b.tif": GREY}, {"a.tif": CLASSES}, "b.tif has no mask"),
        ({"a.tif": GREY}, {"a.tif": CLASSES, "c.tif": CLASSES}, "c.tif has no image"),
        ({"a.tif": GREY, "a.png": RGB}, {"a.tif": CLASSES}, "a.tif have the same name"),
        ({"a.tif": GREY}, {"a.tif": CLASSES * np.uint8(50)}, "values up to 100"),
        ({"a.tif": GREY}, {"a.tif": (CLASSES > 1) * np.uint8(255)}, "255 is the object"),
        ({"a.tif": GREY}, {"a.tif": CLASSES + np.float32(0.5)}, "a.tif holds fractions"),
        ({"a.tif": GREY}, {"a.png": RGB}, "a.png has 3 differing channels"),
    ],
)
def test_wrong_data_are_told_with_the_name_of_the_file(write_images, images, masks, told):
    root = write_images(images, masks)
    with pytest.raises(TrainingDataError, match=told):
        folder(root)


def test_value_beyond_the_given_classes_is_told(write_images):
    root = write_images({"a.tif": GREY, "b.tif": GREY}, {"a.tif": CLASSES % 2, "b.tif": CLASSES})
    with pytest.raises(TrainingDataError, match=r"b.tif holds the value 2, but there are 2"):
        folder(root, ("no", "yes"))


@pytest.mark.parametrize(
    ("second", "told"),
    [(GREY[:, 1:], r"b.tif has the size \(12, 15\)"), (RGB, "b.tif has 3 channels")],
)
def test_image_that_does_not_fit_is_told_when_it_is_read(write_images, second, told):
    root = write_images({"a.tif": GREY, "b.tif": second}, {"a.tif": CLASSES, "b.tif": CLASSES})
    source = folder(root)
    with pytest.raises(TrainingDataError, match=told):
        source[1]


def test_damaged_file_is_told(write_images):
    root = write_images({"a.png": RGB}, {"a.png": CLASSES})
    (root / "masks" / "a.png").write_bytes(b"no picture")
    with pytest.raises(TrainingDataError, match=r"a.png can't be read"):
        folder(root)


def test_axes_that_do_not_fit_are_told(write_images):
    root = write_images({"a.tif": np.zeros((5, 12, 16), np.uint8)}, {"a.tif": CLASSES})
    with pytest.raises(TrainingDataError, match=r"a.tif.* \(5, 12, 16\)"):
        folder(root, axes="YX")


def test_folder_that_is_missing_or_empty_is_told(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(TrainingDataError, match="holds no images"):
        folder(tmp_path)
    with pytest.raises(TrainingDataError, match="is not a folder"):
        ImageFolder(tmp_path / "nothing", tmp_path)


def test_names_and_colours_must_fit(write_images):
    root = write_images({"a.tif": GREY}, {"a.tif": CLASSES})
    with pytest.raises(TrainingDataError, match="2 colours were given for 3 classes"):
        folder(root, colours=("#000000", "#ffffff"))
    with pytest.raises(TrainingDataError, match="two classes"):
        folder(root, ("a", "b", "c"), instances=True)
