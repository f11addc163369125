"""From an image with named axes to the tensor that a network takes."""

from dataclasses import dataclass

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
    if array.dtype.kind not in "biuf":
        raise ImageError(f"The image has values of type {array.dtype}; expected real numbers.")
    spatial = network_axes.replace("C", "")
    if axes is None:
        axes = spatial if array.ndim == len(spatial) else network_axes
    _check_axes(array, axes, spatial)
    given = axes
    if "C" not in axes:
        array, axes = array[np.newaxis], "C" + axes
    array = np.transpose(array, [axes.index(letter) for letter in "C" + spatial])
    if array.shape[0] != channels:
        raise ShapeError(
            f"The image (axes {given!r}) has {_count(array.shape[0], 'channel')} and the network "
            f"takes {channels}. Choose channels of the image, name its axes with axes=, or choose "
            "a network that fits it."
        )
    if min(array.shape) == 0:
        raise ShapeError(
            f"The image has no pixels (axes C{spatial}: {array.shape}); expected one or more."
        )
    with np.errstate(over="ignore"):  # becomes infinite, which is told below
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise ImageError(
            f"The image has {_count(bad, 'value')} that are NaN, infinite or too large for "
            "float32; expected finite numbers. Replace them first, for example with "
            "numpy.nan_to_num."
        )
    return values


def pad(values: NDArray[np.float32], rules: tuple[AxisRule, ...]) -> PreparedImage:
    """Mirror the image at its borders until its size suits the network.

    What an unpadded network needs around the image (its margin) is added half before and half
    after, as Ronneberger et al. do; what is missing to a size that runs is added after.

    Parameters
    ----------
    values
        Of shape (channels, *spatial).
    rules
        Sizes that the network takes, per spatial axis.
    """
    shape = values.shape[1:]
    before = tuple(max(0, rule.margin) // 2 for rule in rules)
    after = tuple(
        rule.fit(size) - size - lead for rule, size, lead in zip(rules, shape, before, strict=True)
    )
    widths = [(0, 0), *zip(before, after, strict=True)]
    # numpy mirrors again and again where a border is wider than the image; torch does not.
    padded = np.pad(values, widths, mode="reflect") if any(before + after) else values
    return PreparedImage(torch.from_numpy(padded[np.newaxis].copy()), shape, before, after)


def normalised(
    values: NDArray[np.float32], normalisation: Normalisation | None
) -> NDArray[np.float32]:
    """Normalised image, or the image itself where there is no normalisation."""
    return values if normalisation is None else normalisation(values)


def _check_axes(array: NDArray[np.generic], axes: str, spatial: str) -> None:
    letters = set(axes)
    fits = len(letters) == len(axes) == array.ndim and letters - {"C"} == set(spatial)
    if not fits:
        raise ShapeError(
            f"The image has the shape {array.shape} and the axes {axes!r}; the network expects "
            f"the axes {' and '.join(spatial)} once each, and C where there are channels. "
            "Give axes= with one letter for each axis of the image."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
