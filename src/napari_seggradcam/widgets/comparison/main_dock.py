"""The main dock of a viewer: whose image, network and question are compared here."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal

from ...viewer.inputs import InputPlan
from .. import open_docks
from ..dock import SegGradCamWidget
from ..network_opening import OpenedNetwork
from ..settings import PLUGIN


class MainDock(QObject):
    """Follows the main dock of one viewer, also when it is opened or closed later.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    parent : QObject, optional
        Parent.

    Signals
    -------
    changed()
        There is another dock or none, or it has another image or network, or has begun or ended
        work.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._dock: SegGradCamWidget | None = None
        self._holding = False

    def start(self) -> None:
        """Look for the dock, and notice when one is opened or closed."""
        open_docks.notice.changed.connect(self._look)
        self._look()

    def stop(self) -> None:
        """Let go of the dock."""
        open_docks.notice.changed.disconnect(self._look)
        self.release()
        self._follow(None)

    def open(self) -> None:
        """Open the main dock in the viewer's window, behind a tab beside the other."""
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM", tabify=True)

    @property
    def dock(self) -> SegGradCamWidget | None:
        """The dock, or None."""
        return self._dock

    @property
    def plan(self) -> InputPlan | None:
        """What the network would get of the image, or None."""
        return None if self._dock is None else self._dock.image_control.plan

    @property
    def opened(self) -> OpenedNetwork | None:
        """The network, or None."""
        return None if self._dock is None else self._dock.network_control.opened

    @property
    def reason(self) -> str:
        """Why nothing can be asked now; empty if it can."""
        dock = self._dock
        if dock is None:
            return "Open the main dock first."
        if dock.image_control.layer is None:
            return "Open an image first."
        if dock.network_control.opening:
            return "The network is being opened."
        if dock.network_control.opened is None:
            return "Choose a network in the main dock."
        if dock.image_control.plan is None:
            return "The network does not fit the image; the main dock says why."
        if dock.busy:
            return "The main dock is computing."
        return ""

    def hold(self, reason: str) -> None:
        """Let the main dock start no work: its network is in use."""
        if self._dock is not None:
            self._holding = True
            self._dock.hold(reason)

    def release(self) -> None:
        """Let the main dock work again."""
        if self._holding and self._dock is not None:
            self._dock.hold("")
        self._holding = False

    def _look(self) -> None:
        self._follow(open_docks.dock_of(self._viewer, SegGradCamWidget))

    def _follow(self, dock: SegGradCamWidget | None) -> None:
        if dock is self._dock:
            return
        if self._dock is not None:
            for signal in _signals(self._dock):
                signal.disconnect(self.changed)
            self._dock.destroyed.disconnect(self._on_destroyed)
        self._dock, self._holding = dock, False
        if dock is not None:
            for signal in _signals(dock):
                signal.connect(self.changed)
            # A dock that goes with its window is not closed first.
            dock.destroyed.connect(self._on_destroyed)
        self.changed.emit()

    def _on_destroyed(self) -> None:
        self._dock, self._holding = None, False
        self.changed.emit()


def _signals(dock: SegGradCamWidget) -> tuple[Any, ...]:
    return dock.changed, dock.image_control.changed, dock.image_control.layers_changed
