"""An explanation as a folder: one OME-Zarr image per network layer, the region, the record.

What lies in ``name.sgc.zarr`` (Zarr 3, OME-Zarr 0.5)::

    zarr.json                  the record, the list of maps, which group is what
    OME/                       the list of all images, for readers of collections
    maps/00-encoder-0-relu-2/  axes c, y, x: channel 0 the heatmap, channel 1 the signed map
        0                      the values, float32, at the network layer's own resolution
        weights                one weight per channel of the feature maps
        kept                   1 where the heatmap was not truncated (optional)
    image/                     the image that was explained (optional)
        labels/region/         the region as an OME-Zarr label image
    labels/region/             the same where no image was stored
    region-weights             what every pixel of a weighted region counts (optional)

Scale and translation of every map lead to the pixel centres of the image, so that
any OME-Zarr reader draws the maps where they belong.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..errors import ExplanationFileError

Region = NDArray[np.bool_] | NDArray[np.float32]

KEY = "napari_seggradcam"
"""Where the root group's attributes hold what OME-Zarr has no place for."""

FORMAT = 1
"""Version of the folder's layout."""


@dataclass(frozen=True)
class StoredMap:
    """The map of one network layer, with everything that its file holds.

    Attributes
    ----------
    name : str
        Name of the network layer, unique within the explanation.
    signed, heatmap : ndarray of float32, spatial shape of the network layer
        The map before and after the ReLU (and truncation).
    weights : ndarray of float32
        The weights of the feature maps; the first axis is the channel.
    scale, translate : tuple of float
        Placement in pixels of the image, one number per spatial axis: the centre of
        element ``i`` lies at ``scale * i + translate``, pixel centres at whole numbers.
    attributes : dict
        What else is known about the network layer; JSON types only.
    kept : ndarray of bool or None
        Positions that truncation has kept; None where nothing was truncated.
    top : float or None
        Upper end of the heatmap's colour scale: its largest value, 1 where that is 0. Known of
        what was read from a file, and not written.
    """

    name: str
    signed: NDArray[np.float32]
    heatmap: NDArray[np.float32]
    weights: NDArray[np.float32]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    kept: NDArray[np.bool_] | None = None
    top: float | None = None

    @property
    def empty(self) -> str | None:
        """Why the heatmap is zero everywhere, as a sentence; None where it is not."""
        reason = self.attributes.get("empty")
        return None if reason is None else str(reason)


@dataclass(frozen=True)
class StoredExplanation:
    """What a saved explanation holds.

    Attributes
    ----------
    maps : tuple of StoredMap
        In order of execution.
    region : ndarray of bool or float32, spatial shape of the image
        Of a weighted region, what every pixel counts.
    image : ndarray or None
        As it was given, with its own dtype and axis order.
    record : dict
        How the explanation was made.
    pixel_size : tuple of float
        Size of the image's pixels per spatial axis, in `units`.
    units : tuple of str or None
        OME-Zarr unit per spatial axis, None where pixels are all that is known.

    Notes
    -----
    Where it was read with ``lazy=True`` every array is a dask array.
    """

    maps: tuple[StoredMap, ...]
    region: Region
    image: NDArray[Any] | None
    record: dict[str, Any]
    pixel_size: tuple[float, ...]
    units: tuple[str, ...] | None

    @property
    def nbytes(self) -> int:
        """Bytes that all arrays take in memory, whether they are there or not."""
        maps = sum(m.signed.nbytes + m.heatmap.nbytes + m.weights.nbytes for m in self.maps)
        return int(maps + self.region.nbytes + (0 if self.image is None else self.image.nbytes))


def is_explanation(path: str | Path) -> bool:
    """Whether a folder is one that `write_explanation` made; reads one small file."""
    try:
        _description(Path(path))
    except ExplanationFileError:
        return False
    return True


