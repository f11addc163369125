"""A dialog whose height is what its wrapped text needs at its width."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDialog, QWidget


class Dialog(QDialog):
    """Opens at a width of its own, and can be made larger.

    Qt takes the height of a window from text that is wrapped at the least width, so that a dialog
    with a few lines opens with a hole around them.

    Parameters
    ----------
    title : str
        Of the window.
    width : int
        In pixels.
    parent : QWidget
        Gives the dialog its theme.
    """

    def __init__(self, title: str, width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(width)

    def sizeHint(self) -> QSize:
        """As high as its content is at its width."""
        width = max(self.minimumWidth(), self.width() if self.isVisible() else 0)
        layout = self.layout()
        if layout is None or not layout.hasHeightForWidth():
            return QSize(width, super().sizeHint().height())
        return QSize(width, layout.totalHeightForWidth(width))

    def fit(self) -> None:
        """Take the height that the content needs now, if the dialog is open."""
        if self.isVisible():
            self.layout().activate()
            self.resize(self.sizeHint())
