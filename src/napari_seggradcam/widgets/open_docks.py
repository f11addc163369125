"""Which main dock is open in which viewer, for other docks that ask with it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication


class _Notice(QObject):
    """Says that a dock was opened or closed."""

    changed = Signal()


notice = _Notice()


def dock_of(viewer: Any, kind: type) -> Any:
    """Return the attached dock of a class in a viewer, or None.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    kind : type
        The dock's class.
    """
    # Qt knows which widgets there still are, also after a window went with its docks.
    for widget in QApplication.allWidgets():
        if isinstance(widget, kind) and widget.attached and _same(widget.viewer, viewer):
            return widget
    return None


def _same(first: Any, second: Any) -> bool:
    """Whether two are one viewer: every widget has a proxy of its own, and equal means alike."""
    return getattr(first, "__wrapped__", first) is getattr(second, "__wrapped__", second)
