"""Statistics of values that come block by block, for images that never are in memory as a whole.

Both are exact, in memory that does not grow with the image, and do not depend on how the values
are divided into blocks: a part of an image is normalised bit for bit as in the whole.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

Blocks = Callable[[], Iterable[Values]]
"""Gives all values anew whenever it is called: blocks of shape (channels, *spatial), finite."""

_PIECE = 2**18  # values at a time, so that they stay in the processor's cache
_HALF = 2**16
# A float32 is a whole number of 24 bits times a power of two; its lowest power is the unit.
_BITS = 24
_LOWEST = -148
_EXPONENTS = 128 - _LOWEST + 1


def percentiles(
    blocks: Blocks, wanted: Iterable[float], interpolated: bool = True
) -> NDArray[np.float64]:
    """Percentiles of every channel, the same as those of `numpy.percentile`.

    Float32 numbers are sorted by their bits. One pass counts the upper 16 bits and a second one
    the lower 16 bits of the values that share their upper ones with a wanted value, which gives
    the values at any place of the sorted image.

    Parameters
    ----------
    blocks
        Called twice.
    wanted
        From 0 to 100.
    interpolated
        Whether linearly, numpy's method ``"linear"``; otherwise ``"inverted_cdf"``, which only
        gives values of the image.

    Returns
    -------
    ndarray of float64, shape (wanted, channels)
    """
    upper = _upper_counts(blocks)
    count = int(upper[0].sum())
    last = count - 1
    share = np.asarray(tuple(wanted), np.float64) / 100
    place = last * share if interpolated else np.maximum(np.ceil(count * share - 1), 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, last)
    values = _values_at(blocks, upper, sorted({*below.tolist(), *above.tolist()}))
    found = np.empty((len(place), len(upper)), np.float64)
    for channel, at in enumerate(values):
        low = np.array([at[rank] for rank in below.tolist()])
        high = np.array([at[rank] for rank in above.tolist()])
        found[:, channel] = _between(low, high, place - below)
    return found


def mean_and_deviation(blocks: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every channel, from exact sums.

    A float32 is m · 2^e with a whole number m. Σ m and Σ m² are added up as whole numbers for
    every e, so that nothing is rounded before the end.

    Parameters
    ----------
    blocks
        Called once.

    Returns
    -------
    mean, deviation : ndarray of float64, shape (channels,)
    """
    sums: list[NDArray[np.int64]] = []
    count = 0
    for block in blocks():
        if not sums:
            sums = [np.zeros((3, _EXPONENTS), np.int64) for _ in block]
        count += block[0].size
        for total, channel in zip(sums, block, strict=True):
            for piece in _pieces(channel):
                total += _sums_by_exponent(piece)
    pairs = [_mean_and_deviation(total, count) for total in sums]
    mean, deviation = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    return mean, deviation


def _between(low: Values, high: Values, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation with the rounding of `numpy.percentile`."""
    step = high - low  # in single precision, as there
    return np.where(share < 0.5, low + step * share, high - step * (1 - share))


def _upper_counts(blocks: Blocks) -> list[NDArray[np.int64]]:
    """How often every upper half occurs, per channel."""
    counts: list[NDArray[np.int64]] = []
    for block in blocks():
        if not counts:
            counts = [np.zeros(_HALF, np.int64) for _ in block]
        for count, channel in zip(counts, block, strict=True):
            for piece in _pieces(channel):
                count += np.bincount(_sortable(piece) >> 16, minlength=_HALF)
    return counts


def _values_at(
    blocks: Blocks, upper: list[NDArray[np.int64]], ranks: list[int]
) -> list[dict[int, np.float32]]:
    """Values at places of every sorted channel."""
    ends = [count.cumsum() for count in upper]
    # Upper half of the value at every rank, per channel.
    halves = [{r: int(np.searchsorted(end, r, side="right")) for r in ranks} for end in ends]
    lower = [{half: np.zeros(_HALF, np.int64) for half in at.values()} for at in halves]
    for block in blocks():
        for counts, channel in zip(lower, block, strict=True):
            for piece in _pieces(channel):
                bits = _sortable(piece)
                for half, count in counts.items():
                    inside = bits[bits >> 16 == half] & (_HALF - 1)
                    count += np.bincount(inside, minlength=_HALF)
    found: list[dict[int, np.float32]] = []
    for at, end, count, counts in zip(halves, ends, upper, lower, strict=True):
        values = {}
        for rank, half in at.items():
            before = end[half] - count[half]
            low = int(np.searchsorted(counts[half].cumsum(), rank - before, side="right"))
            values[rank] = _from_sortable(half * _HALF + low)
        found.append(values)
    return found


def _pieces(channel: Values) -> Iterator[Values]:
    flat = channel.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE]


def _sortable(values: Values) -> NDArray[np.uint32]:
    """Whole numbers in the order of the values; 0 and -0 are one number."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(2**31))


def _from_sortable(number: int) -> np.float32:
    bits = number - 2**31 if number >= 2**31 else 2**32 - 1 - number
    return np.uint32(bits).view(np.float32)


def _sums_by_exponent(values: Values) -> NDArray[np.int64]:
    """Σ m, and Σ m² in two parts (above and below 2^24), for every exponent.

    The doubles in which they are added hold whole numbers up to 2^53, so up to 2^29 values.
    """
    mantissa, exponent = np.frexp(values)
    whole = mantissa.astype(np.float64) * 2**_BITS
    square = whole * whole
    above = np.floor(square / 2**_BITS)
    parts = (whole, above, square - above * 2**_BITS)
    number = exponent - _LOWEST
    found = [np.bincount(number, weights=part, minlength=_EXPONENTS) for part in parts]
    return np.stack(found).astype(np.int64)


def _mean_and_deviation(sums: NDArray[np.int64], count: int) -> tuple[float, float]:
    total = square = 0
    for power, (first, above, below) in enumerate(sums.T.tolist()):
        total += first << power
        square += ((above << _BITS) + below) << (2 * power)
    unit = Fraction(2) ** (_LOWEST - _BITS)
    mean = unit * Fraction(total, count)
    variance = unit**2 * Fraction(count * square - total**2, count**2)
    return float(mean), math.sqrt(variance)
