"""One piece of work in a thread, from its start to the moment nothing is left of it.

napari's workers relay every exception as a notification, also a cancel, and drop
the result of a worker that was asked to stop. A :class:`Job` therefore catches what
its function raises and reports from ``finished``, which comes in every case:
exactly one of ``succeeded``, ``failed`` and ``cancelled``, and after it ``ended``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import Cancelled

Progress = Callable[[int, int, str], None]
Cancel = Callable[[], bool]
Work = Callable[[Progress, Cancel], Any]

# A window that stands still for so long is not noticed.
_AT_ONCE = 0.1

# Drawing a progress bar takes longer than many a step.
_SECONDS_BETWEEN_PROGRESS = 0.05


class _Bridge(QObject):
    """Carries progress from the computing thread to the GUI thread."""

    progressed = Signal(int, int, str)


class _Task:
    """What runs in the thread; its name is what napari shows before it closes."""

    def __init__(self, description: str, work: Work) -> None:
        self._description = description
        self._work = work
        self.bridge = _Bridge()
        self.done = Event()
        self.cancel: Cancel = lambda: False
        self.result: Any = None
        self.error: BaseException | None = None
        self._told = 0.0

    def __repr__(self) -> str:
        return self._description

    def __call__(self) -> None:
        try:
            self.result = self._work(self._progress, self.cancel)
        except Exception as error:
            self.error = error
        self.done.set()

    def _progress(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_PROGRESS:
            self._told = now
            self.bridge.progressed.emit(done, total, what)


class Job(QObject):
    """A function that runs off the GUI thread.

    Parameters
    ----------
    description : str
        What it does, in words, for napari's question before closing.
    work : callable
        ``work(progress, cancel)``; it runs in a thread and may call
        ``progress(done, total, what)`` and ask ``cancel()``.

    Notes
    -----
    Whoever starts a job keeps it: a job that is let go of reports nothing any more,
    which is what a closed dock wants.
    """

    progressed = Signal(int, int, str)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, description: str, work: Work) -> None:
        super().__init__()
        self._task = _Task(description, work)
        self._task.bridge.progressed.connect(self.progressed)
        self._worker: Any = create_worker(self._task, _start_thread=False, _ignore_errors=True)
        worker = self._worker
        self._task.cancel = lambda: bool(worker.abort_requested)
        self._worker.finished.connect(self._on_finished)

    def start(self) -> None:
        """Begin, in a thread of Qt's pool."""
        self._worker.start()

    def start_and_wait(self) -> None:
        """Begin, and report in this turn of the event loop if the work is done within a moment.

        While Qt draws the window no thread runs Python, so that work of some milliseconds takes
        several times as long once the event loop goes on. What takes longer than the moment goes
        on in its thread.
        """
        self.start()
        if self._task.done.wait(_AT_ONCE):
            self._worker.finished.disconnect(self._on_finished)
            self._on_finished()

    def cancel(self) -> None:
        """Ask the work to stop at its next opportunity."""
        self._worker.quit()

    @property
    def cancelling(self) -> bool:
        """Whether the work was asked to stop."""
        return bool(self._worker.abort_requested)

    def _on_finished(self) -> None:
        error, result = self._task.error, self._task.result
        self._task.result = None
        if self.cancelling or isinstance(error, Cancelled):
            self.cancelled.emit()
        elif error is not None:
            self.failed.emit(error)
        else:
            self.succeeded.emit(result)
        self.ended.emit()


class Delivery(QObject):
    """Hands results to the viewer, one step per turn of the event loop.

    Adding a napari layer takes tens of milliseconds; between two of them the window
    has to answer.

    Parameters
    ----------
    steps : iterator
        Does one step, at most one napari layer, each time it is advanced. What it
        yields is emitted as ``progressed``.
    """

    progressed = Signal(object)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, steps: Iterator[Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps: Iterator[Any] | None = steps
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._on_turn)

    def start(self) -> None:
        """Take the first step in the next turn."""
        self._timer.start()

    def stop(self) -> None:
        """Leave out the steps that were not taken yet."""
        if self._steps is not None:
            self._steps = None
            self._timer.stop()
            self.ended.emit()

    def _on_turn(self) -> None:
        if self._steps is None:
            return
        try:
            said = next(self._steps)
        except StopIteration:
            self.stop()
        except Exception as error:
            self.failed.emit(error)
            self.stop()
        else:
            # The step itself may have let a person press Cancel.
            if self._steps is not None:
                self.progressed.emit(said)
                self._timer.start()