def write_explanation(
    path: str | Path,
    maps: Sequence[StoredMap],
    region: Region,
    image: NDArray[Any] | None,
    record: dict[str, Any],
    *,
    pixel_size: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
) -> Path:
    """Write an explanation, all of it or nothing.

    Everything goes to a temporary folder beside `path`, which is renamed at the end.
    An explanation that lies at `path` already is replaced; anything else is left alone.

    Parameters
    ----------
    path : path-like
        The folder to make, by convention ``*.sgc.zarr``.
    maps : sequence of StoredMap
        Dask arrays are written chunk by chunk; so are those of region and image.
    region : ndarray of bool, spatial shape of the image
        Floats say what every pixel of a weighted region counts.
    image : ndarray or None
        The image: shape of `region`, or with one channel axis more, first or last.
    record : dict
        JSON types only.
    pixel_size : sequence of float, optional
        Size of the image's pixels per spatial axis; 1 by default.
    units : sequence of str, optional
        Unit of `pixel_size` per spatial axis, as OME-Zarr names them ("micrometer").
        None says pixels.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ExplanationFileError
        If `path` is something else than a saved explanation, can't be written, or if the
        parts do not fit together.
    """
    target = Path(path)
    region = region.astype(np.float32 if region.dtype.kind == "f" else bool, copy=False)
    _check_parts(maps, region, image)
    description = {
        "format": FORMAT,
        "record": as_json(record, "record"),
        "maps": [
            describe_map(number, stored.name, stored.scale, stored.translate, stored.attributes)
            | ({} if stored.kept is None else {"truncated": True})
            for number, stored in enumerate(maps)
        ],
        "pixel_size": [float(size) for size in pixel_size or (1.0,) * region.ndim],
        "units": list(units) if units else None,
        "image_channels": None if image is None else _channel_axis(image, region),
        **({"weighted": True} if region.dtype.kind == "f" else {}),
    }
    check_replaceable(target)
    from .omezarr import write_parts  # zarr takes half a second to import

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(target)
        partial.mkdir()
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        write_parts(partial, KEY, description, maps, region, image)
        replace_with(target, partial)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def read_explanation(path: str | Path, lazy: bool = False) -> StoredExplanation:
    """Read what `write_explanation` or a `GrowingExplanation` wrote; the values come back exactly.

    Parameters
    ----------
    path : path-like
        The folder.
    lazy : bool
        Whether to read no values yet: all arrays are dask arrays then. That a piece is missing is
        still found here; a damaged piece only when it is read, as zarr's own error.

    Returns
    -------
    StoredExplanation

    Raises
    ------
    ExplanationFileError
        If there is nothing at `path`, if it is no saved explanation, was written by a
        newer version, or is damaged.
    """
    source = Path(path)
    description = _description(source)
    from .omezarr import read_parts  # zarr takes half a second to import

    try:
        arrays = read_parts(source, description, lazy)
        maps = tuple(
            StoredMap(
                name=entry["name"],
                signed=values.signed,
                heatmap=values.heatmap,
                weights=values.weights,
                scale=tuple(entry["scale"]),
                translate=tuple(entry["translate"]),
                attributes=entry["attributes"],
                kept=values.kept,
                top=values.top,
            )
            for entry, values in zip(description["maps"], arrays.maps, strict=True)
        )
        units = description["units"]
        return StoredExplanation(
            maps=maps,
            region=arrays.region,
            image=arrays.image,
            record=description["record"],
            pixel_size=tuple(description["pixel_size"]),
            units=tuple(units) if units else None,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ExplanationFileError(
            f"The explanation {source} is damaged ({type(error).__name__}: {error}). "
            "Make it again, or take an undamaged copy."
        ) from error


def _description(path: Path) -> dict[str, Any]:
    """Read and check our part of the root group's attributes."""
    if not path.exists():
        raise ExplanationFileError(
            f"There is no {path}. Expected a folder that was saved as an explanation (*.sgc.zarr)."
        )
    try:
        text = (path / "zarr.json").read_text(encoding="utf-8")
        description = json.loads(text)["attributes"][KEY]
        version = int(description["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExplanationFileError(
            f"{path} is not a saved explanation. Expected a folder (*.sgc.zarr) written by "
            "Explanation.save or `seggradcam explain --out`."
        ) from error
    if version > FORMAT:
        raise ExplanationFileError(
            f"{path} has format {version}, this version reads up to format {FORMAT}. "
            "Update napari-seggradcam to open it."
        )
    return dict(description)


def _check_parts(maps: Sequence[StoredMap], region: Region, image: NDArray[Any] | None) -> None:
    """Refuse parts that could not be put on one image again."""
    for stored in maps:
        placed = {stored.signed.ndim, stored.heatmap.ndim, len(stored.scale), len(stored.translate)}
        if placed != {region.ndim} or stored.signed.shape != stored.heatmap.shape:
            raise ExplanationFileError(
                f"The map of {stored.name!r} has shapes {stored.signed.shape} and "
                f"{stored.heatmap.shape}, scale {stored.scale} and translate {stored.translate}; "
                f"expected {region.ndim} axes in each, as in the region {region.shape}."
            )
    if image is not None:
        _channel_axis(image, region)


def _channel_axis(image: NDArray[Any], region: Region) -> str:
    """Say where the image's channel axis is: "none", "first" or "last"."""
    if image.shape == region.shape:
        return "none"
    if image.ndim == region.ndim + 1:
        if image.shape[:-1] == region.shape:
            return "last"
        if image.shape[1:] == region.shape:
            return "first"
    raise ExplanationFileError(
        f"The image has shape {image.shape}; expected the region's shape {region.shape}, "
        "with at most one channel axis before or behind it."
    )


def describe_map(
    number: int,
    name: str,
    scale: Sequence[float],
    translate: Sequence[float],
    attributes: dict[str, Any],
) -> dict[str, Any]:
    """Everything about one map but its arrays, in the form of the root group's attributes."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name).split()
    return {
        "path": "maps/" + "-".join([f"{number:02d}", *words]),
        "name": name,
        "scale": [float(value) for value in scale],
        "translate": [float(value) for value in translate],
        "attributes": as_json(attributes, f"attributes of {name!r}"),
    }


def as_json(value: dict[str, Any], what: str) -> Any:
    """Return `value` as JSON gives it back, or say what can't be written."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ExplanationFileError(
            f"The {what} can't be written as JSON: {error}. Expected only dicts with text keys, "
            "lists, text, finite numbers, booleans and None."
        ) from error


def check_replaceable(target: Path) -> None:
    """Refuse to write over anything but a saved explanation."""
    if target.exists() and not is_explanation(target):
        raise ExplanationFileError(
            f"{target} exists and is not a saved explanation, so it is not overwritten. "
            "Choose another name, or remove it first."
        )


def replace_with(target: Path, partial: Path) -> None:
    """Move `partial` to `target`; what was there comes back if that fails."""
    if not target.exists():
        partial.rename(target)
        return
    old = beside(target)
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def beside(target: Path) -> Path:
    """Name a hidden folder on the same disk that nobody else uses."""
    return target.with_name(f".{target.name}.{uuid4().hex[:12]}")


def cannot_write(target: Path, error: Exception) -> ExplanationFileError:
    """Say that an explanation can't be written, and why."""
    return ExplanationFileError(
        f"The explanation can't be written to {target} ({error}). "
        "Choose a folder that you may write to, with enough space."
    )
