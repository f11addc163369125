"""Normalisations that are made of others, and steps that need nothing but fixed numbers.

A step acts on every position alone, so that it gives the same on a part of an image as on the
whole. Numbers are given as tuples: one for all channels, or one per channel.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ImageError, OptionError, ShapeError
from .statistics import Blocks, Values

if TYPE_CHECKING:
    from .normalisation import Normalisation

Numbers = tuple[float, ...]

_FLOATS = ("float32", "float64")
_WHOLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


class Fixed(ABC):
    """A step that is its own fit, because it has nothing to find in an image."""

    passes: ClassVar[int] = 0

    def __post_init__(self) -> None:
        for name, numbers in self._numbers():
            fits = isinstance(numbers, tuple) and len(numbers) > 0
            if not fits or not all(map(_is_number, numbers)):
                raise OptionError(
                    f"{name} of the normalisation is {numbers!r}; expected a tuple of finite "
                    "numbers, one for all channels or one per channel."
                )

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial).

        Raises
        ------
        ShapeError
            If it has numbers for another number of channels.
        """
        self.check_channels(len(values))
        return self.apply(values)

    @abstractmethod
    def apply(self, values: Values) -> Values:
        """Values (channels, *spatial) after the step."""

    def fit(self, blocks: Blocks) -> Self:
        """The step itself; no block is looked at."""
        return self

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` unless its numbers are for so many channels, or for all."""
        for _, numbers in self._numbers():
            if len(numbers) not in (1, channels):
                raise ShapeError(
                    f"The normalisation has numbers for {len(numbers)} channels and the image has "
                    f"{channels}; expected one number for all channels or one per channel."
                )

    def _numbers(self) -> Iterator[tuple[str, Any]]:
        """Fields that hold numbers, by name; those that are None are left out."""
        for part in fields(self):  # type: ignore[arg-type]
            value = getattr(self, part.name)
            if part.init and value is not None and not isinstance(value, str):
                yield part.name, value


@dataclass(frozen=True)
class Affine(Fixed):
    """(value - shift) / scale; what is found of an image's statistics.

    Attributes
    ----------
    shift, scale
        In double precision; a scale of 0 (a constant channel) counts as 1.
    """

    shift: Numbers
    scale: Numbers
    kind: str = field(default="affine", init=False)

    @classmethod
    def of(cls, shift: ArrayLike, scale: ArrayLike) -> Self:
        """From numbers of any type; -0 becomes 0, so that equal numbers give equal bits."""
        columns = (np.asarray(numbers, np.float64) + 0.0 for numbers in (shift, scale))
        return cls(*(tuple(column.tolist()) for column in columns))

    def apply(self, values: Values) -> Values:
        """Shifted and scaled values."""
        scale = _column(self.scale, values)
        shifted = values - _column(self.shift, values)
        return (shifted / np.where(scale > 0, scale, 1.0)).astype(np.float32)

    def describe(self) -> str:
        """Words for a person."""
        return f"(value − {in_words(self.shift)}) / {in_words(self.scale)}"


@dataclass(frozen=True)
class ScaleLinear(Fixed):
    """value · gain + offset, in double precision."""

    gain: Numbers = (1.0,)
    offset: Numbers = (0.0,)
    kind: str = field(default="scale-linear", init=False)

    def apply(self, values: Values) -> Values:
        """Scaled values."""
        scaled = values * _column(self.gain, values) + _column(self.offset, values)
        return scaled.astype(np.float32)

    def describe(self) -> str:
        """Words for a person."""
        return f"value · {in_words(self.gain)} + {in_words(self.offset)}"


@dataclass(frozen=True)
class Clip(Fixed):
    """Values below ``low`` become ``low``, those above ``high`` become ``high``; None: no bound."""

    low: Numbers | None = None
    high: Numbers | None = None
    kind: str = field(default="clip", init=False)

    def apply(self, values: Values) -> Values:
        """Values within the bounds."""
        if self.low is not None:
            values = np.maximum(values, _single(self.low, values))
        if self.high is not None:
            values = np.minimum(values, _single(self.high, values))
        return values

    def describe(self) -> str:
        """Words for a person."""
        low = "−∞" if self.low is None else in_words(self.low)
        high = "∞" if self.high is None else in_words(self.high)
        return f"clipped to {low} … {high}"


@dataclass(frozen=True)
class Binarize(Fixed):
    """1 where the value is above the threshold, otherwise 0."""

    threshold: Numbers
    kind: str = field(default="binarize", init=False)

    def apply(self, values: Values) -> Values:
        """Zeros and ones."""
        return (values > _single(self.threshold, values)).astype(np.float32)

    def describe(self) -> str:
        """Words for a person."""
        return f"1 above {in_words(self.threshold)}, otherwise 0"


@dataclass(frozen=True)
class Cast(Fixed):
    """Values as another type holds them: whole numbers lose what stands behind the point.

    Parameters
    ----------
    dtype
        Name of one of numpy's types of real numbers, or ``"bool"``.

    Raises
    ------
    OptionError
        If there is no such type.
    """

    dtype: str
    kind: str = field(default="cast", init=False)

    def __post_init__(self) -> None:
        known = (*_FLOATS, *_WHOLE, "bool")
        if self.dtype not in known:
            raise OptionError(f"The dtype is {self.dtype!r}; expected one of {', '.join(known)}.")

    def apply(self, values: Values) -> Values:
        """Values of the type, as float32.

        Raises
        ------
        ImageError
            If a value does not fit into the type; a cast would make another value of it.
        """
        if self.dtype in _FLOATS:
            return values
        if self.dtype == "bool":
            nonzero: Values = (values != 0).astype(np.float32)
            return nonzero
        limits = np.iinfo(self.dtype)
        whole = np.trunc(values) + np.float32(0)  # without -0
        if whole.size and not limits.min <= float(whole.min()) <= float(whole.max()) <= limits.max:
            raise ImageError(
                f"The image has values from {values.min():g} to {values.max():g} where the network "
                f"expects {self.dtype} ({limits.min} to {limits.max}). Scale the image to that "
                "range first, or open the network with another normalisation."
            )
        return whole

    def describe(self) -> str:
        """Words for a person."""
        return f"as {self.dtype}"


@dataclass(frozen=True)
class Sigmoid(Fixed):
    """1 / (1 + exp(-value)), in double precision."""

    kind: str = field(default="sigmoid", init=False)

    def apply(self, values: Values) -> Values:
        """Numbers from 0 to 1."""
        from scipy.special import expit

        found: Values = expit(values.astype(np.float64)).astype(np.float32)
        return found

    def describe(self) -> str:
        """Words for a person."""
        return "sigmoid"


@dataclass(frozen=True)
class Softmax(Fixed):
    """exp(value) over the sum of it over all channels, in double precision."""

    kind: str = field(default="softmax", init=False)

    def apply(self, values: Values) -> Values:
        """Numbers that add up to 1 over the channels."""
        parts = np.exp(values.astype(np.float64) - values.max(axis=0))
        total = np.zeros(values.shape[1:])
        for part in parts:  # in this order wherever the image is cut into blocks
            total += part
        shares: Values = (parts / total).astype(np.float32)
        return shares

    def describe(self) -> str:
        """Words for a person."""
        return "softmax over the channels"


@dataclass(frozen=True)
class Steps:
    """One normalisation after the other; each sees what the earlier ones made of the image.

    Raises
    ------
    OptionError
        If there are none.
    """

    steps: "tuple[Normalisation, ...]"
    kind: str = field(default="steps", init=False)

    def __post_init__(self) -> None:
        _check_parts(self.steps)

    @property
    def passes(self) -> int:
        """How often `fit` goes through the image: as often as all parts together."""
        return sum(part.passes for part in self.steps)

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial)."""
        for step in self.steps:
            values = step(values)
        return values

    def fit(self, blocks: Blocks) -> "Steps":
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        fitted: tuple[Normalisation, ...] = ()
        for step in self.steps:
            fitted = (*fitted, step.fit(partial(_after, fitted, blocks)))
        return Steps(fitted)

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` unless every step is for so many channels."""
        for step in self.steps:
            step.check_channels(channels)

    def describe(self) -> str:
        """Words for a person."""
        return ", then ".join(step.describe() for step in self.steps)


@dataclass(frozen=True)
class PerChannel:
    """Every channel by a normalisation of its own.

    Raises
    ------
    OptionError
        If there are none.
    """

    each: "tuple[Normalisation, ...]"
    kind: str = field(default="per-channel", init=False)

    def __post_init__(self) -> None:
        _check_parts(self.each)

    @property
    def passes(self) -> int:
        """How often `fit` goes through the image: as often as all parts together."""
        return sum(part.passes for part in self.each)

    def __call__(self, values: Values) -> Values:
        """Normalised copy of ``values`` (channels, *spatial).

        Raises
        ------
        ShapeError
            If the image has another number of channels.
        """
        self.check_channels(len(values))
        parts = [part(values[i : i + 1]) for i, part in enumerate(self.each)]
        return np.concatenate(parts)

    def fit(self, blocks: Blocks) -> "PerChannel":
        """Normalisation of an image that comes block by block; see `Normalisation.fit`."""
        return PerChannel(
            tuple(
                part.fit(partial(_channel, blocks, number)) for number, part in enumerate(self.each)
            )
        )

    def check_channels(self, channels: int) -> None:
        """Raise `ShapeError` unless there are so many channels."""
        if len(self.each) != channels:
            raise ShapeError(
                f"The normalisation is for {len(self.each)} channels and the image has {channels}; "
                "choose as many channels of the image."
            )
        for part in self.each:
            part.check_channels(1)

    def describe(self) -> str:
        """Words for a person."""
        return "; ".join(f"channel {i}: {part.describe()}" for i, part in enumerate(self.each))


def _after(earlier: "tuple[Normalisation, ...]", blocks: Blocks) -> Iterator[Values]:
    """Blocks as some steps leave them."""
    for block in blocks():
        values = block
        for step in earlier:
            values = step(values)
        yield values


def _channel(blocks: Blocks, number: int) -> Iterator[Values]:
    """Blocks of one channel."""
    for block in blocks():
        yield block[number : number + 1]


def _check_parts(parts: "tuple[Normalisation, ...]") -> None:
    if not parts or not all(hasattr(part, "fit") for part in parts):
        raise OptionError(
            f"The parts of the normalisation are {parts!r}; expected one or more normalisations."
        )


def _column(numbers: Numbers, values: Values) -> NDArray[np.float64]:
    """Numbers along the channel axis."""
    return np.asarray(numbers, np.float64).reshape(-1, *[1] * (values.ndim - 1))


def _single(numbers: Numbers, values: Values) -> Values:
    """Numbers along the channel axis in the precision of the values, with which they compare."""
    with np.errstate(over="ignore"):  # infinite, and so beyond every value
        return _column(numbers, values).astype(np.float32)


def in_words(numbers: Numbers) -> str:
    """Numbers for a person."""
    words = ", ".join(f"{number:g}" for number in numbers)
    return words if len(numbers) == 1 else f"({words})"


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
