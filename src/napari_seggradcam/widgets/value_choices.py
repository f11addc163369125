"""How raw values are normalised, where a network file does not tell."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from ..errors import OptionError

Description = dict[str, Any] | None

GIVEN = "given"
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_MOST = 10**6


def choices(channels: int) -> list[tuple[str, str]]:
    """Text and name of every kind of normalisation for a number of channels."""
    offered = [
        ("Values as they are", "none"),
        ("Percentiles 1 to 99.8 to 0…1", "percentile"),
        ("Mean 0, standard deviation 1", "zero-mean-unit-variance"),
        ("0…255 to 0…1", "bytes"),
        ("Mean and deviation of the training", GIVEN),
    ]
    return [*offered, ("ImageNet's colours", "imagenet")] if channels == 3 else offered


def description(kind: str, channels: int, means: str = "", deviations: str = "") -> Description:
    """JSON form of the normalisation that a name in `choices` stands for.

    Parameters
    ----------
    kind : str
        The name.
    channels : int
        Channels that the network takes.
    means, deviations : str
        For `GIVEN`: numbers by commas, one for all channels or one per channel.

    Raises
    ------
    OptionError
        If these are no such numbers, or a deviation is not above 0.
    """
    if kind == "none":
        return None
    if kind == "bytes":
        return {"kind": "mean-std", "mean": [0.0], "std": [255.0]}
    if kind == "imagenet":
        return {"kind": "mean-std", **_IMAGENET, "divide": 255.0}
    if kind == GIVEN:
        mean = _numbers("mean", means, channels)
        std = _numbers("standard deviation", deviations, channels)
        if min(std) <= 0:
            raise OptionError(f"Standard deviations must be above 0; one is {min(std):g}.")
        count = max(len(mean), len(std))
        one_each = {"mean": mean, "std": std}
        return {
            "kind": "mean-std",
            **{name: row * count if len(row) == 1 else row for name, row in one_each.items()},
        }
    return {"kind": kind}


def _numbers(what: str, text: str, channels: int) -> list[float]:
    """Numbers as people write them, also as a list of Python or JSON."""
    parts = [part for part in re.split(r"[,;\s]+", text.strip(" \t\n[]()")) if part]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise OptionError(
            f"The {what} is {text.strip()!r}; expected numbers by commas, with a point before the"
            " decimals."
        )
    if len(numbers) not in (1, channels):
        expected = "one" if channels == 1 else f"one for all channels or {channels}, one for each"
        raise OptionError(f"{len(numbers)} numbers are given as {what}; expected {expected}.")
    return numbers


def preview(name: str, data: Any, normalisation: Description) -> str:
    """Say what the values of an image become.

    Parameters
    ----------
    name : str
        Of the image layer.
    data : array
        Its values. Of a large image some are looked at, those in the middle where the others
        would have to be read or computed first.
    normalisation : dict or None
        As `description` returns it. With numbers per channel, the axis that has as many entries
        holds the channels.

    Returns
    -------
    str
        Empty where it can't be said which axis that is.
    """
    from ..networks.normalisation import normalisation_from_dict

    channels = 1 if normalisation is None else len(normalisation.get("mean", [0]))
    fitting = [axis for axis, size in enumerate(data.shape) if size == channels > 1]
    if channels > 1 and len(fitting) != 1:
        return ""
    some = np.asarray(data[_some_of(data, fitting)], np.float32)
    rows = (
        np.moveaxis(some, fitting[0], 0).reshape(channels, -1) if fitting else some.reshape(1, -1)
    )
    steps = normalisation_from_dict(normalisation)
    after = rows if steps is None else steps(rows)
    return (
        f"In {name}, {rows.min():.4g} … {rows.max():.4g} becomes"
        f" {after.min():.3g} … {after.max():.3g}."
    )


def _some_of(data: Any, whole: list[int]) -> tuple[slice, ...]:
    """Index of at most about a million values of an array, with some axes as a whole."""
    share = max(1.0, (math.prod(data.shape) / _MOST) ** (1 / max(1, data.ndim - len(whole))))
    shares = [1.0 if axis in whole else share for axis in range(data.ndim)]
    if isinstance(data, np.ndarray):
        return tuple(slice(None, None, round(part)) for part in shares)
    sizes = [max(1, int(side / part)) for side, part in zip(data.shape, shares, strict=True)]
    starts = [(side - size) // 2 for side, size in zip(data.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
