"""Regions M: the sets of image pixels that a question is about.

A region is described before it is known on which image it will lie; `Region.mask` says which
pixels those are, `Region.part` which of them lie in a window of an image that may be too large to
look at as a whole. Regions combine with ``|`` (union), ``&`` (intersection) and ``-`` (difference).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegionError, TargetError

Mask = NDArray[np.bool_]
Box = tuple[slice, ...]
# The class that the network predicts at every pixel of a window of the image.
Prediction = Callable[[Box], NDArray[np.integer]]


class Region(ABC):
    """A set of pixels of an image."""

    def extent(self, shape: tuple[int, ...]) -> Box:
        """A window with all pixels of the region, as far as it is known without looking at them.

        Parameters
        ----------
        shape
            Spatial shape of the image.

        Raises
        ------
        RegionError
            If the region does not fit the image.
        """
        return tuple(slice(0, size) for size in shape)

    @abstractmethod
    def part(self, window: Box, prediction: Prediction) -> Mask:
        """Pixels of the region in a window of the image.

        Parameters
        ----------
        window
            Part of an image that the region fits, per spatial axis.
        prediction
            Called only by regions that depend on what the network predicts.

        Returns
        -------
        ndarray of bool, of the window's shape
        """

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        """Pixels of the region on an image of a spatial shape; see `extent` and `part`."""
        self.extent(shape)
        return self.part(tuple(slice(0, size) for size in shape), prediction)

    @property
    def depends_on_prediction(self) -> bool:
        """Whether the network has to run before the pixels are known."""
        return False

    @abstractmethod
    def describe(self) -> str:
        """Words for people and for the record."""

    def __or__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "|")

    def __and__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "&")

    def __sub__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "-")


@dataclass(frozen=True, eq=False)
class Footprint:
    """The pixels of a region and the smallest box around them.

    Attributes
    ----------
    first
        Index of the first pixel of the box, per spatial axis.
    inside
        Which pixels of the box belong to the region.
    """

    first: tuple[int, ...]
    inside: Mask

    @classmethod
    def of(cls, region: Region, shape: tuple[int, ...], prediction: Prediction) -> "Footprint":
        """Footprint on an image of a spatial shape.

        Raises
        ------
        RegionError
            If the region does not fit the image, or has no pixel there.
        """
        extent = region.extent(shape)
        inside = region.part(extent, prediction)
        tight = bounds(inside)
        if tight is None:
            raise no_pixel(region)
        first = tuple(e.start + t.start for e, t in zip(extent, tight, strict=True))
        return cls(first, inside[tight])

    @property
    def pixels(self) -> int:
        """Number of pixels of the region."""
        return int(np.count_nonzero(self.inside))

    @property
    def box(self) -> Box:
        """The box on the image."""
        return tuple(slice(f, f + n) for f, n in zip(self.first, self.inside.shape, strict=True))

    def part(self, window: Box) -> Mask:
        """Pixels of the region in a window, which may reach beyond the image."""
        return windowed(self.inside, self.box, window)

    def mask(self, shape: tuple[int, ...]) -> Mask:
        """The region on an image of a spatial shape."""
        return self.part(tuple(slice(0, size) for size in shape))


def windowed(inside: Mask, box: Box, window: Box) -> Mask:
    """Window of a mask of which only a box is known; all else is False.

    Parameters
    ----------
    inside
        What is known.
    box
        Where that lies.
    window
        What is wanted.
    """
    found = np.zeros([w.stop - w.start for w in window], bool)
    inner, outer = [], []
    for b, w in zip(box, window, strict=True):
        low = max(b.start, w.start)
        high = max(low, min(b.stop, w.stop))
        inner.append(slice(low - w.start, high - w.start))
        outer.append(slice(low - b.start, high - b.start))
    found[tuple(inner)] = inside[tuple(outer)]
    return found


def bounds(mask: Mask) -> Box | None:
    """The smallest box around the True values, or None where there are none."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        # Only what the axes before have left: most of a large mask is looked at once.
        rest = mask[tuple(box)]
        others = tuple(other for other in range(mask.ndim) if other != axis)
        found = np.flatnonzero(rest.any(axis=others))
        if not found.size:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return tuple(box)


def no_pixel(region: Region) -> RegionError:
    """The error that a region without pixels is."""
    return RegionError(
        f"The region ({region.describe()}) has no pixel on the image; expected at least one. "
        "Draw or choose a region."
    )


@dataclass(frozen=True, eq=False)
class _ArrayRegion(Region):
    array: Any

    def extent(self, shape: tuple[int, ...]) -> Box:
        if tuple(self.array.shape) != shape:
            raise RegionError(
                f"The region has the shape {self.array.shape} and the image {shape}; expected one "
                "value for each pixel of the image."
            )
        return super().extent(shape)

    def part(self, window: Box, prediction: Prediction) -> Mask:
        return _as_mask(np.asarray(self.array[window]))

    def describe(self) -> str:
        return "drawn"


@dataclass(frozen=True)
class _Pixel(Region):
    index: tuple[int, ...]

    def extent(self, shape: tuple[int, ...]) -> Box:
        if len(self.index) != len(shape) or not all(
            0 <= i < n for i, n in zip(self.index, shape, strict=False)
        ):
            raise RegionError(
                f"The pixel {self.index} lies outside the image of shape {shape}; expected "
                f"{len(shape)} indices from 0."
            )
        return tuple(slice(i, i + 1) for i in self.index)

    def part(self, window: Box, prediction: Prediction) -> Mask:
        mask = np.zeros([w.stop - w.start for w in window], bool)
        at = tuple(i - w.start for i, w in zip(self.index, window, strict=True))
        if all(0 <= i < n for i, n in zip(at, mask.shape, strict=True)):
            mask[at] = True
        return mask

    def describe(self) -> str:
        return f"pixel {self.index}"


