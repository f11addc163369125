"""Random views of a training image: crop, scale, mirror, turn, intensity, colour, noise.

Every random number comes from the generator that is passed in, so that a view can be made again.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import OptionError
from .sources import IGNORE, ImageAndLabels

_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Augmentation:
    """What is varied, and how much.

    Intensities are changed relative to the spread of the view's own values, so the same numbers
    fit every normalisation.

    Parameters
    ----------
    upright
        True: only left and right are exchanged, as fits photographs. False: every spatial axis
        is mirrored and the last two are turned by quarters, as fits images from a microscope.
    scale
        Smallest and largest factor of size.
    gamma
        Largest power ``p``: values between the view's extremes are raised to a power between
        ``1 / p`` and ``p``.
    contrast
        All values are multiplied by up to 1 ± contrast around their mean.
    brightness
        Up to ± brightness standard deviations are added.
    colour
        Each channel is multiplied by up to 1 ± colour around its own mean, and up to ± colour
        standard deviations are added to it.
    noise
        Standard deviation of added noise is up to this many standard deviations.

    Raises
    ------
    OptionError
        If a number is out of range.
    """

    upright: bool = False
    scale: tuple[float, float] = (0.8, 1.25)
    gamma: float = 1.4
    contrast: float = 0.25
    brightness: float = 0.2
    colour: float = 0.1
    noise: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise OptionError(
                f"scale is {self.scale}; it must be two numbers above 0, the smaller one first."
            )
        if self.gamma < 1:
            raise OptionError(
                f"gamma is {self.gamma}; it must be at least 1, which changes nothing."
            )
        for name in ("contrast", "brightness", "colour", "noise"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name} is {getattr(self, name)}; it must not be negative.")

    def __call__(
        self,
        image: NDArray[np.float32],
        labels: NDArray[np.int64],
        crop: tuple[int, ...],
        rng: np.random.Generator,
    ) -> ImageAndLabels:
        """One random view.

        Parameters
        ----------
        image, labels
            Normalised image (channels, *spatial) and labels (*spatial).
        crop
            Spatial shape of the view. Where the image is smaller it is continued by reflection
            and the labels by `IGNORE`.
        rng
            Source of all random numbers.
        """
        image, labels = self._crop(image, labels, crop, rng)
        image, labels = self._orient(image, labels, rng)
        return self._intensities(image, rng), np.ascontiguousarray(labels)

    def _crop(
        self,
        image: NDArray[np.float32],
        labels: NDArray[np.int64],
        crop: tuple[int, ...],
        rng: np.random.Generator,
    ) -> ImageAndLabels:
        factor = float(np.exp(rng.uniform(*np.log(self.scale))))
        window = tuple(max(round(side / factor), 1) for side in crop)
        image, labels = _at_least(image, labels, window)
        start = [
            int(rng.integers(there - wanted + 1))
            for there, wanted in zip(labels.shape, window, strict=True)
        ]
        part = tuple(slice(s, s + side) for s, side in zip(start, window, strict=True))
        image, labels = image[:, *part], labels[part]
        return (image, labels) if window == crop else _resized(image, labels, crop)

    def _orient(
        self, image: NDArray[np.float32], labels: NDArray[np.int64], rng: np.random.Generator
    ) -> ImageAndLabels:
        mirrored = (-1,) if self.upright else tuple(range(-labels.ndim, 0))
        for axis in mirrored:
            if rng.random() < 0.5:
                image, labels = np.flip(image, axis), np.flip(labels, axis)
        if not self.upright and labels.shape[-1] == labels.shape[-2]:
            quarters = int(rng.integers(4))
            image = np.rot90(image, quarters, axes=(-2, -1))
            labels = np.rot90(labels, quarters, axes=(-2, -1))
        return image, labels

    def _intensities(
        self, image: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        axes = tuple(range(1, image.ndim))
        spread = float(image.std()) or 1.0
        low, high = float(image.min()), float(image.max())
        power = float(np.exp(rng.uniform(-1, 1) * np.log(self.gamma)))
        if high > low:
            image = low + (high - low) * ((image - low) / (high - low)) ** power
        gain = 1 + self.contrast * rng.uniform(-1, 1)
        shift = self.brightness * spread * rng.uniform(-1, 1)
        mean = float(image.mean())
        image = (image - mean) * gain + mean + shift
        if len(image) > 1:
            column = (-1, *[1] * (image.ndim - 1))
            gains = (1 + self.colour * rng.uniform(-1, 1, len(image))).reshape(column)
            shifts = (self.colour * spread * rng.uniform(-1, 1, len(image))).reshape(column)
            means = image.mean(axes, keepdims=True)
            image = (image - means) * gains + means + shifts
        deviation = self.noise * spread * rng.uniform()
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return (image + deviation * noise).astype(np.float32)


def _at_least(
    image: NDArray[np.float32], labels: NDArray[np.int64], shape: tuple[int, ...]
) -> ImageAndLabels:
    """Image continued by reflection and labels by `IGNORE` up to a shape, centred."""
    missing = [max(want - have, 0) for want, have in zip(shape, labels.shape, strict=True)]
    if not any(missing):
        return image, labels
    margins = [(number // 2, number - number // 2) for number in missing]
    image = np.pad(image, [(0, 0), *margins], mode="symmetric")
    return image, np.pad(labels, margins, constant_values=IGNORE)


def _resized(
    image: NDArray[np.float32], labels: NDArray[np.int64], shape: tuple[int, ...]
) -> ImageAndLabels:
    """Image linearly and labels by nearest neighbour on another grid."""
    values = torch.from_numpy(np.ascontiguousarray(image))[None]
    mode = _LINEAR[labels.ndim]
    values = torch.nn.functional.interpolate(values, shape, mode=mode, align_corners=False)
    indices = np.ix_(
        *(
            ((np.arange(new) + 0.5) * old / new).astype(int)
            for new, old in zip(shape, labels.shape, strict=True)
        )
    )
    return values[0].numpy(), labels[indices]
