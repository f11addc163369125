"""Shapes and points as masks on a grid of pixels.

One rule for all: a pixel belongs to a filled shape if its centre lies inside
or on the boundary. On the boundary means within 1e-3 pixels of it, so that
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

from .grid import Grid, nearest_pixels, pixels_between
from .planar import ON_BOUNDARY, Mask, ellipse_mask, path_mask, polygon_mask

Kind = Literal["polygon", "rectangle", "ellipse", "path", "line"]


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

        The edge width is scaled by the square root of the factor by which areas
        in the shape's plane grow, so that it does not depend on the direction.

        Parameters
        ----------
        source : Grid
            The grid whose pixel coordinates the vertices are; not more axes than
            `target`.
        target : Grid
            The grid that the result is for. Axes that only it has are left out
            of the result.
        """
        move = pixels_between(source, target)
        vertices = np.asarray(self.vertices, dtype=np.float64)
        step = move.matrix[:, _flattest_axes(vertices - vertices.mean(axis=0))]
        growth = float(np.linalg.det(step.T @ step)) ** 0.25
        there = move(vertices)[:, target.ndim - source.ndim :]
        return Shape(self.kind, there, self.edge_width * growth)


def rasterise(shapes: Iterable[Shape], extent: Sequence[int]) -> Mask:
    """Mask of all pixels that belong to at least one shape.

    Parameters
    ----------
    shapes : iterable of Shape
        In pixel coordinates of the mask. In more than two dimensions each
        shape must lie in a plane and marks the pixels that the plane passes
        through; with fewer coordinates than the mask has axes it reaches
        through all of the leading ones.
    extent : sequence of int
        Number of pixels per axis, at least two axes.

    Returns
    -------
    bool array of shape ``extent``
    """
    mask = np.zeros(tuple(extent), dtype=bool)
    for shape in shapes:
        vertices = np.asarray(shape.vertices, dtype=np.float64)
        if len(vertices) == 0:
            continue
        mask |= _in_its_plane(shape, vertices, mask.shape[-vertices.shape[1] :])
    return mask


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
    return _mark(nearest_pixels(points), tuple(extent))


def _mark(pixels: NDArray[np.intp], extent: tuple[int, ...]) -> Mask:
    """Mask of pixels that are given by their indices."""
    mask = np.zeros(extent, dtype=bool)
    indices = pixels.reshape(-1, len(extent))
    inside = ((indices >= 0) & (indices < mask.shape)).all(axis=1)
    mask[tuple(indices[inside].T)] = True
    return mask


def _fill(shape: Shape, vertices: NDArray[np.float64], extent: tuple[int, ...]) -> Mask:
    """Mask of a shape in two dimensions."""
    if shape.kind in ("path", "line"):
        return path_mask(vertices, max(shape.edge_width, 1.0), extent)
    if shape.kind == "ellipse":
        return ellipse_mask(vertices, extent)
    return polygon_mask(vertices, extent)


def _in_its_plane(shape: Shape, vertices: NDArray[np.float64], extent: tuple[int, ...]) -> Mask:
    """Mask of a planar shape in any number of dimensions.

    The shape is filled in the two axes along which its plane is least tilted;
    the other coordinates of each pixel follow from the plane.
    """
    ndim = len(extent)
    if ndim == 2:
        return _fill(shape, vertices, extent)
    centre = vertices.mean(axis=0)
    first, second = _flattest_axes(vertices - centre)
    others = [axis for axis in range(ndim) if axis not in (first, second)]
    flat = _fill(shape, vertices[:, [first, second]], (extent[first], extent[second]))
    rows, columns = np.nonzero(flat)
    along = np.stack([rows - centre[first], columns - centre[second]], axis=1)
    slopes = np.linalg.lstsq(
        vertices[:, [first, second]] - centre[[first, second]],
        vertices[:, others] - centre[others],
        rcond=None,
    )[0]
    points = np.empty((len(rows), ndim))
    points[:, first], points[:, second] = rows, columns
    points[:, others] = centre[others] + along @ slopes
    return _mark(nearest_pixels(points, ON_BOUNDARY), extent)


def _flattest_axes(vertices: NDArray[np.float64]) -> tuple[int, int]:
    """Pair of axes onto which the plane of centred vertices projects the largest area.

    The last pair wins where several are equal: shapes are drawn there.
    """
    ndim = vertices.shape[1]
    sizes, directions = np.linalg.svd(vertices, full_matrices=False)[1:]
    directions = directions[sizes > ON_BOUNDARY][:2]
    if len(directions) == 0:
        return ndim - 2, ndim - 1
    if len(directions) == 1:
        steepness = np.abs(directions[0]).round(3)
        along = max(range(ndim), key=lambda axis: (steepness[axis], axis))
        beside = ndim - 2 if along == ndim - 1 else ndim - 1
        return min(along, beside), max(along, beside)
    pairs = [(i, j) for i in range(ndim) for j in range(i + 1, ndim)]
    areas = [round(abs(float(np.linalg.det(directions[:, pair]))), 3) for pair in pairs]
    return pairs[max(range(len(pairs)), key=lambda k: (areas[k], k))]
