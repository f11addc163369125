"""From an image with named axes to the tensor that a network takes."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import ImageError, ShapeError
from .normalisation import Normalisation
from .sizes import AxisRule


@dataclass(frozen=True)
class PreparedImage:
    """An image as the network sees it.

    Attributes
    ----------
    tensor
        Float32, of shape (1, channels, *padded spatial shape), normalised and padded.
    shape
        Spatial shape of the image before padding.
    before, after
        Pixels that reflection has added at the two ends of every spatial axis.
    """

    tensor: torch.Tensor
    shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Spatial shape of the image after padding."""
        return tuple(self.tensor.shape[2:])


class Array(Protocol):
    """What is asked of an array that is read in parts: numpy, memmap, dask and zarr have it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of every axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, index: tuple[slice, ...], /) -> Any:
        """Part that `numpy.asarray` takes."""


@dataclass(frozen=True)
class AxisOrder:
    """Which axes of an array are which axes of the network.

    Attributes
    ----------
    channel
        Channel axis of the array; None if it has none.
    spatial
        Axis of the array for every spatial axis of the network.
    shape
        Spatial shape, in the network's order.
    channels
        Number of channels.
    """

    channel: int | None
    spatial: tuple[int, ...]
    shape: tuple[int, ...]
    channels: int

    @classmethod
    def of(cls, array: Array, axes: str | None, network_axes: str, channels: int) -> "AxisOrder":
        """Find the order and check that the array fits.

        Parameters and errors are those of `channels_first`.
        """
        if array.dtype.kind not in "biuf":
            raise ImageError(f"The image has values of type {array.dtype}; expected real numbers.")
        names = network_axes.replace("C", "")
        if axes is None:
            axes = names if len(array.shape) == len(names) else network_axes
        _check_axes(array.shape, axes, names)
        channel = axes.index("C") if "C" in axes else None
        spatial = tuple(axes.index(letter) for letter in names)
        given = 1 if channel is None else array.shape[channel]
        if given != channels:
            raise ShapeError(
                f"The image (axes {axes!r}) has {_count(given, 'channel')} and the network "
                f"takes {channels}. Choose channels of the image, name its axes with axes=, or "
                "choose a network that fits it."
            )
        shape = tuple(array.shape[axis] for axis in spatial)
        if min(shape) == 0:
            raise ShapeError(
                f"The image has no pixels (axes C{names}: {(channels, *shape)}); expected one or "
                "more."
            )
        return cls(channel, spatial, shape, channels)

    def read(self, array: Array, box: tuple[slice, ...]) -> NDArray[np.float32]:
        """Part of the array as (channels, *box) float32.

        Parameters
        ----------
        array
            As given to `of`.
        box
            Part to read, per spatial axis of the network.

        Raises
        ------
        ImageError
            If there are values that are not finite.
        """
        slices = dict(zip(self.spatial, box, strict=True))
        part = np.asarray(array[tuple(slices.get(axis, slice(None)) for axis in range(self.ndim))])
        if self.channel is None:
            part = np.transpose(part, self.spatial)[np.newaxis]
        else:
            part = np.transpose(part, (self.channel, *self.spatial))
        with np.errstate(over="ignore"):  # becomes infinite, which is told below
            values = part.astype(np.float32)
        if not np.isfinite(values).all():
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise ImageError(
                f"The image has {_count(bad, 'value')} that are NaN, infinite or too large for "
                f"float32{self._where(box)}; expected finite numbers. Replace them first, for "
                "example with numpy.nan_to_num."
            )
        return values

    @property
    def ndim(self) -> int:
        """Number of axes of the array."""
        return len(self.spatial) + (self.channel is not None)

    def _where(self, box: tuple[slice, ...]) -> str:
        """Words for a part of the image; none for the whole."""
        ends = [(s.start, s.stop) for s in box]
        if ends == [(0, size) for size in self.shape]:
            return ""
        return " in its part [" + ", ".join(f"{start}:{stop}" for start, stop in ends) + "]"


def channels_first(
    image: ArrayLike, axes: str | None, network_axes: str, channels: int
) -> NDArray[np.float32]:
    """Image as (channels, *spatial) float32.

    Parameters
    ----------
    image
        Array with the named axes.
    axes
        One letter an axis, of the network's spatial axes and ``C``, for example ``"YX"``,
        ``"YXC"`` or ``"CZYX"``. None: the spatial axes alone, or the network's own axes, whichever
        has as many axes as the image.
    network_axes
        The network's axes, channel first, such as ``"CYX"``.
    channels
        Number of channels that the network takes.

    Raises
    ------
    ShapeError
        If axes or channels do not fit.
    ImageError
        If there are values that are not finite, or not numbers.
    """
    array = np.asarray(image)
    order = AxisOrder.of(array, axes, network_axes, channels)
    return order.read(array, tuple(slice(0, size) for size in order.shape))


def pad(values: NDArray[np.float32], rules: tuple[AxisRule, ...]) -> PreparedImage:
    """Mirror the image at its borders until its size suits the network; see `borders`.

    Parameters
    ----------
    values
        Of shape (channels, *spatial).
    rules
        Sizes that the network takes, per spatial axis.
    """
    shape = values.shape[1:]
    before, after = borders(shape, rules)
    widths = [(0, 0), *zip(before, after, strict=True)]
    # numpy mirrors again and again where a border is wider than the image; torch does not.
    padded = np.pad(values, widths, mode="reflect") if any(before + after) else values
    return PreparedImage(torch.from_numpy(padded[np.newaxis].copy()), shape, before, after)


def borders(
    shape: tuple[int, ...], rules: tuple[AxisRule, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pixels that are missing before and after an image, per spatial axis.

    What an unpadded network needs around the image (its margin) is added half before and half
    after, as Ronneberger et al. do; what is missing to a size that runs is added after.

    Parameters
    ----------
    shape
        Spatial shape of the image.
    rules
        Sizes that the network takes, per spatial axis.
    """
    before = tuple(max(0, rule.margin) // 2 for rule in rules)
    after = tuple(
        rule.fit(size) - size - lead for rule, size, lead in zip(rules, shape, before, strict=True)
    )
    return before, after


def normalised(
    values: NDArray[np.float32], normalisation: Normalisation | None
) -> NDArray[np.float32]:
    """Normalised image, or the image itself where there is no normalisation."""
    return values if normalisation is None else normalisation(values)


def _check_axes(shape: tuple[int, ...], axes: str, spatial: str) -> None:
    letters = set(axes)
    fits = len(letters) == len(axes) == len(shape) and letters - {"C"} == set(spatial)
    if not fits:
        raise ShapeError(
            f"The image has the shape {shape} and the axes {axes!r}; the network expects "
            f"the axes {' and '.join(spatial)} once each, and C where there are channels. "
            "Give axes= with one letter for each axis of the image."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
