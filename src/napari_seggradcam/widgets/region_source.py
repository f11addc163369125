"""What a region is made of, said without Qt and without pixels.

A :class:`Source` names one thing in the viewer; a :class:`RegionChoice` is one
source, its border, or two and how they are put together. ``draw`` turns a choice into
an array and can run in a worker: it reads layers and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from napari.layers import Labels, Points, Shapes
from numpy.typing import NDArray

from ..errors import RegionError
from ..explain.regions.region import Region, whole
from ..explain.regions.weighted import border, contrast
from ..viewer.inputs import InputPlan
from ..viewer.regions import (
    labels_on_image,
    mask_from_labels,
    mask_from_points,
    mask_from_shapes,
)

Kind = Literal["image", "class", "pixel", "layer", "false positives", "false negatives"]
Operation = Literal["none", "union", "intersection", "difference", "contrast", "border"]
Mask = NDArray[np.bool_]
# What every pixel counts: booleans, or of regions with two sides 1 and -1.
Drawn = NDArray[np.bool_] | NDArray[np.float32]

_ERRORS = ("false positives", "false negatives")

_COMBINE: dict[str, Callable[[Mask, Mask], Mask]] = {
    "union": np.logical_or,
    "intersection": np.logical_and,
    "difference": lambda first, second: first & ~second,
}


@dataclass(frozen=True, eq=False)
class Source:
    """One thing that pixels can be taken from.

    Attributes
    ----------
    kind : {"image", "class", "pixel", "layer", "false positives", "false negatives"}
        The whole image, the pixels predicted as a class, one pixel, a Labels, Shapes or
        Points layer, or the pixels of a class that the prediction has too many or too few.
    layer : napari layer, optional
        For "layer"; for errors the Labels layer whose labels are the true classes.
    value : int, optional
        The label (None: all) or the class index.
    pixel : tuple of int, optional
        Index per spatial axis, for "pixel".
    """

    kind: Kind
    layer: Any = None
    value: int | None = None
    pixel: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class RegionChoice:
    """One source, its border, or two put together.

    Attributes
    ----------
    first : Source
        The source.
    operation : str
        What is done with it.
    second : Source, optional
        What it is put together with.
    width : int
        Of a border to either side, in pixels.
    """

    first: Source
    operation: Operation = "none"
    second: Source | None = None
    width: int = 1

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that are in use."""
        if self.operation in ("none", "border") or self.second is None:
            return (self.first,)
        return (self.first, self.second)

    @property
    def needs_prediction(self) -> bool:
        """Whether the network has to run before the region is known."""
        return any(source.kind in ("class", *_ERRORS) for source in self.sources)

    def draw(self, plan: InputPlan, dims: Any, prediction: NDArray[Any] | None) -> Drawn:
        """Return what every pixel counts, on the grid of the plan.

        Parameters
        ----------
        plan : InputPlan
            The image's grid.
        dims : napari.components.Dims
            Where the sliders stand; a copy, when this runs in a worker.
        prediction : ndarray of int, shape ``plan.shape``, optional
            Predicted classes, for a choice that needs them.

        Raises
        ------
        RegionError
            If the region holds no pixel of the image, or of two sides one.
        """
        masks = [_mask(source, plan, dims, prediction) for source in self.sources]
        if self.operation == "border":
            return _two_sides(border(masks[0], self.width), plan, "The border has pixels on one")
        if len(masks) == 1:
            return masks[0]
        if self.operation == "contrast":
            return _two_sides(
                contrast(*masks),
                plan,
                "Pixels of both sources count nothing, and all that is left belongs to one",
            )
        mask: Mask = _COMBINE[self.operation](*masks)
        if not mask.any():
            raise RegionError(
                f"The {self.operation} of the two sources holds no pixel of the image."
                " Choose sources that fit, or another combination."
            )
        return mask


def _mask(source: Source, plan: InputPlan, dims: Any, prediction: NDArray[Any] | None) -> Mask:
    if source.kind == "image":
        return np.ones(plan.shape, bool)
    if source.kind == "class":
        return _predicted(source, prediction)
    if source.kind == "pixel":
        return _single_pixel(source, plan)
    if source.kind in _ERRORS:
        return _wrong(source, plan, dims, prediction)
    if isinstance(source.layer, Labels):
        return mask_from_labels(source.layer, plan, dims, source.value)
    if isinstance(source.layer, Shapes):
        return mask_from_shapes(source.layer, plan, dims)
    if isinstance(source.layer, Points):
        return mask_from_points(source.layer, plan, dims)
    raise RegionError(
        "No region is chosen. Choose a Labels, Shapes or Points layer, or Ctrl-click the image."
    )


def _two_sides(region: Region, plan: InputPlan, otherwise: str) -> Drawn:
    """Weights of a region that needs pixels that count for the score and some against it."""
    shape = plan.shape
    weights = region.part(whole(shape), shape, lambda _window: np.zeros(0, int))
    if not ((weights > 0).any() and (weights < 0).any()):
        raise RegionError(f"{otherwise} side only. Choose another region.")
    return weights


def _wrong(source: Source, plan: InputPlan, dims: Any, prediction: NDArray[Any] | None) -> Mask:
    """Pixels of a class that the prediction has too many, or too few."""
    if not isinstance(source.layer, Labels):
        raise RegionError(
            "No ground truth is chosen. Choose a Labels layer whose labels are indices of classes."
        )
    if prediction is None:
        raise RegionError("Errors of the prediction are known when the network has run.")
    predicted = prediction == source.value
    true = labels_on_image(source.layer, plan, dims) == source.value
    mask: Mask = predicted & ~true if source.kind == _ERRORS[0] else true & ~predicted
    if not mask.any():
        raise RegionError(
            f"There are no {source.kind} of class {source.value}: the network predicts it on"
            f" {int(predicted.sum()):,} pixels, and in {source.layer.name!r} the label"
            f" {source.value} has {int(true.sum()):,}. Choose another class or layer."
        )
    return mask


def _predicted(source: Source, prediction: NDArray[Any] | None) -> Mask:
    if prediction is None:
        raise RegionError("The predicted class is known when the network has run.")
    mask: Mask = prediction == source.value
    if not mask.any():
        raise RegionError(
            f"The network predicts class {source.value} nowhere in this image."
            " Choose another class."
        )
    return mask


def _single_pixel(source: Source, plan: InputPlan) -> Mask:
    pixel = source.pixel
    if pixel is None:
        raise RegionError("No pixel is chosen. Ctrl-click the image to choose one.")
    fits = len(pixel) == len(plan.shape)
    if not fits or any(not 0 <= i < side for i, side in zip(pixel, plan.shape, strict=True)):
        raise RegionError(
            f"The pixel {pixel} is not on this image of shape {plan.shape}."
            " Ctrl-click the image to choose another."
        )
    mask = np.zeros(plan.shape, bool)
    mask[pixel] = True
    return mask
