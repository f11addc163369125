"""Which napari layers are ours: a marker in ``layer.metadata``.

A layer is ours while it carries the marker that we gave it, has the name that
we gave it and shows the data that we gave it. Renamed, edited or duplicated
layers belong to the user and are never touched again. The state is on the
layers alone, so a dock that is closed and opened again finds its layers.
"""

from collections.abc import Iterator
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer

METADATA_KEY = "napari_seggradcam"


def mark(layer: Layer, kind: str, key: str, **record: Any) -> Layer:
    """Put our marker on a layer that is not yet in a viewer, and return the layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        A new layer.
    kind : str
        "heatmap", "region", "prediction", "logit", "view" (of a compare mode).
    key : str
        Which layer of that kind, for example the network layer's name.
    **record
        JSON-able facts for whoever looks at the metadata.
    """
    ...


def marker_of(layer: Layer) -> dict[str, Any] | None:
    """Return the marker, or None if the layer is not ours (any more)."""
    ...


def own_layers(viewer: ViewerModel, kind: str | None = None) -> Iterator[Layer]:
    """Yield our untouched layers in a viewer, from the bottom up."""
    ...
