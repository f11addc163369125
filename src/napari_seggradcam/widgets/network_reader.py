"""napari reader of network files: dropped on the viewer, they open in the dock.

It adds no layers. What opens is decided in the dock, by the file's content; this only keeps away
from archives that are none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import NetworkFileError
from ..networks.formats.contents import Contents
from .dock import SegGradCamWidget
from .settings import PLUGIN

_MARKS = ("rdf.yaml", "bioimageio.yaml", "data.pkl", "inference.json", "plans.json")


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[tuple[None]]] | None:
    """Return a reader if the path is one file that may be a network, else None."""
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    if Path(path).suffix.lower() in (".zip", ".yaml", ".yml") and not _may_be_network(path):
        return None
    return _open


def _may_be_network(path: str) -> bool:
    if Path(path).name in _MARKS:
        return True
    try:
        return Contents(Path(path)).find(*_MARKS) is not None
    except NetworkFileError:
        return False


def _open(path: str | Sequence[str]) -> list[tuple[None]]:
    """Open the dock, and the file in it."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        raise NetworkFileError(f"{path} is a network, which opens in napari's window.")
    _dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM")
    assert isinstance(widget, SegGradCamWidget)
    widget.network_control.open_file(path if isinstance(path, str) else path[0])
    return [(None,)]  # napari's word for: read, and no layer comes of it
