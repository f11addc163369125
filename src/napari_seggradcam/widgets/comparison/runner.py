"""One piece of work at a time, whichever section it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from napari.utils import notifications
from qtpy.QtCore import QObject, Signal

from ...errors import SegGradCamError
from ..job import Job, Work
from ..run_row import RunRow
from .main_dock import MainDock

log = logging.getLogger(__name__)


class Runner(QObject):
    """Runs work in a thread, with the progress in a section's row; the main dock waits.

    Parameters
    ----------
    main : MainDock
        Whose network the work uses.
    parent : QObject, optional
        Parent.

    Signals
    -------
    changed()
        Work has begun or ended.
    """

    changed = Signal()

    def __init__(self, main: MainDock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._main = main
        self._job: Job | None = None
        self._row: RunRow | None = None
        self._then: Callable[[Any], None] | None = None

    @property
    def running(self) -> bool:
        """Whether something computes."""
        return self._job is not None

    def refresh(self, row: RunRow, reason: str) -> None:
        """Offer a row's work or say why not, unless it runs.

        Parameters
        ----------
        row : RunRow
            Of a section.
        reason : str
            Why its work can't be started; empty if it can.
        """
        if row is not self._row:
            busy = "Another comparison is being computed." if self.running else ""
            row.show_idle(busy or reason)

    def start(self, row: RunRow, description: str, work: Work, then: Callable[[Any], None]) -> None:
        """Begin.

        Parameters
        ----------
        row : RunRow
            Shows progress and what went wrong.
        description : str
            What it does, for napari's question before closing.
        work : callable
            As for `Job`.
        then : callable
            Gets what the work returned.
        """
        if self.running:
            return
        self._row, self._then = row, then
        job = self._job = Job(description, work)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.ended.connect(self._on_ended)
        row.show_running(0, 0, "Starting")
        self._main.hold("The dock with comparisons is computing.")
        job.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Ask the work to stop."""
        if self._job is not None and self._row is not None:
            self._job.cancel()
            self._row.show_cancelling()

    def stop(self) -> None:
        """Give up; the dock is closing."""
        if self._job is not None:
            self._job.cancel()
            self._forget()

    def _forget(self) -> None:
        row, self._job, self._row, self._then = self._row, None, None, None
        if row is not None:
            row.show_idle("")
        self._main.release()

    def _on_progress(self, done: int, total: int, what: str) -> None:
        if self._job is not None and self._row is not None and not self._job.cancelling:
            self._row.show_running(done, total, what)

    def _on_succeeded(self, result: Any) -> None:
        if self._then is not None and self._row is not None:
            try:
                self._then(result)
            except SegGradCamError as error:
                self._row.note.say(str(error), "error")

    def _on_failed(self, error: Exception) -> None:
        if self._row is not None:
            self._row.note.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            log.error("A comparison failed.", exc_info=error)
            notifications.show_error(f"The comparison could not be made: {error}")

    def _on_cancelled(self) -> None:
        if self._row is not None:
            self._row.note.say("Cancelled; the viewer is as it was.", "hint")

    def _on_ended(self) -> None:
        self._forget()
        self.changed.emit()
