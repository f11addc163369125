"""The arrays of an explanation as OME-Zarr 0.5 images, and back.

Kept apart from `explanations`, because zarr is slow to import and only needed when a
file is really written or read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from ome_zarr.writer import add_metadata, write_label_metadata, write_multiscales_metadata

if TYPE_CHECKING:
    from .explanations import Region, StoredMap
    from .growing import MapPlan

_SPATIAL = "zyx"
_CHUNK = {1: 65536, 2: 1024, 3: 128}
_REGION_COLOUR = [0, 229, 255, 160]
# Every chunk is written, also where it is all zero, and carries a checksum: a missing
# or damaged one is an error when read, never a piece of zeros.
_WRITE_ALL = {"write_empty_chunks": True}


@dataclass(frozen=True)
class MapArrays:
    """The arrays of one network layer's map, and the largest value to show of its heatmap."""

    heatmap: NDArray[np.float32]
    signed: NDArray[np.float32]
    weights: NDArray[np.float32]
    kept: NDArray[np.bool_] | None
    top: float


@dataclass(frozen=True)
class Arrays:
    """All arrays of one explanation.

    Attributes
    ----------
    maps : list of MapArrays
    region : ndarray of bool or float32
    image : ndarray or None
    """

    maps: list[MapArrays]
    region: "Region"
    image: NDArray[Any] | None


@dataclass(frozen=True)
class _Placement:
    """Where an array lies, per spatial axis, in `units` (None: pixels)."""

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: list[str] | None


def write_parts(
    folder: Path,
    key: str,
    description: dict[str, Any],
    maps: Sequence["StoredMap"],
    region: "Region",
    image: NDArray[Any] | None,
) -> None:
    """Write all groups and arrays into an empty folder.

    Parameters
    ----------
    folder : Path
    key : str
        Name of the root attribute that takes `description`.
    description : dict
        See `explanations.write_explanation`.
    maps, region, image
        As there; dask arrays are written chunk by chunk.
    """
    root = zarr.open_group(folder, mode="w", zarr_format=3)
    for entry, stored in zip(description["maps"], maps, strict=True):
        group = root.create_group(entry["path"])
        both = np.stack([stored.heatmap, stored.signed]).astype(np.float32)
        placement = _placement(description, entry)
        array = _create_image(group, both.shape, np.float32, placement, stored.name)
        _fill(array, both)
        weights = stored.weights.astype(np.float32)
        _fill(_create_array(group, "weights", weights.shape, np.float32), weights)
        if stored.kept is not None:
            kept = stored.kept.astype(np.uint8)
            _fill(_create_array(group, "kept", kept.shape, np.uint8), kept)
        add_metadata(group, {"omero": {"channels": _channels(array)}})
    parent = root
    if image is not None:
        parent = root.create_group("image")
        if description["image_channels"] == "last":
            image = np.moveaxis(image, -1, 0)
        placement = _placement(description)
        _fill(_create_image(parent, image.shape, image.dtype, placement, "image"), image)
    _fill(_create_region(parent, description, region.shape), (region != 0).astype(np.uint8))
    if description.get("weighted"):
        _fill(_create_array(root, "region-weights", region.shape, np.float32), region)
    _finish(root, key, description)


def create_empty(
    folder: Path,
    description: dict[str, Any],
    plans: Sequence["MapPlan"],
    region_shape: tuple[int, ...],
    region_chunk: tuple[int, ...],
) -> None:
    """Make the groups and arrays of an explanation without image, all without values.

    Parameters
    ----------
    folder : Path
        An empty folder.
    description : dict
        As for `write_parts`.
    plans, region_shape, region_chunk
        See `growing.GrowingExplanation.begin`.
    """
    root = zarr.open_group(folder, mode="w", zarr_format=3)
    for entry, plan in zip(description["maps"], plans, strict=True):
        group = root.create_group(entry["path"])
        shape = (2, *plan.shape)
        placement = _placement(description, entry)
        _create_image(group, shape, np.float32, placement, plan.name, plan.chunk)
        _create_array(group, "weights", (plan.channels,), np.float32)
    _create_region(root, description, region_shape, region_chunk)


