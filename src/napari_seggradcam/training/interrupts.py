"""Ctrl-C that waits for the step in progress, so that what is saved is whole."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_interrupts() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C inside the block; a second one interrupts at once.

    Yields
    ------
    callable
        Whether there was a Ctrl-C. Outside of the main thread, where signals can't be caught,
        always False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    caught = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def hold(number: int, frame: FrameType | None) -> None:
        caught.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield caught.is_set
    finally:
        signal.signal(signal.SIGINT, before)
