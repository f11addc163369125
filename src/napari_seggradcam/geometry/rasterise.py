"""Shapes and points as masks on a grid of pixels.

One rule for all: a pixel belongs to a filled shape if its centre lies inside
or on the boundary. Coordinates are rounded to 1e-6 pixels first, so that
rounding on the way through transforms can't move a pixel that lies exactly on
a boundary in or out. Where a polygon crosses itself, the even-odd rule says
what is inside. A path or line is the band of pixels whose centres are no
further from it than half its width, which is at least one pixel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grid import Grid

Mask = NDArray[np.bool_]
Kind = Literal["polygon", "rectangle", "ellipse", "path", "line"]

DECIMALS = 6
"""Vertices are rounded to this many decimals of a pixel."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One drawn shape in pixel coordinates of some grid.

    Parameters
    ----------
    kind : {"polygon", "rectangle", "ellipse", "path", "line"}
        As in napari's Shapes layer. Rectangles are given by their corners,
        ellipses by the corners of the box around them.
    vertices : (m, n) array
        Pixel coordinates (0 is the centre of the first pixel).
    edge_width : float, optional
        Width of a path or line in pixels.
    """

    kind: Kind
    vertices: NDArray[np.float64]
    edge_width: float = 1.0

    def on(self, source: Grid, target: Grid) -> "Shape":
        """Return the same shape in pixel coordinates of another grid.

        The edge width is scaled by the square root of the factor by which the
        shape's plane grows, so that it does not depend on the direction.
        """
        ...


def rasterise(shapes: Iterable[Shape], extent: Sequence[int]) -> Mask:
    """Mask of all pixels that belong to at least one shape.

    Parameters
    ----------
    shapes : iterable of Shape
        In pixel coordinates of the mask. In more than two dimensions each
        shape must lie in a plane; it marks the pixels that the plane passes
        through.
    extent : sequence of int
        Number of pixels per axis, at least two axes.

    Returns
    -------
    bool array of shape ``extent``
    """
    ...


def mark_points(points: ArrayLike, extent: Sequence[int]) -> Mask:
    """Mask of the pixels that contain a point; points outside mark nothing.

    Parameters
    ----------
    points : (m, n) array-like
        Pixel coordinates. A point halfway between two pixels belongs to the
        one with the higher index.
    extent : sequence of int
        Number of pixels per axis.
    """
    ...