def open_filling(folder: Path, description: dict[str, Any]) -> tuple[list[Any], list[Any], Any]:
    """Open what `create_empty` made for writing: arrays of the maps, of the weights, the region."""
    root = zarr.open_group(folder, mode="r+")
    paths = [entry["path"] for entry in description["maps"]]
    maps, weights = ([_writable(root, f"{p}/{name}") for p in paths] for name in ("0", "weights"))
    return maps, weights, _writable(root, "labels/region/0")


def finish_filled(folder: Path, key: str, description: dict[str, Any]) -> None:
    """Give what `create_empty` made, and was filled since, the metadata of `write_parts`.

    Raises
    ------
    ValueError
        If a chunk was not written.
    """
    root = zarr.open_group(folder, mode="r+")
    maps, weights, region = open_filling(folder, description)
    for array in (*maps, *weights, region):
        _check_complete(array)
    for entry, array in zip(description["maps"], maps, strict=True):
        add_metadata(root[entry["path"]], {"omero": {"channels": _channels(array)}})
    _finish(root, key, description)


def read_parts(folder: Path, description: dict[str, Any], lazy: bool = False) -> Arrays:
    """Read what `write_parts` wrote.

    Parameters
    ----------
    folder, description
        As for `write_parts`.
    lazy : bool
        Whether to give dask arrays that read their chunks when they are asked for.

    Raises
    ------
    ValueError, KeyError, OSError, RuntimeError
        If something is missing or damaged.
    """
    root = zarr.open_group(folder, mode="r")
    read = _lazy_array if lazy else _whole_array
    maps = []
    for entry in description["maps"]:
        heatmap, signed = read(root, f"{entry['path']}/0")
        weights = read(root, f"{entry['path']}/weights")
        shown = root[entry["path"]].attrs["ome"]["omero"]["channels"][0]
        top = float(shown["window"]["max"])
        # Files of before there was truncation say nothing of it.
        kept = read(root, f"{entry['path']}/kept").astype(bool) if entry.get("truncated") else None
        maps.append(MapArrays(heatmap, signed, weights, kept, top))
    image = None
    parent = ""
    if description["image_channels"] is not None:
        parent = "image/"
        image = read(root, "image/0")
        if description["image_channels"] == "last":
            image = np.moveaxis(image, 0, -1)
    if description.get("weighted"):
        region = read(root, "region-weights")
    else:
        region = read(root, f"{parent}labels/region/0").astype(bool)
    return Arrays(maps, region, image)


def _placement(description: dict[str, Any], entry: dict[str, Any] | None = None) -> _Placement:
    """Where a map of the description lies, or, without one, the image."""
    size = description["pixel_size"]
    if entry is None:
        return _Placement(tuple(size), (0.0,) * len(size), description["units"])
    return _Placement(
        tuple(s * p for s, p in zip(entry["scale"], size, strict=True)),
        tuple(t * p for t, p in zip(entry["translate"], size, strict=True)),
        description["units"],
    )


def _create_region(
    parent: zarr.Group,
    description: dict[str, Any],
    shape: tuple[int, ...],
    chunk: tuple[int, ...] | None = None,
) -> zarr.Array:
    """Make the label image of the region, with its metadata."""
    labels = parent.create_group("labels")
    group = labels.create_group("region")
    array = _create_image(group, shape, np.uint8, _placement(description), "region", chunk)
    colour = {"label-value": 1, "rgba": _REGION_COLOUR}
    source = {"source": {"image": "../../"}} if description["image_channels"] else {}
    write_label_metadata(labels, "region", colors=[colour], **source)
    add_metadata(labels, {"version": "0.5"})
    return array


def _create_image(
    group: zarr.Group,
    shape: tuple[int, ...],
    dtype: Any,
    placement: _Placement,
    name: str,
    chunk: tuple[int, ...] | None = None,
) -> zarr.Array:
    """Make one OME-Zarr image of one resolution; an axis more than placed is the channel."""
    ndim = len(placement.scale)
    spatial = _SPATIAL[-ndim:]
    extra = len(shape) - ndim
    axes = [*"c"[:extra], *spatial]
    array = _create_array(group, "0", shape, dtype, axes, chunk)
    units = None if placement.units is None else dict(zip(spatial, placement.units, strict=True))
    transformations = [
        {"type": "scale", "scale": [1.0] * extra + list(placement.scale)},
        {"type": "translation", "translation": [0.0] * extra + list(placement.translate)},
    ]
    write_multiscales_metadata(
        group,
        datasets=[{"path": "0", "coordinateTransformations": transformations}],
        axes=axes,
        axes_units=units,
        name=name,
    )
    return array


