"""Where a napari layer lies: its seven transform fields and its grid."""

from typing import Any

import numpy as np
from napari.layers import Layer
from numpy.typing import ArrayLike

from ..geometry.grid import Grid

TRANSFORM_FIELDS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""All that says where a layer lies; copy all seven or the layer lies elsewhere."""


def transform_of(layer: Layer) -> dict[str, Any]:
    """Return a copy of the seven transform fields, ready to make another layer with."""
    ...


def layer_grid(layer: Layer) -> Grid:
    """Return the grid of a layer's data over all its axes (colour channels left out).

    For layers without pixels (Shapes, Points) the shape is all zeros.
    """
    ...


def placed_transform(
    transform: dict[str, Any], scale: ArrayLike, translate: ArrayLike
) -> dict[str, Any]:
    """Return seven transform fields for an array that lies on another layer's pixels.

    Parameters
    ----------
    transform : dict
        The other layer's fields, from `transform_of`.
    scale, translate : (n,) array-like
        The array's pixel ``p`` has its centre at ``scale * p + translate`` of
        the other layer's data coordinates.
    """
    ...
