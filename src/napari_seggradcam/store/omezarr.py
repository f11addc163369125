"""The arrays of an explanation as OME-Zarr 0.5 images, and back.

Kept apart from `explanations`, because zarr is slow to import and only needed when a
file is really written or read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from ome_zarr.writer import add_metadata, write_label_metadata, write_multiscales_metadata

if TYPE_CHECKING:
    from .explanations import StoredMap

_SPATIAL = "zyx"
_CHUNK = {1: 65536, 2: 1024, 3: 128}
_REGION_COLOUR = [0, 229, 255, 160]


@dataclass(frozen=True)
class Arrays:
    """All arrays of one explanation.

    Attributes
    ----------
    maps : list of (heatmap, signed, weights)
    region : ndarray of bool
    image : ndarray or None
    """

    maps: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]
    region: NDArray[np.bool_]
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
    region: NDArray[np.bool_],
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
        As there.
    """
    root = zarr.open_group(folder, mode="w", zarr_format=3)
    root.attrs[key] = description
    size = description["pixel_size"]
    units = description["units"]
    on_image = _Placement(tuple(size), (0.0,) * region.ndim, units)
    series = []
    for entry, stored in zip(description["maps"], maps, strict=True):
        group = root.create_group(entry["path"])
        placement = _Placement(
            tuple(s * p for s, p in zip(entry["scale"], size, strict=True)),
            tuple(t * p for t, p in zip(entry["translate"], size, strict=True)),
            units,
        )
        both = np.stack([stored.heatmap, stored.signed]).astype(np.float32)
        _write_image(group, both, placement, stored.name)
        add_metadata(group, {"omero": {"channels": _channels(stored.heatmap, stored.signed)}})
        _write_array(group, "weights", np.asarray(stored.weights, np.float32))
        series.append(entry["path"])
    parent = root
    if image is not None:
        parent = root.create_group("image")
        last = description["image_channels"] == "last"
        _write_image(parent, np.moveaxis(image, -1, 0) if last else image, on_image, "image")
        series.append("image")
    labels = parent.create_group("labels")
    _write_image(labels.create_group("region"), region.astype(np.uint8), on_image, "region")
    colour = {"label-value": 1, "rgba": _REGION_COLOUR}
    source = {} if image is None else {"source": {"image": "../../"}}
    write_label_metadata(labels, "region", colors=[colour], **source)
    add_metadata(labels, {"version": "0.5"})
    add_metadata(root, {"version": "0.5", "bioformats2raw.layout": 3})
    add_metadata(root.create_group("OME"), {"version": "0.5", "series": series})


def read_parts(folder: Path, description: dict[str, Any]) -> Arrays:
    """Read what `write_parts` wrote.

    Raises
    ------
    ValueError, KeyError, OSError, RuntimeError
        If something is missing or damaged.
    """
    root = zarr.open_group(folder, mode="r")
    maps = []
    for entry in description["maps"]:
        heatmap, signed = _read_array(root, f"{entry['path']}/0")
        maps.append((heatmap, signed, _read_array(root, f"{entry['path']}/weights")))
    image = None
    parent = ""
    if description["image_channels"] is not None:
        parent = "image/"
        image = _read_array(root, "image/0")
        if description["image_channels"] == "last":
            image = np.moveaxis(image, 0, -1)
    region = _read_array(root, f"{parent}labels/region/0").astype(bool)
    return Arrays(maps, region, image)


def _write_image(group: zarr.Group, values: NDArray[Any], placement: _Placement, name: str) -> None:
    """Write one OME-Zarr image of one resolution; an axis more than placed is the channel."""
    ndim = len(placement.scale)
    spatial = _SPATIAL[-ndim:]
    extra = values.ndim - ndim
    axes = [*"c"[:extra], *spatial]
    _write_array(group, "0", values, axes)
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


def _write_array(
    group: zarr.Group, name: str, values: NDArray[Any], axes: list[str] | None = None
) -> None:
    # Every chunk is written, also where it is all zero, and carries a checksum: a missing
    # or damaged one is an error when read, never a piece of zeros.
    spatial = min(values.ndim, 3) if axes is None else len([a for a in axes if a != "c"])
    chunks = tuple(max(1, min(n, _CHUNK[max(spatial, 1)])) for n in values.shape)
    group.create_array(
        name,
        data=np.ascontiguousarray(values),
        chunks=chunks,
        compressors=zarr.codecs.ZstdCodec(level=3, checksum=True),
        dimension_names=axes,
        config={"write_empty_chunks": True},
    )


def _read_array(root: zarr.Group, path: str) -> NDArray[Any]:
    array = root[path]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{path} is not an array")
    if array.nchunks_initialized != array.nchunks:
        raise ValueError(f"{path} lacks {array.nchunks - array.nchunks_initialized} of its chunks")
    return np.asarray(array[...])


def _channels(heatmap: NDArray[np.float32], signed: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Names and display ranges for readers that show channels; the heatmap is shown first."""
    top = float(heatmap.max(initial=0.0)) or 1.0
    size = float(np.abs(signed).max(initial=0.0)) or 1.0
    return [
        _channel("heatmap", "FFA500", 0.0, top, active=True),
        _channel("signed", "FFFFFF", -size, size, active=False),
    ]


def _channel(label: str, colour: str, low: float, high: float, *, active: bool) -> dict[str, Any]:
    window = {"min": low, "max": high, "start": low, "end": high}
    return {"label": label, "color": colour, "window": window, "active": active}