def _create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    axes: list[str] | None = None,
    chunk: tuple[int, ...] | None = None,
) -> zarr.Array:
    spatial = min(len(shape), 3) if axes is None else len([a for a in axes if a != "c"])
    if chunk is None:
        chunk = (_CHUNK[max(spatial, 1)],) * (len(shape) if axes is None else spatial)
    # One channel a chunk, so that a heatmap is read without its signed map.
    chunk = (1,) * (len(shape) - len(chunk)) + chunk
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(1, min(n, c)) for n, c in zip(shape, chunk, strict=True)),
        compressors=zarr.codecs.ZstdCodec(level=3, checksum=True),
        dimension_names=axes,
        config=_WRITE_ALL,
    )


def _writable(root: zarr.Group, path: str) -> zarr.Array:
    """Open an array for writing; how it is written is not in the file."""
    return root[path].with_config(_WRITE_ALL)


def _fill(array: zarr.Array, values: Any) -> None:
    """Write all values; those that are not in memory chunk by chunk."""
    if isinstance(values, np.ndarray):
        array[...] = values
        return
    for window in _windows(values.shape, array.chunks):
        array[window] = np.asarray(values[window])


def _finish(root: zarr.Group, key: str, description: dict[str, Any]) -> None:
    """Write what says that the folder is an explanation, last of all."""
    series = [entry["path"] for entry in description["maps"]]
    if description["image_channels"] is not None:
        series.append("image")
    add_metadata(root, {"version": "0.5", "bioformats2raw.layout": 3})
    add_metadata(root.require_group("OME"), {"version": "0.5", "series": series})
    root.attrs[key] = description


def _whole_array(root: zarr.Group, path: str) -> NDArray[Any]:
    return np.asarray(_complete_array(root, path)[...])


def _lazy_array(root: zarr.Group, path: str) -> Any:
    from dask.array import from_array  # a third of a second, and only large files need it

    array = _complete_array(root, path)
    # A name of its own each time: a folder that was written anew is not the one that a cache knows.
    meta = np.empty((0,) * array.ndim, array.dtype)
    return from_array(array, chunks=array.chunks, name=False, meta=meta)  # type: ignore[no-untyped-call]


def _complete_array(root: zarr.Group, path: str) -> zarr.Array:
    array = root[path]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{path} is not an array")
    _check_complete(array)
    return array


def _check_complete(array: zarr.Array) -> None:
    missing = array.nchunks - array.nchunks_initialized
    if missing:
        raise ValueError(f"{array.path} lacks {missing} of its chunks")


def _windows(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Windows of one chunk each that cover an array."""
    counts = tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))
    for corner in np.ndindex(*counts):
        yield tuple(slice(i * c, (i + 1) * c) for i, c in zip(corner, chunk, strict=True))


def _extremes(array: zarr.Array, channel: int) -> tuple[float, float]:
    """Return the smallest and largest value of one channel, and 0; reads a chunk at a time."""
    low = high = 0.0
    for window in _windows(array.shape[1:], array.chunks[1:]):
        values = np.asarray(array[(channel, *window)])
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def _channels(array: zarr.Array) -> list[dict[str, Any]]:
    """Names and display ranges for readers that show channels; the heatmap is shown first."""
    top = _extremes(array, 0)[1] or 1.0
    size = max(map(abs, _extremes(array, 1))) or 1.0
    return [
        _channel("heatmap", "FFA500", 0.0, top, active=True),
        _channel("signed", "FFFFFF", -size, size, active=False),
    ]


def _channel(label: str, colour: str, low: float, high: float, *, active: bool) -> dict[str, Any]:
    window = {"min": low, "max": high, "start": low, "end": high}
    return {"label": label, "color": colour, "window": window, "active": active}
