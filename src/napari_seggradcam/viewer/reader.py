"""napari reader of saved explanations (``*.sgc.zarr``), and of nothing else."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..store.explanations import StoredExplanation, StoredMap, is_explanation, read_explanation
from .heatmaps import DEFAULT_SETTINGS, colour_scale, outline_colours, sides_of
from .ownership import METADATA_KEY

LayerData = tuple[Any, dict[str, Any], str]

SUFFIX = ".sgc.zarr"

LAZY_ABOVE = 256 * 2**20
"""Bytes above which an explanation stays on disk and is read where it is looked at."""


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return a reader if every path is a saved explanation, else None."""
    paths = _as_list(path)
    if paths and all(name.rstrip("/\\").endswith(SUFFIX) for name in paths):
        return _read if all(map(is_explanation, paths)) else None
    return None


def prefer_reader() -> None:
    """Let napari open ``*.sgc.zarr`` folders with this reader without asking each time.

    napari offers every folder to all readers that take folders, its own among
    them, and asks which. A choice that the user has made already stays.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    pattern = f"*{SUFFIX}{os.sep}"  # napari puts the separator behind the names of folders
    if pattern not in plugins.extension2reader:
        plugins.extension2reader = {**plugins.extension2reader, pattern: "napari-seggradcam"}


def _read(path: str | Sequence[str]) -> list[LayerData]:
    """Read image, heatmaps and region of each explanation as napari layers."""
    return [layer for name in _as_list(path) for layer in _layers(Path(name))]


def _as_list(path: str | Sequence[str]) -> list[str]:
    return [str(path)] if isinstance(path, str | Path) else [str(name) for name in path]


def _layers(path: Path) -> list[LayerData]:
    stored = _read_stored(path)
    metadata = {METADATA_KEY: {"file": str(path), "record": stored.record}}
    class_name = stored.record.get("question", {}).get("class", path.name.removesuffix(SUFFIX))
    layers = [] if stored.image is None else [_image(stored, path, metadata)]
    first = _first_shown(stored.maps)
    for one in stored.maps:
        facts = {**metadata[METADATA_KEY], "network_layer": one.name, "empty": one.empty}
        fields = {
            "name": f"{class_name} · {one.name}",
            "colormap": DEFAULT_SETTINGS.colormap,
            "opacity": DEFAULT_SETTINGS.opacity,
            "blending": DEFAULT_SETTINGS.blending,
            "contrast_limits": colour_scale(one.top or 0.0),
            "rgb": False,
            "visible": one is first,
            "metadata": {METADATA_KEY: facts},
        }
        place = _place(stored, np.asarray(one.scale), np.asarray(one.translate))
        layers.append((one.heatmap, {**fields, **place}, "image"))
    outline = {
        "name": f"{class_name} · region",
        "colormap": outline_colours(),
        "opacity": 1.0,
        "metadata": metadata,
        **_place(stored),
    }
    region = sides_of(stored.region)
    return [*layers, (region, outline, "labels")]


def _read_stored(path: Path) -> StoredExplanation:
    """Read a small explanation; open a large one."""
    stored = read_explanation(path, lazy=True)
    return stored if stored.nbytes > LAZY_ABOVE else read_explanation(path)


def _image(stored: StoredExplanation, path: Path, metadata: dict[str, Any]) -> LayerData:
    """Return the image that was explained; its channels before all other axes, or as colours."""
    image, place = stored.image, _place(stored)
    fields = {"name": path.name.removesuffix(SUFFIX), "metadata": metadata, "rgb": False}
    if image is not None and image.ndim > stored.region.ndim:
        if image.shape[:-1] != stored.region.shape:
            place = _with_channels(place)
        elif image.shape[-1] in (3, 4):
            fields["rgb"] = True
        else:
            image = np.moveaxis(image, -1, 0)
            place = _with_channels(place)
    return image, {**fields, **place}, "image"


def _place(stored: StoredExplanation, scale: Any = 1.0, translate: Any = 0.0) -> dict[str, Any]:
    """Where an array lies whose placement is given in pixels of the image."""
    size = np.asarray(stored.pixel_size)
    return {
        "scale": size * scale,
        "translate": size * translate,
        "units": stored.units or ("pixel",) * len(size),
    }


def _with_channels(place: dict[str, Any]) -> dict[str, Any]:
    """Where an array with a channel axis in front lies."""
    return {
        "scale": np.append(1.0, place["scale"]),
        "translate": np.append(0.0, place["translate"]),
        "units": ("pixel", *place["units"]),
    }


def _first_shown(maps: Sequence[StoredMap]) -> StoredMap | None:
    """Return the heatmap that is shown at first: the bottleneck's, as the paper does."""
    roles = [one.attributes.get("layer", {}).get("role") for one in maps]
    found = [one for one, role in zip(maps, roles, strict=True) if role == "bottleneck"]
    return found[-1] if found else next(iter(maps), None)
