"""How raw values of an image become what the network was trained on.

A normalisation acts on the whole image, as (channels, *spatial) float32, before padding. Fitted to
an image, it acts on any part of it, and gives bit for bit what it gives on the whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np

from ..errors import OptionError
from .normalisation_steps import (
    Affine,
    Binarize,
    Cast,
    Clip,
    PerChannel,
    ScaleLinear,
    Sigmoid,
    Softmax,
    Steps,
    in_words,
)
from .statistics import Blocks, Values, mean_and_deviation, percentiles


class Normalisation(Protocol):
    """What every normalisation can do."""

    @property
    def kind(self) -> str:
        """Name of the kind, as in its JSON form."""

    @property
    def passes(self) -> int:
        """How often `fit` goes through the image."""

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial)."""

    def fit(self, blocks: Blocks) -> "Normalisation":
        """Normalisation with the numbers of one image, which comes block by block.

        Parameters
        ----------
        blocks
            Gives the whole image in blocks (channels, *spatial); called `passes` times.

        Returns
        -------
        Normalisation
            With nothing left to find (`passes` is 0).
        """

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` if it has numbers for another number of channels."""

    def describe(self) -> str:
        """Words for a person."""


@dataclass(frozen=True)
class Percentile:
    """The ``low`` percentile goes to 0 and the ``high`` one to 1; no clipping.

    (value - v_low) / (v_high - v_low + eps), with percentiles interpolated linearly, in double
    precision.

    Parameters
    ----------
    low, high
        Percentiles; 0 and 100 are the smallest and the largest value.
    eps
        Added to the distance of the percentiles.
    joint
        Whether all channels share their percentiles; otherwise each has its own.

    Raises
    ------
    OptionError
        Unless 0 ≤ low < high ≤ 100 and eps ≥ 0.
    """

    low: float = 1.0
    high: float = 99.8
    eps: float = 0.0
    joint: bool = False
    kind: str = field(default="percentile", init=False)
    passes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise OptionError(
                f"The percentiles are {self.low!r} and {self.high!r}; expected two numbers from "
                "0 to 100, the low one first."
            )
        _check_small("eps", self.eps)

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        # Faster on small images than `fit`, and the same numbers.
        rows = _rows(values, self.joint)
        low, high = np.percentile(rows, (self.low, self.high), axis=1)
        return Affine.of(low, high - low + self.eps)(values)

    def fit(self, blocks: Blocks) -> Affine:
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        low, high = percentiles(partial(_blocks_of_rows, blocks, self.joint), (self.low, self.high))
        return Affine.of(low, high - low + self.eps)

    def check_channels(self, channels: int) -> None:
        """Any number of channels will do."""

    def describe(self) -> str:
        """Words for a person."""
        eps = f" (distance + {self.eps:g})" if self.eps else ""
        return f"percentiles {self.low:g} to {self.high:g} of {_of(self.joint)} → 0 to 1{eps}"


@dataclass(frozen=True)
class PercentileClip:
    """Values beyond two percentiles of the image become those; None: no bound.

    Parameters
    ----------
    low, high
        Percentiles.
    joint
        Whether all channels share their percentiles; otherwise each has its own.
    interpolated
        Whether percentiles are interpolated linearly; otherwise they are values of the image (the
        inverse of its distribution function).

    Raises
    ------
    OptionError
        Unless 0 ≤ low < high ≤ 100.
    """

    low: float | None = None
    high: float | None = None
    joint: bool = False
    interpolated: bool = True
    kind: str = field(default="percentile-clip", init=False)
    passes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        low, high = self._ends
        if not 0 <= low < high <= 100 or (self.low is None and self.high is None):
            raise OptionError(
                f"The percentiles are {self.low!r} and {self.high!r}; expected numbers from 0 to "
                "100, the low one first."
            )

    def __call__(self, values: Values) -> Values:
        """Copy of ``values`` (channels, *spatial) within the bounds."""
        return self.fit(lambda: [values])(values)

    def fit(self, blocks: Blocks) -> Clip:
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        rows = partial(_blocks_of_rows, blocks, self.joint)
        low, high = percentiles(rows, self._ends, interpolated=self.interpolated).tolist()
        return Clip(
            None if self.low is None else tuple(low), None if self.high is None else tuple(high)
        )

    def check_channels(self, channels: int) -> None:
        """Any number of channels will do."""

    def describe(self) -> str:
        """Words for a person."""
        low, high = self._ends
        return f"clipped to percentiles {low:g} … {high:g} of {_of(self.joint)}"

    @property
    def _ends(self) -> tuple[float, float]:
        return (
            0.0 if self.low is None else self.low,
            100.0 if self.high is None else self.high,
        )


@dataclass(frozen=True)
class ZeroMeanUnitVariance:
    """Mean 0 and standard deviation 1 over the whole image.

    (value - mean) / (max(deviation, least) + eps), in double precision, with the deviation of the
    whole population.

    Parameters
    ----------
    eps
        Added to the standard deviation.
    joint
        Whether all channels share mean and deviation; otherwise each has its own.
    least
        Deviations below it count as it.

    Raises
    ------
    OptionError
        Unless eps and least are 0 or more.
    """

    eps: float = 0.0
    joint: bool = False
    least: float = 0.0
    kind: str = field(default="zero-mean-unit-variance", init=False)
    passes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_small("eps", self.eps)
        _check_small("least", self.least)

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        return self.fit(lambda: [values])(values)

    def fit(self, blocks: Blocks) -> Affine:
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        mean, deviation = mean_and_deviation(partial(_blocks_of_rows, blocks, self.joint))
        return Affine.of(mean, np.maximum(deviation, self.least) + self.eps)

    def check_channels(self, channels: int) -> None:
        """Any number of channels will do."""

    def describe(self) -> str:
        """Words for a person."""
        least = f", at least {self.least:g}" if self.least else ""
        plus = f" + {self.eps:g}" if self.eps else ""
        eps = f" (deviation{least}{plus})" if least or plus else ""
        return f"{_of(self.joint)} to mean 0 and standard deviation 1{eps}"


@dataclass(frozen=True)
class MeanStd:
    """Fixed numbers, for all channels or per channel: (value / ``divide`` - mean) / std.

    Raises
    ------
    OptionError
        If there are not as many means as deviations, or a deviation or ``divide`` is not above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    divide: float = 1.0
    kind: str = field(default="mean-std", init=False)
    passes: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.std) > 0:
            raise OptionError(
                f"There are {len(self.mean)} means and {len(self.std)} standard deviations; "
                "expected one of each, for all channels or per channel."
            )
        if not min(*self.std, self.divide) > 0:
            raise OptionError(
                f"The standard deviations are {self.std} and divide is {self.divide!r}; expected "
                "numbers above 0."
            )

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial).

        Raises
        ------
        ShapeError
            If there are numbers for another number of channels.
        """
        return self._fitted(values)

    def fit(self, blocks: Blocks) -> Affine:
        """The fixed numbers; no block is looked at."""
        return self._fitted

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` unless the numbers are for so many channels, or for all."""
        self._fitted.check_channels(channels)

    @property
    def _fitted(self) -> Affine:
        shift = [mean * self.divide for mean in self.mean]
        return Affine.of(shift, [std * self.divide for std in self.std])

    def describe(self) -> str:
        """Words for a person."""
        divide = "" if self.divide == 1 else f" / {self.divide:g}"
        return f"(value{divide} − {in_words(self.mean)}) / {in_words(self.std)}"


_KINDS: dict[str, Callable[..., Normalisation]] = {
    cls.kind: cls
    for cls in (
        Percentile,
        PercentileClip,
        ZeroMeanUnitVariance,
        MeanStd,
        Affine,
        ScaleLinear,
        Clip,
        Binarize,
        Cast,
        Sigmoid,
        Softmax,
        Steps,
        PerChannel,
    )
}


def normalisation_to_dict(normalisation: Normalisation | None) -> dict[str, Any] | None:
    """JSON form of a normalisation, the inverse of `normalisation_from_dict`."""
    return None if normalisation is None else asdict(normalisation)  # type: ignore[call-overload]


def normalisation_from_dict(description: dict[str, Any] | None) -> Normalisation | None:
    """Normalisation from its JSON form.

    Parameters
    ----------
    description
        None, or a dict whose ``kind`` is that of a normalisation, such as ``"percentile"``, and
        whose other entries are its fields. Those of ``"steps"`` and ``"per-channel"`` hold lists
        of such dicts.

    Raises
    ------
    OptionError
        If there is no such kind or its fields do not fit.
    """
    if description is None:
        return None
    fields = dict(description)
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise OptionError(
            f"Normalisation {kind!r} is not known; known are {', '.join(sorted(_KINDS))}."
        )
    fields = {name: _field(value) for name, value in fields.items()}
    try:
        return _KINDS[kind](**fields)
    except (TypeError, OptionError) as error:
        raise OptionError(f"Normalisation {description!r} does not fit its kind: {error}") from None


def _field(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(
            normalisation_from_dict(item) if isinstance(item, dict) else item for item in value
        )
    return value


def _rows(values: Values, joint: bool) -> Values:
    """Values of every channel in a row of its own, or of all channels in one."""
    return values.reshape(1 if joint else len(values), -1)


def _blocks_of_rows(blocks: Blocks, joint: bool) -> Iterator[Values]:
    for block in blocks():
        yield _rows(block, joint)


def _check_small(name: str, value: float) -> None:
    if not 0 <= value < np.inf:
        raise OptionError(f"The normalisation's {name} is {value!r}; expected 0 or more.")


def _of(joint: bool) -> str:
    return "all channels together" if joint else "each channel"
