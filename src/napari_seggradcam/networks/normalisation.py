"""How raw values of an image become what the network was trained on.

A normalisation acts on the whole image, as (channels, *spatial) float32, before padding.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError

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
    """Per channel, the ``low`` percentile goes to 0 and the ``high`` one to 1; no clipping."""

    low: float = 1.0
    high: float = 99.8
    kind: str = "percentile"

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

    kind: str = "zero-mean-unit-variance"

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
    """Fixed numbers per channel: (value / ``divide`` - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    divide: float = 1.0
    kind: str = "mean-std"

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial)."""
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
    if kind == MeanStd.kind:
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        normalisation: Normalisation = _KINDS[kind](**fields)
    except TypeError as error:
        raise OptionError(f"Normalisation {description!r} does not fit its kind: {error}") from None
    return normalisation


def _shift_and_scale(
    values: Values, shift: NDArray[np.float64], scale: NDArray[np.float64]
) -> Values:
    safe = np.where(scale > 0, scale, 1.0)
    return ((values - shift) / safe).astype(np.float32)
