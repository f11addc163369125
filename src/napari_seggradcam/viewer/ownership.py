"""Which napari layers are ours: a marker in ``layer.metadata``.

A layer is ours while it carries the marker that we gave it, has the name that
we gave it and shows the data that we gave it. Renamed, edited or duplicated
layers belong to the user and are never touched again. The state is on the
layers alone, so a dock that is closed and opened again finds its layers.
"""

import zlib
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

METADATA_KEY = "napari_seggradcam"

_SEAL = ("layer_id", "layer_name", "digest")
_LARGEST_DIGEST = 2**22

L = TypeVar("L", bound=Layer)


def mark(layer: L, kind: str, key: str, **facts: Any) -> L:
    """Put our marker on a new layer, and return the layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        A layer that is not yet in a viewer.
    kind : str
        "heatmap", "region", "prediction", "logit", "view" (of a compare mode), or one of those
        in `comparison_layers`.
    key : str
        Which layer of that kind, for example the network layer's name.
    **facts
        For whoever looks at the metadata: run_id, network_layer, record, …
    """
    layer.metadata[METADATA_KEY] = {"kind": kind, "key": key, **facts}
    return layer


def seal(layer: Layer) -> None:
    """Write down name, identity and data of a marked layer that is now in a viewer.

    What differs later is the user's doing.
    """
    marker = layer.metadata[METADATA_KEY]
    marker.update(zip(_SEAL, _state(layer, marker["kind"]), strict=True))


def marker_of(layer: Layer) -> dict[str, Any] | None:
    """Return the marker, or None if the layer is not ours (any more)."""
    marker = layer.metadata.get(METADATA_KEY)
    if not isinstance(marker, dict) or not {"kind", *_SEAL} <= set(marker):
        return None
    sealed = tuple(marker[name] for name in _SEAL)
    return marker if sealed == _state(layer, marker["kind"]) else None


def own_layers(viewer: ViewerModel, kind: str | None = None, **facts: Any) -> Iterator[Layer]:
    """Yield our untouched layers in a viewer, from the bottom up.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    kind : str, optional
        Only layers of this kind.
    **facts
        Only layers whose marker says so: ``key="bottleneck relu 2"``.
    """
    if kind is not None:
        facts["kind"] = kind
    for layer in list(viewer.layers):
        marker = layer.metadata.get(METADATA_KEY)
        # The facts first: the check whether a layer is untouched reads its data.
        if isinstance(marker, dict) and facts.items() <= marker.items() and marker_of(layer):
            yield layer


def _state(layer: Layer, kind: str) -> tuple[str, str, int]:
    """Identity, name and digest of the data.

    The layers of compare modes share the image's array and can't be edited in
    the window, so that their data are not looked at.
    """
    digest = 0 if kind == "view" else _digest(layer)
    return str(layer.unique_id), str(layer.name), digest


def _digest(layer: Layer) -> int:
    """Checksum of a layer's data; of evenly spaced values of a large image.

    Painting changes single labels, so labels are always read completely.
    """
    data = np.asarray(layer.data)
    if isinstance(layer, Image) and data.size > _LARGEST_DIGEST:
        data = data[tuple(slice(None, None, 1 + size // 64) for size in data.shape)]
    return zlib.crc32(np.ascontiguousarray(data).tobytes(), zlib.crc32(str(data.shape).encode()))
