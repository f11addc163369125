"""Regions M: the sets of image pixels that a question is about.

A region is described before it is known on which image it will lie; `Region.mask` says which
pixels those are. Regions combine with ``|`` (union), ``&`` (intersection) and ``-`` (difference).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegionError, TargetError

Mask = NDArray[np.bool_]
# The class that the network predicts at every pixel of the image, made when first asked for.
Prediction = Callable[[], NDArray[np.integer]]


class Region(ABC):
    """A set of pixels of an image."""

    @abstractmethod
    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        """Pixels of the region on an image.

        Parameters
        ----------
        shape
            Spatial shape of the image.
        prediction
            Called only by regions that depend on what the network predicts.

        Returns
        -------
        ndarray of bool, shape ``shape``

        Raises
        ------
        RegionError
            If the region does not fit the image.
        """

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
class _ArrayRegion(Region):
    array: Mask

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        if self.array.shape != shape:
            raise RegionError(
                f"The region has the shape {self.array.shape} and the image {shape}; expected one "
                "value for each pixel of the image."
            )
        return self.array

    def describe(self) -> str:
        return "drawn"


@dataclass(frozen=True)
class _Pixel(Region):
    index: tuple[int, ...]

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        if len(self.index) != len(shape) or not all(
            0 <= i < n for i, n in zip(self.index, shape, strict=False)
        ):
            raise RegionError(
                f"The pixel {self.index} lies outside the image of shape {shape}; expected "
                f"{len(shape)} indices from 0."
            )
        mask = np.zeros(shape, bool)
        mask[self.index] = True
        return mask

    def describe(self) -> str:
        return f"pixel {self.index}"


@dataclass(frozen=True, eq=False)
class _Label(Region):
    labels: NDArray[np.integer]
    value: int

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        if self.labels.shape != shape:
            raise RegionError(
                f"The labels have the shape {self.labels.shape} and the image {shape}; expected "
                "one label for each pixel of the image."
            )
        return np.asarray(self.labels == self.value)

    def describe(self) -> str:
        return f"label {self.value}"


@dataclass(frozen=True)
class _Everywhere(Region):
    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        return np.ones(shape, bool)

    def describe(self) -> str:
        return "the whole image"


@dataclass(frozen=True)
class _Predicted(Region):
    target: int

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        return np.asarray(prediction() == self.target)

    def describe(self) -> str:
        return f"predicted as class {self.target}"


@dataclass(frozen=True, eq=False)
class _Combination(Region):
    first: Region
    second: Region
    operator: str

    def mask(self, shape: tuple[int, ...], prediction: Prediction) -> Mask:
        first, second = (r.mask(shape, prediction) for r in (self.first, self.second))
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
        Integers on the image grid.
    value
        The label asked about.

    Raises
    ------
    RegionError
        If the labels are not whole numbers.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "biu":
        raise RegionError(f"The labels are of type {array.dtype}; expected whole numbers.")
    return _Label(array, int(value))


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

    Raises
    ------
    RegionError
        If the array is neither boolean nor made of zeros and ones.
    """
    if isinstance(region, Region):
        return region
    array = np.asarray(region)
    if array.dtype != bool:
        is_binary = array.dtype.kind in "iuf" and bool(np.isin(array, (0, 1)).all())
        if not is_binary:
            raise RegionError(
                f"The region is an array of {array.dtype} with values other than 0 and 1; expected "
                "a boolean array. For one value of a label image use label(labels, value)."
            )
        array = array.astype(bool)
    return _ArrayRegion(array)
