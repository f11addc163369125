"""A button that starts work and cancels it, how far it is, and why it can't be started."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from .fields import button
from .message import Message


class RunRow(QWidget):
    """One button, a progress bar, and messages.

    Parameters
    ----------
    text : str
        What the button says while nothing runs.
    tooltip : str
        What it does.
    parent : QWidget, optional
        Parent.

    Signals
    -------
    run_requested(), cancel_requested()
        The button.
    """

    run_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, text: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._tooltip = text, tooltip
        self._running = False
        self.button = button(text, tooltip, self._on_clicked)
        self.button.setObjectName("sgc_run")
        self.reason = Message(level="hint")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress_text = Message(level="hint")
        self.note = Message(level="hint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        for widget in (self.button, self.reason, self.progress, self.progress_text, self.note):
            column.addWidget(widget)
        self.show_idle("")

    @property
    def running(self) -> bool:
        """Whether the button means Cancel."""
        return self._running

    def show_idle(self, reason: str) -> None:
        """Offer to run; with a reason the button is disabled and the reason stands below."""
        self._running = False
        self.button.setText(self._text)
        self.button.setToolTip(reason or self._tooltip)
        self.button.setEnabled(not reason)
        self.reason.say(reason, "hint")
        self.progress.hide()
        self.progress_text.clear()

    def show_running(self, done: int, total: int, what: str) -> None:
        """Offer Cancel and show how far it is; ``total`` 0 means not known."""
        self._running = True
        self.button.setText("Cancel")
        self.button.setToolTip("Stop computing; the viewer stays as it is")
        self.button.setEnabled(True)
        self.reason.clear()
        self.note.clear()
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.show()
        self.progress_text.say(f"{done}/{total} {what}" if total else what, "hint")

    def show_cancelling(self) -> None:
        """Say that the work was asked to stop."""
        self.button.setText("Cancelling…")
        self.button.setEnabled(False)

    def _on_clicked(self) -> None:
        (self.cancel_requested if self._running else self.run_requested).emit()
