"""Image files: what is read equals what was written, and axes are told or asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

from napari_seggradcam.errors import ImageError
from napari_seggradcam.store.disk_arrays import DiskArray
from napari_seggradcam.store.images import (
    open_image,
    open_labels,
    open_mask,
    read_image,
    read_labels,
    write_image,
)


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


VALUES = np.random.default_rng(2).integers(0, 60000, (90, 110), np.uint16)
Write = Callable[[Path, np.ndarray], Path]


def tiff(name: str = "a.tif", **options: Any) -> Write:
    def write(folder: Path, array: np.ndarray) -> Path:
        tifffile.imwrite(folder / name, array, photometric="minisblack", **options)
        return folder / name

    return write


def npy(folder: Path, array: np.ndarray) -> Path:
    np.save(folder / "a.npy", array)
    return folder / "a.npy"


def plain_zarr(folder: Path, array: np.ndarray) -> Path:
    zarr.create_array(folder / "a.zarr", data=array, chunks=(32, 40))
    return folder / "a.zarr"


def ome_zarr(version: str, lead: str = "", within: str = "") -> Write:
    """An image at two resolutions, with further axes of length 1."""

    def write(folder: Path, array: np.ndarray) -> Path:
        v2 = version != "0.5"
        root = zarr.open_group(folder / "a.ome.zarr", mode="w", zarr_format=2 if v2 else 3)
        group = root.create_group(within) if within else root
        shape = (1,) * len(lead) + array.shape
        for path, step in (("full", 1), ("half", 2)):
            part = array.reshape(shape)[..., ::step, ::step]
            group.create_array(path, data=part, chunks=(1,) * len(lead) + (32, 40))
        axes = [{"name": letter.lower(), "type": "any"} for letter in lead + "YX"]
        image = {"axes": axes, "datasets": [{"path": "full"}, {"path": "half"}]}
        if version == "0.2":
            del image["axes"]
        group.attrs.update({"multiscales": [image]} if v2 else {"ome": {"multiscales": [image]}})
        if within:
            root.attrs.update({"bioformats2raw.layout": 3})
        return folder / "a.ome.zarr"

    return write


STORED: dict[str, Write] = {
    "npy": npy,
    "TIFF": tiff(),
    "big-endian TIFF": tiff(byteorder=">"),
    "compressed TIFF": tiff(compression="zlib"),
    "tiled TIFF": tiff(tile=(32, 48)),
    "tiled and compressed TIFF": tiff(tile=(32, 48), compression="zlib", predictor=True),
    "OME-TIFF": tiff("a.ome.tif", tile=(32, 48), compression="zlib", metadata={"axes": "YX"}),
    "zarr": plain_zarr,
    "OME-Zarr 0.5": ome_zarr("0.5"),
    "OME-Zarr 0.4": ome_zarr("0.4", "TZ"),
    "OME-Zarr 0.5 of five axes": ome_zarr("0.5", "TZ"),
    "OME-Zarr as bioformats2raw writes it": ome_zarr("0.4", within="0"),
}
WINDOWS = [(slice(0, 90), slice(0, 110)), (slice(30, 35), slice(38, 109)), (slice(5, 5), slice(9))]


@pytest.mark.parametrize("kind", STORED)
def test_windows_of_files(tmp_path: Path, kind: str) -> None:
    path = STORED[kind](tmp_path, VALUES)
    opened = open_image(path)
    assert opened.axes == "YX"
    assert isinstance(opened.array, np.memmap | DiskArray)
    assert (opened.array.shape, opened.array.dtype.kind) == (VALUES.shape, "u")
    for window in WINDOWS:
        np.testing.assert_array_equal(opened.array[window], VALUES[window])
    np.testing.assert_array_equal(np.asarray(opened.array), VALUES)
    read = read_image(path)
    assert type(read.array) is np.ndarray
    np.testing.assert_array_equal(read.array, VALUES)
    np.testing.assert_array_equal(read_labels(path), VALUES)
    np.testing.assert_array_equal(open_labels(path)[WINDOWS[1]], VALUES[WINDOWS[1]])
    mask = open_mask(path)
    assert (mask.shape, mask.dtype) == (VALUES.shape, bool)
    np.testing.assert_array_equal(mask[WINDOWS[1]], VALUES[WINDOWS[1]] != 0)


def test_pieces_of_files_are_told(tmp_path: Path) -> None:
    """So that statistics are taken over whole ones."""
    tiled = open_image(STORED["tiled and compressed TIFF"](tmp_path, VALUES)).array
    assert tiled.chunks == (32, 48)
    assert open_image(STORED["OME-Zarr 0.4"](tmp_path, VALUES)).array.chunks == (32, 40)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [((5, 40, 50), "CYX", "CYX"), ((1, 7, 40, 50), "TZYX", "ZYX"), ((40, 50, 3), "YXS", "YXC"),
     ((3, 40, 50), "QYX", "CYX"), ((1, 3, 1, 40, 50), "TZCYX", "ZCYX")],
)  # fmt: skip
def test_axes_of_opened_tiff_files(
    tmp_path: Path, compression: str | None, shape: tuple[int, ...], axes: str, expected: str
) -> None:
    array = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        array,
        compression=compression,
        photometric="rgb" if "S" in axes else "minisblack",
        metadata={"axes": axes},
    )
    opened = open_image(tmp_path / "a.tif")
    assert opened.axes == expected
    window = tuple(slice(0, max(1, n - 2)) for n in opened.array.shape)
    np.testing.assert_array_equal(opened.array[window], array.reshape(opened.array.shape)[window])


def test_pictures_are_read_as_a_whole(tmp_path: Path) -> None:
    grey = np.repeat((VALUES[..., None] > 300).astype(np.uint8) * 255, 3, axis=-1)
    imsave(tmp_path / "mask.png", grey, check_contrast=False)
    np.testing.assert_array_equal(open_image(tmp_path / "mask.png").array, grey)
    whole = (slice(None), slice(None))
    np.testing.assert_array_equal(open_mask(tmp_path / "mask.png")[whole], VALUES > 300)
    np.testing.assert_array_equal(open_labels(tmp_path / "mask.png"), (VALUES > 300) * 255)


def test_what_is_no_label_image_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "float.npy", VALUES / 2)
    with pytest.raises(ImageError, match="float64 values"):
        open_labels(tmp_path / "float.npy")
    mask = open_mask(tmp_path / "float.npy")
    np.testing.assert_array_equal(mask[WINDOWS[0]], VALUES != 0)
    np.save(tmp_path / "rgb.npy", np.zeros((40, 50, 3), int))
    for opening in (open_labels, open_mask):
        with pytest.raises(ImageError, match=r"channels \(axes YXC"):
            opening(tmp_path / "rgb.npy")


def test_folders_without_an_image_are_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="OME-Zarr folder that is not damaged"):
        open_image(tmp_path)
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("x", data=VALUES)
    with pytest.raises(ImageError, match="zarr folder without an image"):
        open_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr" / "x").array, VALUES)
    path = ome_zarr("0.5", "TZ")(tmp_path, VALUES)
    group = zarr.open_group(path)
    group.create_array("full", data=np.zeros((3, 1, 90, 110)), overwrite=True)
    with pytest.raises(ImageError, match="axes can't be told"):  # time is not a channel
        open_image(path)


def test_a_piece_that_is_damaged_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = STORED["tiled and compressed TIFF"](tmp_path, VALUES)
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[-1], file.pages[0].databytecounts[-1]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = bytes(size)
    path.write_bytes(content)
    array = open_image(path).array
    np.testing.assert_array_equal(array[:32, :48], VALUES[:32, :48])
    with pytest.raises(ImageError, match=r"can't be read at .*imagecodecs"):
        array[80:90, 100:110]
    with pytest.raises(ImageError, match="can't be read"):
        read_image(path)


CHANNELS = np.random.default_rng(5).integers(0, 255, (3, 40, 50), np.uint8)
NAMES = ["DAPI", "GFP", "α-tubulin"]


def ome_tiff(folder: Path, array: np.ndarray, names: list[str], **options: Any) -> Path:
    path = folder / "a.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    tifffile.imwrite(path, array, photometric="minisblack", metadata=metadata, **options)
    return path


def named_zarr(folder: Path, array: np.ndarray, omero: Any, version: str = "0.5") -> Path:
    v2 = version != "0.5"
    path = folder / "a.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2 if v2 else 3)
    group.create_array("0", data=array, chunks=(1, 16, 16))
    image = {"axes": [{"name": n} for n in "cyx"], "datasets": [{"path": "0"}]}
    metadata = {"multiscales": [image], "omero": omero}
    group.attrs.update(metadata if v2 else {"ome": metadata})
    return path


@pytest.mark.parametrize("kind", ["planar", "compressed", "0.4", "0.5"])
def test_names_of_channels(tmp_path: Path, kind: str) -> None:
    if kind in ("0.4", "0.5"):
        omero = {"channels": [{"label": name} for name in NAMES]}
        path = named_zarr(tmp_path, CHANNELS, omero, kind)
    else:
        options = {"compression": "zlib"} if kind == "compressed" else {}
        path = ome_tiff(tmp_path, CHANNELS, NAMES, **options)
    for image in (open_image(path), read_image(path), open_image(path, "CYX")):
        assert (image.axes, image.channel_names) == ("CYX", tuple(NAMES))
        chosen = image.with_channels((2, 0))
        assert (chosen.axes, chosen.channel_names) == ("CYX", ("α-tubulin", "DAPI"))
        assert (chosen.array.shape, chosen.array.dtype) == ((2, 40, 50), np.uint8)
        np.testing.assert_array_equal(np.asarray(chosen.array), CHANNELS[[2, 0]])
        window = (slice(None), slice(3, 20), slice(17, 33))
        np.testing.assert_array_equal(chosen.array[window], CHANNELS[[2, 0], 3:20, 17:33])
        assert image.with_channels((0, 1, 2)) is image


def test_names_that_do_not_fit_are_none(tmp_path: Path) -> None:
    channels = [{"label": "DAPI"}, {"color": "FFFFFF"}, 7]
    for omero in ({"channels": channels}, {"channels": "DAPI"}, {}, [], "x", {"channels": None}):
        assert open_image(named_zarr(tmp_path, CHANNELS, omero)).channel_names is None
    tifffile.imwrite(
        tmp_path / "a.tif", CHANNELS, metadata={"axes": "CYX"}, photometric="minisblack"
    )
    unnamed = open_image(tmp_path / "a.tif")
    assert unnamed.channel_names is None
    assert unnamed.with_channels((1,)).channel_names == ("channel 1",)
    colours = np.moveaxis(CHANNELS, 0, -1)
    tifffile.imwrite(
        tmp_path / "rgb.ome.tif", colours, photometric="rgb", metadata={"Channel": {"Name": "all"}}
    )
    assert open_image(tmp_path / "rgb.ome.tif").channel_names is None


def test_chosen_channels_stay_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CHANNELS)
    chosen = open_image(tmp_path / "a.npy").with_channels((2, 1))
    written = np.lib.format.open_memmap(tmp_path / "a.npy", mode="r+")
    written[1, 7, 9] = 255 - written[1, 7, 9]
    written.flush()
    assert chosen.array[:, 7:8, 9:10].ravel().tolist() == [CHANNELS[2, 7, 9], written[1, 7, 9]]
    tiled = open_image(ome_tiff(tmp_path, CHANNELS, NAMES, tile=(16, 32), compression="zlib"))
    assert tiled.with_channels((1, 0)).array.chunks[1:] == tiled.array.chunks[1:] == (16, 32)
