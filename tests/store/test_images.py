"""Image files: what is read equals what was written, and axes are told or asked for."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_seggradcam.errors import ImageError
from napari_seggradcam.store.images import read_image, read_labels, write_image


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((40, 50), "YX"), ((40, 50, 3), "YXC"), ((2, 40, 50), "CYX"), ((20, 40, 50), "ZYX"),
     ((2, 20, 40, 50), "CZYX")],
)  # fmt: skip
def test_numpy_files_tell_their_axes_by_shape(
    tmp_path: Path, shape: tuple[int, ...], axes: str
) -> None:
    array = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "a.npy", array)
    read = read_image(tmp_path / "a.npy")
    assert read.axes == axes
    np.testing.assert_array_equal(read.array, array)


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [((40, 50), "YX", "YX"), ((5, 40, 50), "CYX", "CYX"), ((3, 40, 50), "ZYX", "ZYX"),
     ((3, 7, 40, 50), "ZCYX", "ZCYX"), ((1, 7, 40, 50), "TZYX", "ZYX")],
)  # fmt: skip
def test_tiff_files_say_their_axes(
    tmp_path: Path, shape: tuple[int, ...], axes: str, expected: str
) -> None:
    array = np.random.default_rng(0).integers(0, 60000, shape, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": axes}, photometric="minisblack")
    read = read_image(tmp_path / "a.tif")
    assert read.axes == expected
    np.testing.assert_array_equal(read.array, array.reshape(read.array.shape))


def test_rgb_files(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    imsave(tmp_path / "a.png", rgb, check_contrast=False)
    rgba = np.dstack([rgb, np.full((40, 50), 9, np.uint8)])
    imsave(tmp_path / "alpha.png", rgba, check_contrast=False)
    for name in ("a.tif", "a.png", "alpha.png"):
        read = read_image(tmp_path / name)
        assert read.axes == "YXC"
        np.testing.assert_array_equal(read.array, rgb)


def test_given_axes_win(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 40, 50)))
    assert read_image(tmp_path / "a.npy", "zyx").axes == "ZYX"
    for wrong in ("YX", "YYX", "TYX"):
        with pytest.raises(ImageError, match="do not fit"):
            read_image(tmp_path / "a.npy", wrong)


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image file"):
        read_image(tmp_path / "missing.tif")
    (tmp_path / "a.tif").write_text("no image")
    with pytest.raises(ImageError, match="can't be read"):
        read_image(tmp_path / "a.tif")
    (tmp_path / "a.docx").write_text("no image")
    with pytest.raises(ImageError, match=r"Expected one of \.tif"):
        read_image(tmp_path / "a.docx")
    np.save(tmp_path / "five.npy", np.zeros((2, 2, 2, 2, 2)))
    with pytest.raises(ImageError, match="--axes"):
        read_image(tmp_path / "five.npy")
    np.save(tmp_path / "complex.npy", np.zeros((4, 4), complex))
    with pytest.raises(ImageError, match="complex128"):
        read_image(tmp_path / "complex.npy")
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    with pytest.raises(ImageError, match="can't be read"):
        read_image(tmp_path / "objects.npy")


def test_labels(tmp_path: Path) -> None:
    labels = np.arange(20 * 30).reshape(20, 30)
    tifffile.imwrite(tmp_path / "l.tif", labels.astype(np.uint16))
    np.testing.assert_array_equal(read_labels(tmp_path / "l.tif"), labels)
    np.save(tmp_path / "float.npy", labels.astype(float))
    np.testing.assert_array_equal(read_labels(tmp_path / "float.npy"), labels)
    grey = np.repeat((labels[..., None] > 300).astype(np.uint8) * 255, 3, axis=-1)
    imsave(tmp_path / "mask.png", grey, check_contrast=False)
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.png"), (labels > 300) * 255)
    np.save(tmp_path / "half.npy", labels + 0.5)
    with pytest.raises(ImageError, match="fractions"):
        read_labels(tmp_path / "half.npy")
    imsave(tmp_path / "photo.png", grey * np.array([1, 0, 0], np.uint8), check_contrast=False)
    with pytest.raises(ImageError, match="not a mask"):
        read_labels(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "new/a.png"])
def test_written_labels_come_back(tmp_path: Path, name: str) -> None:
    labels = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    path = write_image(tmp_path / name, labels, "YX")
    read = read_image(path)
    assert read.axes == "YX"
    assert read.array.dtype == np.uint16
    np.testing.assert_array_equal(read.array, labels)


@pytest.mark.parametrize("axes", ["CYX", "CZYX"])
def test_written_logits_come_back(tmp_path: Path, axes: str) -> None:
    logits = np.random.default_rng(0).normal(size=(7, 5, 20, 30)[-len(axes) :]).astype(np.float32)
    read = read_image(write_image(tmp_path / "a.tif", logits, axes))
    assert read.axes == axes
    np.testing.assert_array_equal(read.array, logits)


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="can't hold float64"):
        write_image(tmp_path / "a.png", np.zeros((3, 4)), "YX")
    with pytest.raises(ImageError, match=r"\.tif, \.tiff, \.npy"):
        write_image(tmp_path / "a.jpg", np.zeros((3, 4), np.uint8), "YX")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImageError, match="can't be written"):
        write_image(tmp_path / "file" / "a.tif", np.zeros((3, 4), np.uint8), "YX")
