"""How good a network is on a source: intersection over union per class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import Cancelled
from ..networks.network import Network
from .sources import IGNORE, Cancel, TrainingSource


@dataclass(frozen=True)
class Score:
    """Intersection over union of a network with the truth.

    Parameters
    ----------
    per_class
        One number per class, NaN for a class that neither truth nor prediction holds.
    """

    per_class: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the classes that there are."""
        return float(np.nanmean(self.per_class))


def validate(
    network: Network, source: TrainingSource, limit: int, cancel: Cancel | None = None
) -> Score:
    """Intersection over union over all pixels of the source's images together.

    Parameters
    ----------
    network
        Predicts each image as it does for a user.
    source
        Images and labels; pixels labelled `IGNORE` don't count.
    limit
        At most so many images, evenly spread over the source.

    Raises
    ------
    Cancelled
        If ``cancel`` returned True between two images.
    """
    classes = len(source.classes)
    counts = np.zeros((classes, classes), np.int64)
    chosen = np.unique(np.linspace(0, len(source) - 1, limit).round().astype(int))
    for index in chosen:
        if cancel is not None and cancel():
            raise Cancelled("The validation was stopped.")
        image, labels = source[int(index)]
        predicted = network.predict(image, network.axes).argmax(0)
        counts += _confusion(labels, predicted, classes)
    both = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - both
    iou = np.where(union > 0, both / np.maximum(union, 1), np.nan)
    return Score(tuple(float(value) for value in iou))


def _confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """Number of pixels by true (row) and predicted (column) class."""
    valid = labels != IGNORE
    pairs = labels[valid] * classes + predicted[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
