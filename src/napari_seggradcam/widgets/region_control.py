"""Follows the layers that the region is made of, and counts its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Labels, Points, Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import SegGradCamError
from ..viewer.inputs import InputPlan
from .connections import Connections
from .image_control import ImageControl
from .job import Cancel, Job, Progress
from .region import RegionSection

_SETTLE_MS = 200
# Undo and redo only send set_data; a stroke that was committed sends paint (napari 0.9).
_CONTENT = ("paint", "data", "set_data", "labels_update")
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units")
_KINDS = (Labels, Shapes, Points)


def still(dims: Any) -> Dims:
    """Return a copy of the viewer's dims that a thread can read."""
    return Dims(
        ndim=dims.ndim,
        ndisplay=dims.ndisplay,
        order=tuple(dims.order),
        axis_labels=tuple(dims.axis_labels),
        range=tuple(tuple(axis) for axis in dims.range),
        margin_left=tuple(dims.margin_left),
        margin_right=tuple(dims.margin_right),
        point=tuple(dims.point),
    )


class RegionControl(QObject):
    """The live readout of one dock's region.

    Masks of large images take a while, so they are drawn in a thread, one at a time
    and 200 ms after the last change.

    Signals
    -------
    changed()
        ``problem`` is new.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: Any,
        section: RegionSection,
        image: ImageControl,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._section = section
        self._image = image
        self._connections = Connections()
        self._followed: list[Any] = []
        self._offered: list[tuple[Any, str]] = []
        self._job: Job | None = None
        self._prediction: NDArray[Any] | None = None
        self.problem = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self._on_settled)
        image.layers_changed.connect(self._on_layers_changed)
        image.changed.connect(self._on_image_changed)
        section.region_changed.connect(self._on_region_changed)

    def stop(self) -> None:
        """Let go of every layer."""
        self._timer.stop()
        self._follow([])
        self._offered = []
        self._job = None

    def set_prediction(self, prediction: NDArray[Any] | None) -> None:
        """Say what the network predicts for the image, as far as it is known."""
        self._prediction = prediction
        if self._section.choice.needs_prediction:
            self._on_change()

    def _on_layers_changed(self) -> None:
        layers = [layer for layer in self._viewer.layers if _is_source(layer)]
        offered = [(layer, layer.name) for layer in layers]
        if offered != self._offered:
            self._offered = offered
            self._section.offer_layers(layers)
            self._on_region_changed()

    def _on_image_changed(self) -> None:
        self._prediction = None
        self._on_change()

    def _on_region_changed(self) -> None:
        sources = self._section.choice.sources
        self._follow([source.layer for source in sources if isinstance(source.layer, _KINDS)])
        self._on_change()

    def _follow(self, layers: list[Any]) -> None:
        if layers == self._followed:
            return
        self._connections.disconnect()
        self._followed = layers
        for layer in layers:
            self._connections.connect_all(layer.events, _PLACEMENT, self._on_change)
            self._connections.connect_all(layer.events, _CONTENT, self._on_content)
            self._connections.connect_all(layer.events, ("selected_label",), self._on_label)

    def _on_label(self, event: Any) -> None:
        self._section.follow_label(event.source)

    def _on_content(self, event: Any) -> None:
        # Shapes and Points announce a change before and while it happens, too.
        action = str(getattr(event, "action", "")).lower()
        if not action.endswith("ing"):
            self._on_change()

    def _on_change(self, _event: Any = None) -> None:
        self._timer.start()

    def _on_settled(self) -> None:
        plan, choice = self._image.plan, self._section.choice
        if plan is None:
            self._say_unknown("")
        elif choice.needs_prediction and self._prediction is None:
            self._say_unknown("known after the first run")
        elif self._job is not None:
            # One count at a time; this one is asked for again when that one is over.
            self._timer.start()
        else:
            self._count(plan)

    def _say_unknown(self, why: str) -> None:
        self.problem = ""
        self._section.show_unknown(why)
        self.changed.emit()

    def _count(self, plan: InputPlan) -> None:
        choice, dims, prediction = self._section.choice, still(self._viewer.dims), self._prediction

        def work(_progress: Progress, _cancel: Cancel) -> tuple[int, int, int]:
            drawn = choice.draw(plan, dims, prediction)
            return np.count_nonzero(drawn > 0), np.count_nonzero(drawn < 0), drawn.size

        self._job = Job("counting the region's pixels", work)
        self._job.succeeded.connect(self._on_counted)
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start()

    def _on_counted(self, counted: tuple[int, int, int]) -> None:
        self.problem = ""
        self._section.show_size(*counted)

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, SegGradCamError):
            error = SegGradCamError(f"The region could not be read: {error}")
        self.problem = str(error)
        self._section.show_problem(self.problem)

    def _on_ended(self) -> None:
        self._job = None
        self.changed.emit()


def _is_source(layer: Any) -> bool:
    """Whether a layer can be a region: not the outline or a view that a run made."""
    marker = layer.metadata.get("napari_seggradcam") or {}
    return isinstance(layer, _KINDS) and marker.get("kind") not in ("region", "view")
