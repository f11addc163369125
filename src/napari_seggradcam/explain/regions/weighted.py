"""Regions whose pixels count differently: two regions against each other, and borders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...errors import RegionError
from ..options import is_whole
from .region import (
    Box,
    Mask,
    Prediction,
    Region,
    Shape,
    Weights,
    around,
    as_region,
    seen_from,
    set_of_pixels,
    windowed,
)


def contrast(first: Region | ArrayLike, second: Region | ArrayLike) -> Region:
    """Region M₁ − M₂: pixels of the first count 1, those of the second −1, those of both nothing.

    The score is S(M₁) − S(M₂), and its weights α(M₁) − α(M₂): what speaks for the class here and
    not there. With ``reduce="mean"`` both sides count alike, however large they are.

    Parameters
    ----------
    first, second
        As for `Explainer.explain`; weighted regions keep their weights.

    Raises
    ------
    RegionError
        If an array can't be a region. When it is asked about: if no pixel is left on one side.
    """
    return _Contrast(as_region(first), as_region(second))


def border(region: Region | ArrayLike, width: int = 1) -> Region:
    """Region of the rim of another: pixels within it count 1, those around it −1.

    The score says how sharply the class begins at the border, and its weights what makes it end
    there. Edges of the image are no border.

    Parameters
    ----------
    region
        A set of pixels.
    width
        Of the rim to either side, in pixels; neighbours share a side.

    Raises
    ------
    RegionError
        If the region is weighted, or the width is not 1 or more.
    """
    if not is_whole(width) or width < 1:
        raise RegionError(f"The border's width is {width!r}; expected a whole number from 1.")
    return _Border(set_of_pixels(region, "A border"), int(width))


@dataclass(frozen=True, eq=False)
class _Weighted(Region):
    @property
    def is_weighted(self) -> bool:
        return True

    @property
    def has_two_sides(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class _Contrast(_Weighted):
    first: Region
    second: Region

    @property
    def depends_on_prediction(self) -> bool:
        return self.first.depends_on_prediction or self.second.depends_on_prediction

    def extent(self, shape: Shape) -> Box:
        return around(self.first.extent(shape), self.second.extent(shape))

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        first, second = (
            _within_extent(region, window, shape, prediction).astype(np.float32)
            for region in (self.first, self.second)
        )
        return np.asarray(first - second)

    def describe(self) -> str:
        return f"({self.first.describe()} against {self.second.describe()})"


@dataclass(frozen=True, eq=False)
class _Border(_Weighted):
    region: Region
    width: int

    @property
    def depends_on_prediction(self) -> bool:
        return self.region.depends_on_prediction

    def extent(self, shape: Shape) -> Box:
        return self._widened(self.region.extent(shape), shape)

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        from scipy.ndimage import binary_dilation, binary_erosion  # slow to import

        wide = self._widened(window, shape)
        inside: Mask = _within_extent(self.region, wide, shape, prediction).astype(bool)
        # What lies beyond the image is neither inside nor outside.
        core = binary_erosion(inside, iterations=self.width, border_value=1)
        grown = binary_dilation(inside, iterations=self.width)
        rim = (inside & ~core).astype(np.float32) - (grown & ~inside)
        here = seen_from(window, (side.start for side in wide))
        return np.asarray(rim[here], np.float32)

    def _widened(self, window: Box, shape: Shape) -> Box:
        return tuple(
            slice(max(0, side.start - self.width), min(size, side.stop + self.width))
            for side, size in zip(window, shape, strict=True)
        )

    def describe(self) -> str:
        pixels = "1 pixel" if self.width == 1 else f"{self.width} pixels"
        return f"border of {self.region.describe()}, {pixels} to either side"


def _within_extent(region: Region, window: Box, shape: Shape, prediction: Prediction) -> Weights:
    """A part of a region that looks no further than its pixels may lie."""
    box = tuple(
        slice(max(e.start, w.start), max(e.start, w.start, min(e.stop, w.stop)))
        for e, w in zip(region.extent(shape), window, strict=True)
    )
    return windowed(region.part(box, shape, prediction), box, window)
