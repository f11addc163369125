"""Arrays that stay in their files and are read by windows: TIFF and zarr.

Kept apart from `images`, which knows what axes mean.
"""

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ImageError

if TYPE_CHECKING:
    import tifffile

_LAYOUT = "bioformats2raw.layout"
_OLD_AXES = "TCZYX"
"""Of OME-Zarr before its version 0.3, which did not name them."""


class DiskArray:
    """An array in a file or folder; a slice of it is a numpy array.

    Parameters
    ----------
    array
        A zarr array.
    source
        Where it lies, for messages.
    keep
        Axes to keep; all others have length 1. None: all.
    close
        Called when nobody needs the array any more.

    Attributes
    ----------
    shape, chunks : tuple of int
        Size of the array, and of the pieces in which it is stored.
    dtype : dtype
    """

    def __init__(
        self,
        array: Any,
        source: Path,
        keep: Sequence[int] | None = None,
        close: Callable[[], object] | None = None,
    ):
        self._array = array
        self._source = source
        self._keep = tuple(range(array.ndim) if keep is None else keep)
        self.shape: tuple[int, ...] = tuple(array.shape[axis] for axis in self._keep)
        self.chunks: tuple[int, ...] = tuple(array.chunks[axis] for axis in self._keep)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        if close is not None:
            weakref.finalize(self, close)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Read a window.

        Raises
        ------
        ImageError
            If the file is damaged, or compressed in a way that needs another package.
        """
        whole: list[slice | int] = [0] * self._array.ndim
        for axis, part in zip(self._keep, index, strict=True):
            whole[axis] = part
        try:
            return np.asarray(self._array[tuple(whole)])
        except Exception as error:  # every decoder raises its own kinds
            raise ImageError(
                f"{self._source} can't be read at {list(index)} ({type(error).__name__}: {error}). "
                "Expected an image that is not damaged; some compressed ones need the package "
                "imagecodecs."
            ) from error

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[(slice(None),) * self.ndim].astype(dtype or self.dtype, copy=False)


class NotZero:
    """Which values of an array on disk are not 0, window by window.

    Parameters
    ----------
    array
        Numbers, read by slices.
    """

    def __init__(self, array: Any):
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[np.bool_] = np.dtype(bool)

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.bool_]:
        return np.asarray(np.asarray(self._array[index]) != 0)


class ChosenChannels:
    """Some channels of an array that is read by slices, in an order of their own.

    Parameters
    ----------
    array
        Numbers, such as a `DiskArray` or a memory map.
    axis
        Where its channels are.
    indices
        Which ones. They are read one by one, so that no other takes memory.

    Attributes
    ----------
    shape : tuple of int
        Size of the array with the chosen channels.
    chunks : tuple of int, or None
        Of the array, which may have none.
    dtype : dtype
    """

    def __init__(self, array: Any, axis: int, indices: Sequence[int]):
        self._array = array
        self._axis = axis
        self._indices = tuple(indices)
        self.shape: tuple[int, ...] = (*array.shape[:axis], len(indices), *array.shape[axis + 1 :])
        self.chunks: tuple[int, ...] | None = getattr(array, "chunks", None)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        before, after = index[: self._axis], index[self._axis + 1 :]
        channels = [
            np.asarray(self._array[(*before, slice(channel, channel + 1), *after)])
            for channel in self._indices[index[self._axis]]
        ]
        return np.concatenate(channels, self._axis)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[(slice(None),) * self.ndim].astype(dtype or self.dtype, copy=False)


def open_tiff(source: Path) -> tuple[Any, str, list[str]]:
    """Open the first image of a TIFF file, at its full resolution.

    Parameters
    ----------
    source
        The file.

    Returns
    -------
    memmap or DiskArray
        The values.
    str
        Axes as the file calls them; those of length 1 that are none of Z, Y, X and C are left out.
    list of str
        Names of channels in OME metadata; empty where there are none.
    """
    import tifffile

    file = tifffile.TiffFile(source)
    try:
        series = file.series[0]
        letters = series.axes.replace("S", "C")
        keep = [i for i, letter in enumerate(letters) if letter in "ZYXC" or series.shape[i] > 1]
        axes = "".join(letters[i] for i in keep)
        names = _ome_names(file)
        if series.dataoffset is not None and series.dtype is not None:
            mapped = tifffile.memmap(source, series=0, level=0, mode="r")
            file.close()
            return mapped.reshape([series.shape[i] for i in keep]), axes, names
        return DiskArray(_as_zarr(file), source, keep, file.close), axes, names
    except BaseException:
        file.close()
        raise


def _ome_names(file: "tifffile.TiffFile") -> list[str]:
    """Names of the first image's channels in OME metadata; empty where there are none."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return []
    pixels = root.find("{*}Image/{*}Pixels")
    channels = [] if pixels is None else pixels.findall("{*}Channel")
    return [channel.get("Name", "") for channel in channels]


def _as_zarr(file: "tifffile.TiffFile") -> Any:
    import zarr  # which takes half a second

    return zarr.open_array(file.aszarr(series=0, level=0), mode="r")


def open_zarr(source: Path) -> tuple[DiskArray, str | None, list[str]]:
    """Open an OME-Zarr image at its highest resolution, or a zarr array.

    Parameters
    ----------
    source
        The folder.

    Returns
    -------
    DiskArray
        The values.
    str or None
        Axes as the image's metadata call them, without those of length 1 but Y, X and C; None for
        an array.
    list of str
        Names of channels; empty where there are none.

    Raises
    ------
    ImageError
        If it is neither.
    """
    import zarr  # which takes half a second

    node = zarr.open(source, mode="r")
    if isinstance(node, zarr.Array):
        return DiskArray(node, source), None, []
    metadata = _metadata(node)
    if _LAYOUT in metadata and "0" in node:
        node = node["0"]
        metadata = _metadata(node)
    if "multiscales" not in metadata:
        raise ImageError(
            f"{source} is a zarr folder without an image. Expected an OME-Zarr image or a zarr "
            "array; choose one that lies within the folder."
        )
    image = metadata["multiscales"][0]
    array = node[image["datasets"][0]["path"]]
    names = [axis if isinstance(axis, str) else axis["name"] for axis in image.get("axes", ())]
    letters = "".join(names).upper() or _OLD_AXES
    keep = [i for i, letter in enumerate(letters) if letter in "YXC" or array.shape[i] > 1]
    axes = "".join(letters[i] for i in keep)
    return DiskArray(array, source, keep), axes, _labels(metadata)


def _labels(metadata: dict[str, Any]) -> list[str]:
    """Names of the channels of an OME-Zarr image; empty where there are none."""
    omero = metadata.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    named = channels if isinstance(channels, list) else []
    return [str(channel.get("label", "")) for channel in named if isinstance(channel, dict)]


def _metadata(node: Any) -> dict[str, Any]:
    """What OME-Zarr says of a group, in version 0.5 or before."""
    attributes: dict[str, Any] = node.attrs.asdict()
    found = attributes.get("ome", attributes)
    return dict(found)
