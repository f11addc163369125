"""How raw values of an image become what the network was trained on.

A normalisation acts on the whole image, as (channels, *spatial) float32, before padding.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, ShapeError

Values = NDArray[np.float32]


class Normalisation(Protocol):
    """What every normalisation can do."""

    @property
    def kind(self) -> str:
        """Name of the kind, as in its JSON form."""

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial)."""

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

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise OptionError(
                f"The percentiles are {self.low!r} and {self.high!r}; expected two numbers from "
                "0 to 100, the low one first."
            )

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        axes = tuple(range(1, values.ndim))
        low, high = np.percentile(values, (self.low, self.high), axis=axes, keepdims=True)
        return _shift_and_scale(values, low, high - low)

    def describe(self) -> str:
        """Words for a person."""
        return f"percentiles {self.low:g} to {self.high:g} of each channel → 0 to 1"


@dataclass(frozen=True)
class ZeroMeanUnitVariance:
    """Per channel, mean 0 and standard deviation 1 over the whole image."""

    kind: str = field(default="zero-mean-unit-variance", init=False)

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial); a constant channel becomes 0."""
        axes = tuple(range(1, values.ndim))
        wide = values.astype(np.float64)
        mean, deviation = wide.mean(axes, keepdims=True), wide.std(axes, keepdims=True)
        return _shift_and_scale(values, mean, deviation)

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
        if len(self.mean) != len(values):
            raise ShapeError(
                f"The normalisation has numbers for {len(self.mean)} channels and the image has "
                f"{len(values)}; expected one mean and one standard deviation per channel."
            )
        column = (-1, *[1] * (values.ndim - 1))
        mean = np.asarray(self.mean, np.float64).reshape(column)
        std = np.asarray(self.std, np.float64).reshape(column)
        return _shift_and_scale(values, mean * self.divide, std * self.divide)

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


def _shift_and_scale(
    values: Values, shift: NDArray[np.float64], scale: NDArray[np.float64]
) -> Values:
    safe = np.where(scale > 0, scale, 1.0)
    return ((values - shift) / safe).astype(np.float32)
