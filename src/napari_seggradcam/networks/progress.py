"""How far a computation is, for whoever watches it, and whether it is to stop."""

from collections.abc import Callable

# Called with steps done, steps in all, and what is done.
Progress = Callable[[int, int, str], None]
# Whether the caller wants to stop.
Cancel = Callable[[], bool]


class Steps:
    """Counts steps that are done.

    Parameters
    ----------
    total
        How many there will be.
    progress
        Told after each; None: nobody watches.
    """

    def __init__(self, total: int, progress: Progress | None):
        self._total = total
        self._progress = progress
        self._done = 0

    def __call__(self, what: str) -> None:
        """One more is done, of what bears this name."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def silent(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""
