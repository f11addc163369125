"""How good a segmentation is, and how good it would be without a network.

Measures: Dice, intersection over union of classes, objects found. Baselines, to judge
them by: the best global threshold, and a random forest that knows the colour and the place
of a pixel but nothing around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingPackage, ShapeError

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.integer[Any]]
Classifier = Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]

# Label of pixels that no measure looks at.
IGNORE = 255


def dice(prediction: Bools, truth: Bools) -> float:
    """Return the Dice coefficient 2 |P ∩ T| / (|P| + |T|) of two masks.

    Parameters
    ----------
    prediction, truth : ndarray of bool
        Masks of one shape.

    Returns
    -------
    float
        Between 0 and 1; 1 if both are empty.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    _check_shapes(prediction, truth)
    total = int(prediction.sum()) + int(truth.sum())
    return 2 * int((prediction & truth).sum()) / total if total else 1.0


def confusion(prediction: Labels, truth: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Count the pixels of every true class (rows) by predicted class (columns).

    Parameters
    ----------
    prediction, truth : ndarray of int
        Class indices of one shape; where `truth` is 255 nothing is counted.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (classes, classes)
        The counts of several images may be added.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    _check_shapes(prediction, truth)
    counted = truth != IGNORE
    pairs = truth[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def intersection_over_union(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return |P ∩ T| / |P ∪ T| of every class.

    Parameters
    ----------
    counts : ndarray of int64, shape (classes, classes)
        From `confusion`.

    Returns
    -------
    ndarray of float64, shape (classes,)
        NaN for a class that is neither in the truth nor in the prediction.
    """
    both = np.diag(counts).astype(np.float64)
    either = counts.sum(0) + counts.sum(1) - both
    values = np.full(len(both), np.nan)
    np.divide(both, either, out=values, where=either > 0)
    return values


def mean_iou(counts: npt.NDArray[np.int64]) -> float:
    """Return the mean intersection over union of the classes that occur; NaN if none does."""
    values = intersection_over_union(counts)
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


@dataclass(frozen=True)
class ObjectScore:
    """How many objects were found.

    Attributes
    ----------
    found, invented, missed : int
        Predicted objects that match a true one, that match none, and true ones that none
        matches.
    """

    found: int
    invented: int
    missed: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if there was nothing to find or invent."""
        total = 2 * self.found + self.invented + self.missed
        return 2 * self.found / total if total else 1.0


def object_score(prediction: Bools, instances: Labels) -> ObjectScore:
    """Match the connected components of a mask with true objects at an overlap above 0.5.

    Two objects match if their intersection over union is above 0.5. Then no other pair with
    one of them can be, so that the matching is unique and needs no search.

    Parameters
    ----------
    prediction : ndarray of bool
        Predicted mask; pixels that touch by an edge belong to one object.
    instances : ndarray of int
        True objects by number, 0 for none; same shape.

    Returns
    -------
    ObjectScore
        Objects that touch in the prediction count as one.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    from scipy import ndimage

    _check_shapes(prediction, instances)
    components, predicted = ndimage.label(prediction)
    values, numbers = np.unique(instances, return_inverse=True)
    if values[0] != 0:
        values, numbers = np.concatenate([[0], values]), numbers + 1
    overlap = np.zeros((predicted + 1, len(values)), np.int64)
    np.add.at(overlap, (components.ravel(), numbers.ravel()), 1)
    union = overlap.sum(1)[1:, None] + overlap.sum(0)[None, 1:] - overlap[1:, 1:]
    found = int((overlap[1:, 1:] * 2 > union).sum())
    return ObjectScore(found, predicted - found, len(values) - 1 - found)


@dataclass(frozen=True)
class Threshold:
    """A grey value and how well the pixels from it upwards agree with the truth."""

    value: float
    dice: float


def best_threshold(image: npt.NDArray[Any], truth: Bools) -> Threshold:
    """Return the global threshold with the highest Dice, chosen with the truth in hand.

    No threshold can do better on this image: what a network adds lies above it.

    Parameters
    ----------
    image : ndarray
        Grey values.
    truth : ndarray of bool
        What should be bright; same shape.

    Returns
    -------
    Threshold
        Pixels at its value or brighter are foreground.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    _check_shapes(image, truth)
    values, place = np.unique(image, return_inverse=True)
    inside = np.bincount(place.ravel(), weights=truth.ravel(), minlength=len(values))
    pixels = np.bincount(place.ravel(), minlength=len(values))
    # How many pixels, and how many true ones, are at each value or brighter.
    true_above = inside[::-1].cumsum()[::-1]
    all_above = pixels[::-1].cumsum()[::-1]
    scores = 2 * true_above / (all_above + max(1, int(truth.sum())))
    best = int(scores.argmax())
    return Threshold(float(values[best]), float(scores[best]))


def fit_colour_forest(
    images: Sequence[npt.NDArray[Any]],
    labels: Sequence[Labels],
    *,
    pixels: int = 3000,
    trees: int = 50,
    seed: int = 0,
) -> Classifier:
    """Fit a random forest on colour and position of single pixels.

    It shows how far one gets without looking at texture, shape or surroundings.

    Parameters
    ----------
    images : sequence of ndarray, each (Y, X, C)
        Training images of one size.
    labels : sequence of ndarray of int, each (Y, X)
        Their class indices.
    pixels : int
        How many pixels of every image are drawn at random.
    trees : int
        Size of the forest.
    seed : int
        Seed of the pixels and of the forest.

    Returns
    -------
    callable
        Takes an image (Y, X, C), returns class indices (Y, X) as uint8.

    Raises
    ------
    MissingPackage
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise MissingPackage(
            "The random forest that the streets network is compared with needs scikit-learn. "
            'Install it: pip install "napari-seggradcam[plots]"'
        ) from error

    # Leaves of several pixels: single ones would learn the noise and do worse on new images.
    forest = RandomForestClassifier(trees, min_samples_leaf=5, n_jobs=-1, random_state=seed)
    forest.fit(*_drawn_pixels(images, labels, pixels, seed))

    def classify(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        predicted = forest.predict(_colour_and_position(image))
        return np.asarray(predicted, np.uint8).reshape(image.shape[:2])

    return classify


def _drawn_pixels(
    images: Sequence[npt.NDArray[Any]], labels: Sequence[Labels], pixels: int, seed: int
) -> tuple[npt.NDArray[np.float32], Labels]:
    """Return features and classes of pixels drawn at random from every image."""
    rng = np.random.default_rng(seed)
    features, targets = [], []
    for image, truth in zip(images, labels, strict=True):
        drawn = rng.integers(0, truth.size, pixels)
        features.append(_colour_and_position(image)[drawn])
        targets.append(truth.ravel()[drawn])
    return np.concatenate(features), np.concatenate(targets)


def _colour_and_position(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the features of every pixel, (pixels, C + 2)."""
    place = np.moveaxis(np.indices(image.shape[:2]), 0, -1)
    return np.concatenate([image, place], axis=-1, dtype=np.float32).reshape(-1, image.shape[2] + 2)


def _check_shapes(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    if first.shape != second.shape:
        raise ShapeError(
            f"A prediction of shape {first.shape} can't be compared with a truth of shape "
            f"{second.shape}; bring both to one grid first."
        )
