"""Regions that are sets of pixels: one pixel, a label, everything, what is predicted as a class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import RegionError, TargetError
from ..options import is_whole
from .region import Box, Prediction, Region, Shape, Weights, as_sliceable


@dataclass(frozen=True)
class _Pixel(Region):
    index: Shape

    def extent(self, shape: Shape) -> Box:
        if len(self.index) != len(shape) or not all(
            0 <= i < n for i, n in zip(self.index, shape, strict=False)
        ):
            raise RegionError(
                f"The pixel {self.index} lies outside the image of shape {shape}; expected "
                f"{len(shape)} indices from 0."
            )
        return tuple(slice(i, i + 1) for i in self.index)

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
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

    def extent(self, shape: Shape) -> Box:
        if tuple(self.labels.shape) != shape:
            raise RegionError(
                f"The labels have the shape {self.labels.shape} and the image {shape}; expected "
                "one label for each pixel of the image."
            )
        return super().extent(shape) if self.box is None else self.box

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        return np.asarray(np.asarray(self.labels[window]) == self.value)

    def describe(self) -> str:
        return f"label {self.value}"


@dataclass(frozen=True)
class _Everywhere(Region):
    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        return np.ones([w.stop - w.start for w in window], bool)

    def describe(self) -> str:
        return "the whole image"


@dataclass(frozen=True)
class _Predicted(Region):
    target: int

    @property
    def depends_on_prediction(self) -> bool:
        return True

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        return np.asarray(prediction(window) == self.target)

    def describe(self) -> str:
        return f"predicted as class {self.target}"


def pixel(*index: int) -> Region:
    """Region of one pixel, given by its index per spatial axis, as in ``pixel(y, x)``.

    Raises
    ------
    RegionError
        If the indices are not whole numbers.
    """
    if not index or not all(map(is_whole, index)):
        given = ", ".join(map(repr, index))
        raise RegionError(
            f"pixel({given}): expected a whole number for every spatial axis, as in pixel(y, x)."
        )
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
        If the labels, or the value, are not whole numbers.
    """
    array = as_sliceable(labels)
    if array.dtype.kind not in "biu":
        raise RegionError(f"The labels are of type {array.dtype}; expected whole numbers.")
    # A mask is a label image as well, whose values are truth values.
    if not isinstance(value, int | np.integer | np.bool_):
        raise RegionError(
            f"The label asked about is {value!r}; expected a whole number, one of the values of "
            "the labels."
        )
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
    if not is_whole(target) or target < 0:
        raise TargetError(f"predicted({target!r}): expected the index of a class, from 0.")
    return _Predicted(int(target))


def false_positives(truth: ArrayLike, target: int) -> Region:
    """Region of the pixels that are predicted as class ``target`` and are not.

    Parameters
    ----------
    truth
        Class of every pixel, on the image grid; as for `label`.
    target
        Index of the class.

    Raises
    ------
    RegionError
        If the truth is not of whole numbers.
    TargetError
        If the target is not the index of a class.
    """
    return predicted(target) - label(truth, target)


def false_negatives(truth: ArrayLike, target: int) -> Region:
    """Region of the pixels that are of class ``target`` and not predicted as it.

    Parameters
    ----------
    truth, target
        As for `false_positives`.

    Raises
    ------
    RegionError, TargetError
        As for `false_positives`.
    """
    as_predicted = predicted(target)  # first, because it knows what a class is
    return label(truth, target) - as_predicted
