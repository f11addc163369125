"""Checks of what users ask by: every error says what was given and what is expected."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real

import numpy as np

from ..errors import OptionError


def check_known(what: str, value: object, known: Iterable[str]) -> None:
    """Raise `OptionError` unless a value is one of those that an option has.

    Parameters
    ----------
    what
        The option, by the name that users give it by, such as ``"score"``.
    value
        What was given.
    known
        The values that there are.
    """
    values = list(known)
    # Not compared with what is no text, of which an array would answer element by element.
    if not isinstance(value, str) or value not in values:
        raise OptionError(f"{what} is {value!r}; known are {', '.join(map(repr, values))}.")


def check_count(what: str, value: object, least: int = 1) -> None:
    """Raise `OptionError` unless a value is a whole number, and not less than the least.

    Parameters
    ----------
    what
        As for `check_known`.
    value
        What was given.
    least
        The smallest number that there is.
    """
    if not is_whole(value) or value < least:  # type: ignore[operator]
        raise OptionError(f"{what} is {value!r}; expected a whole number from {least}.")


def check_above_zero(what: str, value: object) -> None:
    """Raise `OptionError` unless a value is a number above 0; ``what`` as for `check_known`."""
    if not is_number(value) or not value > 0:  # type: ignore[operator]
        raise OptionError(f"{what} is {value!r}; expected a number above 0.")


def check_from_zero(what: str, value: object) -> None:
    """Raise `OptionError` unless a value is a number from 0; ``what`` as for `check_known`."""
    if not is_number(value) or not value >= 0:  # type: ignore[operator]
        raise OptionError(f"{what} is {value!r}; expected a number from 0.")


def is_whole(value: object) -> bool:
    """Whether a value is a whole number by its type, and no truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a real number, finite, and no truth value."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def check_counts(what: str, value: int | Sequence[int]) -> None:
    """As `check_count`, for one number or several."""
    for one in np.atleast_1d(value).tolist():
        check_count(what, one)


def one_per_axis(what: str, value: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """A number for every spatial axis, where one may have been given for all.

    Parameters
    ----------
    what
        As for `check_known`.
    value
        What was given.
    ndim
        Number of spatial axes.

    Raises
    ------
    OptionError
        If there are several numbers, and not one for every axis.
    """
    if np.ndim(value) == 0:
        return (int(value),) * ndim  # type: ignore[arg-type]
    each = tuple(np.asarray(value).tolist())
    if len(each) != ndim:
        raise OptionError(
            f"{what} has {len(each)} numbers, {list(each)}; expected one for every spatial axis, "
            f"that is {ndim}, or one for all."
        )
    return each
