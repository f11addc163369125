"""Ctrl-click on the canvas asks about the pixel under the pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, Signal

from ..viewer.compare import Compare
from ..viewer.inputs import InputPlan


class Pointer(QObject):
    """Listens to the canvas of one viewer while it is started.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    plan : callable
        Returns the plan of the image that is asked about, or None.
    compare : napari_seggradcam.viewer.compare.Compare
        Knows which pixel of the image the canvas shows where.
    parent : QObject, optional
        Parent.

    Signals
    -------
    pixel_clicked(object)
        Index per spatial axis.
    """

    pixel_clicked = Signal(object)

    def __init__(
        self,
        viewer: Any,
        plan: Callable[[], InputPlan | None],
        compare: Compare,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._plan = plan
        self._compare = compare
        # One object, so that what is taken off is what was put on.
        self._callback = self._on_press

    def start(self) -> None:
        """Listen."""
        if self._callback not in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.append(self._callback)

    def stop(self) -> None:
        """Listen no more."""
        if self._callback in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._callback)

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        plan = self._plan()
        if plan is None or event.button != 1 or "Control" not in event.modifiers:
            return
        active = self._viewer.layers.selection.active
        mode = None if active is None else str(active.mode)
        if mode is not None and mode != "pan_zoom":
            # napari calls the active layer's tool next: a click that asks must not draw.
            active.mode = "pan_zoom"
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        if mode is not None and mode != "pan_zoom":
            active.mode = mode
        pixel = self._compare.pixel_at(plan, event.position)
        if pixel is not None and not moved:
            self.pixel_clicked.emit(pixel)
