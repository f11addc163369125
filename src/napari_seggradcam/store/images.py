"""Image files for the command line, with their axes: TIFF, PNG, JPEG, NumPy and OME-Zarr.

Exotic formats are not this module's task: napari and its readers open those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .disk_arrays import ChosenChannels, NotZero, open_tiff, open_zarr

_TIFF = (".tif", ".tiff")
_PICTURE = (".png", ".jpg", ".jpeg")
_NUMPY = (".npy",)
_MOST_CHANNELS = 4


@dataclass(frozen=True)
class ReadImage:
    """An image file's content.

    Attributes
    ----------
    array : ndarray, or what is read by slices as one
    axes : str
        One letter per axis of `array`: Z, Y, X and C.
    channel_names : tuple of str, or None
        One per channel; None where the file does not name them.
    """

    array: Any
    axes: str
    channel_names: tuple[str, ...] | None = None

    def with_channels(self, indices: Sequence[int]) -> "ReadImage":
        """The same image with these channels; what stays on disk is read when it is needed.

        Parameters
        ----------
        indices
            Channels along the axis C, in the order that is wanted.
        """
        axis = self.axes.index("C")
        count = self.array.shape[axis]
        if tuple(indices) == tuple(range(count)):
            return self
        given = self.channel_names or [f"channel {number}" for number in range(count)]
        names = tuple(given[number] for number in indices)
        if type(self.array) is np.ndarray:
            return ReadImage(self.array.take(indices, axis), self.axes, names)
        return ReadImage(ChosenChannels(self.array, axis, indices), self.axes, names)


def read_image(path: str | Path, axes: str | None = None) -> ReadImage:
    """Read an image and say what its axes are.

    Parameters
    ----------
    path, axes
        As for `open_image`.

    Returns
    -------
    ReadImage
        Its array is a numpy array.

    Raises
    ------
    ImageError
        As for `open_image`.
    """
    opened = open_image(path, axes)
    return replace(opened, array=np.array(opened.array))


def open_image(path: str | Path, axes: str | None = None) -> ReadImage:
    """Open an image and say what its axes are; its values stay on disk where the format allows.

    TIFF files and OME-Zarr images say their axes themselves; otherwise two axes are YX, a last
    axis of 3 or 4 is C (red, green, blue), a first axis of up to 4 is C, and three longer axes are
    ZYX. The alpha channel of pictures is dropped. So are axes of length 1 that a file calls time,
    sample or the like.

    Parameters
    ----------
    path : path-like
        ``.tif``, ``.tiff``, ``.npy``, a folder with an OME-Zarr image or a zarr array; or
        ``.png``, ``.jpg``, ``.jpeg``, which are read as a whole.
    axes : str, optional
        The axes of the array where they are known better than by guessing, as "ZYX".

    Returns
    -------
    ReadImage
        Reading a window of its array may raise `ImageError`, too.

    Raises
    ------
    ImageError
        If the file is missing, can't be read, or its axes can't be told.
    """
    source = Path(path)
    if not source.exists():
        raise ImageError(f"There is no image file {source}. Expected the path of an image.")
    try:
        array, guess, names = _open(source)
        if array.size:
            array[(slice(0, 1),) * array.ndim]  # a way of compression may be unknown
    except ImageError:
        raise
    except Exception as error:  # every decoder raises its own kinds
        raise _unreadable(source, error) from error
    if array.dtype.kind not in "buif" or array.size == 0:
        raise ImageError(
            f"{source} holds {array.dtype} values of shape {array.shape}. "
            "Expected whole or real numbers, at least one pixel."
        )
    found = _given_axes(axes, array.shape, source) if axes else guess
    if found is None:
        raise ImageError(
            f"{source} has shape {array.shape}, and its axes can't be told from that. "
            "Say them: --axes with one letter of Z, Y, X, C per axis."
        )
    return ReadImage(array, found, _named(names, found, array.shape))


def open_labels(path: str | Path, axes: str | None = None) -> Any:
    """Open a label image, whose values stay on disk where the format allows.

    Parameters
    ----------
    path, axes
        As for `open_image`; the file must have no channels, and whole numbers. Pictures are taken
        as `read_labels` does.

    Raises
    ------
    ImageError
        If the file can't be read or holds something else than labels.
    """
    array = _open_without_channels(path, axes)
    if array.dtype.kind == "f":
        raise ImageError(
            f"{path} holds {array.dtype} values. Expected whole numbers: 0 outside, 1 or a label "
            "inside. Convert it first, for example with numpy.astype."
        )
    return array


def open_mask(path: str | Path, axes: str | None = None) -> NotZero:
    """Open a mask, whose values stay on disk where the format allows: True where they are not 0.

    Parameters
    ----------
    path, axes
        As for `open_labels`; masks may be stored as floats.

    Raises
    ------
    ImageError
        As for `open_labels`.
    """
    return NotZero(_open_without_channels(path, axes))


def read_labels(path: str | Path, axes: str | None = None) -> NDArray[np.int64]:
    """Read a mask or a label image: whole numbers, 0 is background.

    Parameters
    ----------
    path : path-like
        As for `read_image`; must have no channels. Masks stored as floats are taken when
        every value is a whole number.
    axes : str, optional
        As for `read_image`.

    Returns
    -------
    ndarray of int64, spatial shape

    Raises
    ------
    ImageError
        If the file can't be read or holds something else than labels.
    """
    read = read_image(path, axes)
    array = read.array
    if "C" in read.axes:
        channels = np.moveaxis(array, read.axes.index("C"), 0)
        if not (channels == channels[0]).all():
            raise ImageError(
                f"{path} has {len(channels)} differing channels, so it is a picture, not a mask. "
                "Expected one number per pixel."
            )
        array = channels[0]
    if array.dtype.kind == "f" and not (array == np.round(array)).all():
        raise ImageError(
            f"{path} holds fractions. Expected whole numbers: 0 outside, 1 or a label inside."
        )
    return np.asarray(array).astype(np.int64)


def write_image(path: str | Path, array: NDArray[Any], axes: str) -> Path:
    """Write labels, logits or colours; missing folders are made.

    Parameters
    ----------
    path : path-like
        ``.tif``, ``.tiff``, ``.npy``, or ``.png`` for two axes of whole numbers.
    array : ndarray
    axes : str
        One letter per axis, kept in TIFF files; a last axis ``S`` has red, green and blue.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImageError
        If the array can't be stored as the ending says, or the file can't be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    coloured = axes.endswith("S")
    is_picture = suffix == ".png" and array.ndim - coloured == 2 and array.dtype.kind in "bu"
    if suffix not in _TIFF + _NUMPY and not is_picture:
        raise ImageError(
            f"{target} can't hold {array.dtype} values of shape {array.shape}. "
            f"Expected a name that ends in {', '.join(_TIFF + _NUMPY)}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix in _TIFF:
            import tifffile

            tifffile.imwrite(
                target,
                array,
                photometric="rgb" if coloured else "minisblack",
                compression="zlib",
                metadata={"axes": axes},
            )
        elif is_picture:
            from skimage.io import imsave

            imsave(target, array, check_contrast=False)
        else:
            np.save(target, array)
    except OSError as error:
        raise ImageError(
            f"{target} can't be written ({error}). Choose a folder that you may write to."
        ) from error
    return target


def _open_without_channels(path: str | Path, axes: str | None) -> Any:
    if Path(path).suffix.lower() in _PICTURE:
        return read_labels(path, axes)
    opened = open_image(path, axes)
    if "C" in opened.axes:
        raise ImageError(
            f"{path} has channels (axes {opened.axes}, shape {opened.array.shape}). Expected one "
            "number per pixel; store one channel alone."
        )
    return opened.array


def _unreadable(source: Path, error: Exception) -> ImageError:
    return ImageError(
        f"{source} can't be read as an image ({type(error).__name__}: {error}). "
        "Expected a TIFF, PNG, JPEG or NumPy file or an OME-Zarr folder that is not damaged."
    )


def _open(source: Path) -> tuple[Any, str | None, Sequence[str]]:
    suffix = source.suffix.lower()
    if source.is_dir():
        array, letters, names = open_zarr(source)
        axes = _guess_axes(array.shape) if letters is None else _sensible(letters)
        return array, axes, names
    if suffix in _TIFF:
        array, letters, names = open_tiff(source)
        if array.ndim == 3 and letters[0] in "IQ" and letters[1:] == "YX":
            letters = "CYX" if array.shape[0] <= _MOST_CHANNELS else "ZYX"
        return array, _sensible(letters) or _guess_axes(array.shape), names
    if suffix in _PICTURE:
        return *_read_picture(source), ()
    if suffix in _NUMPY:
        array = np.load(source, mmap_mode="r", allow_pickle=False)
        return array, _guess_axes(array.shape), ()
    raise ImageError(
        f"{source} ends in {suffix or 'nothing'!r}. Expected one of "
        f"{', '.join(_TIFF + _PICTURE + _NUMPY)}, or an OME-Zarr folder; convert it, or open it "
        "in napari."
    )


def _read_picture(source: Path) -> tuple[NDArray[Any], str]:
    from skimage.io import imread

    with source.open("rb") as file:  # imageio leaves a damaged file open by itself
        array = np.asarray(imread(file))
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        array = array[..., :-1]
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array, "YX" if array.ndim == 2 else "YXC"


def _named(names: Sequence[str], axes: str, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Names of channels, where there is one for each."""
    fits = "C" in axes and len(names) == shape[axes.index("C")] and all(names)
    return tuple(names) if fits else None


def _sensible(letters: str) -> str | None:
    """Axes as a file calls them, if they are those of one image."""
    known = set(letters) <= set("ZYXC") and len(set(letters)) == len(letters)
    return letters if known and "YX" in letters else None


def _guess_axes(shape: tuple[int, ...]) -> str | None:
    """Axes that an array of this shape most likely has; None where there is no telling."""
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3:
        if shape[-1] in (3, 4):
            return "YXC"
        return "CYX" if shape[0] <= _MOST_CHANNELS else "ZYX"
    return "CZYX" if len(shape) == 4 and shape[0] <= _MOST_CHANNELS else None


def _given_axes(axes: str, shape: tuple[int, ...], source: Path) -> str:
    letters = axes.upper()
    if (
        len(letters) != len(shape)
        or len(set(letters)) != len(letters)
        or set(letters) - set("ZYXC")
    ):
        raise ImageError(
            f"The axes {axes!r} do not fit {source}, which has shape {shape}. "
            "Expected one letter of Z, Y, X, C per axis, each at most once."
        )
    return letters
