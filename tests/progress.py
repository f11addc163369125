"""What long calls are given, ``progress`` and ``cancel``, to see when they are called."""


class Progress:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def __call__(self, done: int, total: int, what: str) -> None:
        self.told.append((done, total, what))

    def check(self) -> None:
        """The number of runs grows, never beyond the total, and ends there."""
        done = [one[0] for one in self.told]
        assert done == sorted(done)
        assert done[0] >= 1
        assert all(d <= total for d, total, _ in self.told)
        assert self.told[-1][0] == self.told[-1][1]


class CancelAfter:
    """Lets a computation go on some times, and then says stop.

    Attributes
    ----------
    asked : int
        How often it was asked.
    """

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self._times
