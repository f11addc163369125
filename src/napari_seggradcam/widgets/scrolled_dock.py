"""What docks have in common: sections that scroll, the theme, and when they attach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from .theme import style_sheet

_WIDTH = 280


class ScrolledDock(QWidget):
    """A column of sections in a frame of napari's window.

    It attaches when it is given a parent and detaches when napari takes it out of its frame or
    it is closed; what that means is left to those that inherit from it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.

    Attributes
    ----------
    viewer : napari.components.ViewerModel
        The same.
    attached : bool
        Whether it is connected to the viewer.
    scroll : QScrollArea
        Has the sections.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = viewer
        self.attached = False

    def attach(self) -> None:
        """Connect to the viewer; nothing happens if it is connected."""
        raise NotImplementedError

    def detach(self) -> None:
        """Cancel all work and let go of the viewer."""
        raise NotImplementedError

    def lay_out(self, sections: Sequence[QWidget]) -> None:
        """Put sections below each other."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(4, 0, 6, 8)
        column.setSpacing(0)
        for section in sections:
            column.addWidget(section)
        column.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setObjectName("sgc_scroll")
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setWidgetResizable(True)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll)
        self.setMinimumWidth(_WIDTH)

    def follow_theme(self, _event: Any = None) -> None:
        """Take the colours of the viewer's theme."""
        self.setStyleSheet(style_sheet(self.viewer.theme))

    def event(self, event: QEvent) -> bool:
        """Detach when napari takes the widget out of its frame, attach when it is put back."""
        handled = bool(super().event(event))
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.detach()
            else:
                self.attach()
        return handled

    def closeEvent(self, event: QCloseEvent) -> None:
        """Detach."""
        self.detach()
        super().closeEvent(event)