@dataclass(frozen=True, eq=False)
class _Label(Region):
    labels: Any
    value: int
    box: Box | None = None

    def extent(self, shape: tuple[int, ...]) -> Box:
        if tuple(self.labels.shape) != shape:
            raise RegionError(
                f"The labels have the shape {self.labels.shape} and the image {shape}; expected "
                "one label for each pixel of the image."
            )
        return super().extent(shape) if self.box is None else self.box

    def part(self, window: Box, prediction: Prediction) -> Mask:
        return np.asarray(np.asarray(self.labels[window]) == self.value)

    def describe(self) -> str:
        return f"label {self.value}"


@dataclass(frozen=True)
class _Everywhere(Region):
    def part(self, window: Box, prediction: Prediction) -> Mask:
        return np.ones([w.stop - w.start for w in window], bool)

    def describe(self) -> str:
        return "the whole image"


@dataclass(frozen=True)
class _Predicted(Region):
    target: int

    @property
    def depends_on_prediction(self) -> bool:
        return True

    def part(self, window: Box, prediction: Prediction) -> Mask:
        return np.asarray(prediction(window) == self.target)

    def describe(self) -> str:
        return f"predicted as class {self.target}"


@dataclass(frozen=True, eq=False)
class _Combination(Region):
    first: Region
    second: Region
    operator: str

    @property
    def depends_on_prediction(self) -> bool:
        return self.first.depends_on_prediction or self.second.depends_on_prediction

    def extent(self, shape: tuple[int, ...]) -> Box:
        first, second = self.first.extent(shape), self.second.extent(shape)
        if self.operator == "|":
            return tuple(
                slice(min(a.start, b.start), max(a.stop, b.stop))
                for a, b in zip(first, second, strict=True)
            )
        return first

    def part(self, window: Box, prediction: Prediction) -> Mask:
        first, second = (r.part(window, prediction) for r in (self.first, self.second))
        if self.operator == "|":
            return first | second
        return first & second if self.operator == "&" else first & ~second

    def describe(self) -> str:
        words = {"|": "or", "&": "and", "-": "without"}
        return f"({self.first.describe()} {words[self.operator]} {self.second.describe()})"


def pixel(*index: int) -> Region:
    """Region of one pixel, given by its index per spatial axis, as in ``pixel(y, x)``."""
    return _Pixel(tuple(int(i) for i in index))


def label(labels: ArrayLike, value: int) -> Region:
    """Region of all pixels with one value.

    Parameters
    ----------
    labels
        Integers on the image grid. An array that lies on disk (memmap, dask, zarr) is read where
        it is needed.
    value
        The label asked about.

    Raises
    ------
    RegionError
        If the labels are not whole numbers.
    """
    array = _as_sliceable(labels)
    if array.dtype.kind not in "biu":
        raise RegionError(f"The labels are of type {array.dtype}; expected whole numbers.")
    return _Label(array, int(value))


def each_label(labels: ArrayLike) -> dict[int, Region]:
    """Region of every label value but 0, in order of the values.

    Raises
    ------
    RegionError
        If the labels are not whole numbers.
    """
    from scipy.ndimage import find_objects  # not needed to open a network, and slow to import

    array = np.asarray(labels)
    if array.dtype.kind not in "biu":
        raise RegionError(f"The labels are of type {array.dtype}; expected whole numbers.")
    values, numbers = np.unique(array, return_inverse=True)
    # One look at the image finds the boxes around all labels.
    boxes = find_objects(numbers.reshape(array.shape) + 1, len(values))
    return {
        int(value): _Label(array, int(value), box)
        for value, box in zip(values, boxes, strict=True)
        if value != 0
    }


def everywhere() -> Region:
    """Region of all pixels of the image."""
    return _Everywhere()


def predicted(target: int) -> Region:
    """Region of the pixels where class ``target`` has the largest logit.

    Raises
    ------
    TargetError
        If the target is not the index of a class.
    """
    if isinstance(target, bool) or not isinstance(target, int | np.integer) or target < 0:
        raise TargetError(f"predicted({target!r}): expected the index of a class, from 0.")
    return _Predicted(int(target))


def as_region(region: Region | ArrayLike) -> Region:
    """Region from a region or a boolean array on the image grid.

    An array that lies on disk (memmap, dask, zarr) is read where it is needed.

    Raises
    ------
    RegionError
        If the array is neither boolean nor made of zeros and ones.
    """
    if isinstance(region, Region):
        return region
    array = _as_sliceable(region)
    if array.dtype.kind not in "biuf":
        raise RegionError(f"The region is an array of {array.dtype}; expected a boolean array.")
    return _ArrayRegion(_as_mask(array) if type(array) is np.ndarray else array)


def _as_sliceable(values: Any) -> Any:
    """An array that is read by slices: as it is where it lies on disk, else in memory."""
    on_disk = isinstance(getattr(values, "dtype", None), np.dtype) and hasattr(values, "shape")
    return values if on_disk and hasattr(values, "__getitem__") else np.asarray(values)


def _as_mask(array: NDArray[Any]) -> Mask:
    """Boolean array from one of zeros and ones."""
    if array.dtype == bool:
        return np.asarray(array)
    if not np.isin(array, (0, 1)).all():
        raise RegionError(
            f"The region is an array of {array.dtype} with values other than 0 and 1; expected "
            "a boolean array. For one value of a label image use label(labels, value)."
        )
    return array.astype(bool)
