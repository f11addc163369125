"""How raw values of an image become what the network was trained on.

A normalisation acts on the whole image, as (channels, *spatial) float32, before padding. Fitted to
an image, it acts on any part of it, and gives bit for bit what it gives on the whole.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import OptionError, ShapeError
from .statistics import Blocks, Values, mean_and_deviation, percentiles


@dataclass(frozen=True)
class Fitted:
    """A normalisation with the numbers of one image: (value - shift) / scale.

    Attributes
    ----------
    shift, scale
        Per channel, in double precision; a scale of 0 (a constant channel) counts as 1.
    """

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, shift: ArrayLike, scale: ArrayLike) -> "Fitted":
        """From numbers of any type; -0 becomes 0, so that equal numbers give equal bits."""
        columns = (np.asarray(numbers, np.float64) + 0.0 for numbers in (shift, scale))
        return cls(*(tuple(column.tolist()) for column in columns))

    def __call__(self, values: Values) -> Values:
        """Normalised copy of a part of the image, (channels, *spatial) float32.

        Raises
        ------
        ShapeError
            If there is not one shift per channel.
        """
        self.check_channels(len(values))
        column = (-1, *[1] * (values.ndim - 1))
        shift = np.asarray(self.shift, np.float64).reshape(column)
        scale = np.asarray(self.scale, np.float64).reshape(column)
        return ((values - shift) / np.where(scale > 0, scale, 1.0)).astype(np.float32)

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` unless there is one shift per channel."""
        if len(self.shift) != channels:
            raise ShapeError(
                f"The normalisation has numbers for {len(self.shift)} channels and the image has "
                f"{channels}; expected one mean and one standard deviation per channel."
            )


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

    def fit(self, blocks: Blocks) -> Fitted:
        """Normalisation of an image that comes block by block.

        Parameters
        ----------
        blocks
            Gives the whole image in blocks (channels, *spatial); called `passes` times.
        """

    def describe(self) -> str:
        """Words for a person."""


@dataclass(frozen=True)
class Percentile:
    """Per channel, the ``low`` percentile goes to 0 and the ``high`` one to 1; no clipping.

    Raises
    ------
    OptionError
        Unless 0 ≤ low < high ≤ 100.
    """

    low: float = 1.0
    high: float = 99.8
    kind: str = field(default="percentile", init=False)
    passes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise OptionError(
                f"The percentiles are {self.low!r} and {self.high!r}; expected two numbers from "
                "0 to 100, the low one first."
            )

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        # Faster on small images than `fit`, and the same numbers.
        axes = tuple(range(1, values.ndim))
        low, high = np.percentile(values, (self.low, self.high), axis=axes)
        return Fitted.of(low, high - low)(values)

    def fit(self, blocks: Blocks) -> Fitted:
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        low, high = percentiles(blocks, (self.low, self.high))
        return Fitted.of(low, high - low)

    def describe(self) -> str:
        """Words for a person."""
        return f"percentiles {self.low:g} to {self.high:g} of each channel → 0 to 1"


@dataclass(frozen=True)
class ZeroMeanUnitVariance:
    """Per channel, mean 0 and standard deviation 1 over the whole image."""

    kind: str = field(default="zero-mean-unit-variance", init=False)
    passes: ClassVar[int] = 1

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        return self.fit(lambda: [values])(values)

    def fit(self, blocks: Blocks) -> Fitted:
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        return Fitted.of(*mean_and_deviation(blocks))

    def describe(self) -> str:
        """Words for a person."""
        return "each channel to mean 0 and standard deviation 1"


@dataclass(frozen=True)
class MeanStd:
    """Fixed numbers per channel: (value / ``divide`` - mean) / std.

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
                "expected one of each per channel."
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
            If there is not one mean per channel.
        """
        return self._fitted(values)

    def fit(self, blocks: Blocks) -> Fitted:
        """The fixed numbers; no block is looked at."""
        return self._fitted

    @property
    def _fitted(self) -> Fitted:
        shift = [mean * self.divide for mean in self.mean]
        return Fitted.of(shift, [std * self.divide for std in self.std])

    def describe(self) -> str:
        """Words for a person."""
        mean = ", ".join(f"{m:g}" for m in self.mean)
        std = ", ".join(f"{s:g}" for s in self.std)
        return f"(value / {self.divide:g} − ({mean})) / ({std})"


_KINDS: dict[str, Callable[..., Normalisation]] = {
    cls.kind: cls for cls in (Percentile, ZeroMeanUnitVariance, MeanStd)
}


def normalisation_to_dict(normalisation: Normalisation | None) -> dict[str, Any] | None:
    """JSON form of a normalisation, the inverse of `normalisation_from_dict`."""
    return None if normalisation is None else asdict(normalisation)  # type: ignore[call-overload]


def normalisation_from_dict(description: dict[str, Any] | None) -> Normalisation | None:
    """Normalisation from its JSON form.

    Parameters
    ----------
    description
        None, or a dict whose ``kind`` is ``"percentile"``, ``"zero-mean-unit-variance"`` or
        ``"mean-std"`` and whose other entries are that kind's fields.

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
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        return _KINDS[kind](**fields)
    except (TypeError, OptionError) as error:
        raise OptionError(f"Normalisation {description!r} does not fit its kind: {error}") from None
