"""Checks of what is given for options."""

from collections.abc import Iterable

import numpy as np

from ..errors import OptionError


def check_known(option: str, value: object, known: Iterable[object]) -> None:
    """Raise `OptionError` for a value that an option does not have."""
    known = list(known)
    if value not in known:
        raise OptionError(f"{option} is {value!r}; known are {', '.join(map(repr, known))}.")


def check_whole(option: str, value: object, least: int = 1) -> None:
    """Raise `OptionError` for what is no whole number, or one below the least."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:  # type: ignore[operator]
        raise OptionError(f"{option} is {value!r}; expected a whole number from {least}.")


def check_above_zero(option: str, value: float) -> None:
    """Raise `OptionError` for a number that is 0 or less, or none."""
    if not value > 0:
        raise OptionError(f"{option} is {value!r}; expected a number above 0.")
