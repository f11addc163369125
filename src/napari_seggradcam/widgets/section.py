"""The numbered, collapsible box that every part of the dock sits in."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget


class Section(QFrame):
    """A header that can be clicked, and the fields below it.

    superqt's collapsible fixes its height when it opens; labels that wrap and
    messages that come and go would be cut off, so this one leaves the height to
    the layout.

    Parameters
    ----------
    number : int
        Place in the order of work.
    title : str
        What the section is about.
    parent : QWidget, optional
        Parent of the widget.
    """

    def __init__(self, number: int, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sgc_section")
        self._title = f"{number}  {title}"
        self.header = QPushButton()
        self.header.setObjectName("sgc_header")
        self.header.setCheckable(True)
        self.header.setChecked(True)
        self.header.setCursor(Qt.CursorShape.PointingHandCursor)
        self.header.setAccessibleName(f"{title}: show or hide")
        self.header.toggled.connect(self._on_toggled)
        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(8, 2, 4, 8)
        self.rows.setSpacing(5)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.body)
        self._on_toggled(True)

    @property
    def expanded(self) -> bool:
        """Whether the fields are shown."""
        return self.header.isChecked()

    @expanded.setter
    def expanded(self, value: bool) -> None:
        self.header.setChecked(value)

    def _on_toggled(self, shown: bool) -> None:
        self.header.setText(f"{'▾' if shown else '▸'}  {self._title}")
        self.body.setVisible(shown)
