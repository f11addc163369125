"""On what a heatmap lies: its heat, shared out over the true classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ShapeError


def heat_by_class(
    heatmap: ArrayLike, labels: ArrayLike, classes: Sequence[str]
) -> dict[str, float]:
    """Share of a heatmap's heat that falls on the pixels of each class.

    Parameters
    ----------
    heatmap
        Heat at every pixel of the image, such as `Heatmap.resized` gives; negative values hold
        no heat.
    labels
        True class index of every pixel. Pixels with another value, such as 255 for "not
        annotated", belong to no class.
    classes
        Name of every class, in the order of the indices.

    Returns
    -------
    dict of str to float
        By class, in the order of `classes`. The shares add up to 1 where every pixel has a class;
        they are all 0 where the heatmap is empty.

    Raises
    ------
    ShapeError
        If heatmap and labels are not of one shape.
    """
    heat, truth = np.maximum(np.asarray(heatmap, np.float64), 0), np.asarray(labels)
    if heat.shape != truth.shape:
        raise ShapeError(
            f"The heatmap has the shape {heat.shape} and the labels {truth.shape}; expected both "
            "on the image grid. Bring the heatmap there with Heatmap.resized()."
        )
    total = float(heat.sum())
    if total == 0:
        return dict.fromkeys(classes, 0.0)
    return {name: float(heat[truth == index].sum()) / total for index, name in enumerate(classes)}


def area_by_class(labels: ArrayLike, classes: Sequence[str]) -> dict[str, float]:
    """Share of the image that each class covers: what heat spread evenly would give.

    Parameters
    ----------
    labels, classes
        As for `heat_by_class`.
    """
    truth = np.asarray(labels)
    return heat_by_class(np.ones(truth.shape), truth, classes)
