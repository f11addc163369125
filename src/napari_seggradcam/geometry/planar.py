"""Filling polygons, ellipses and bands in two dimensions.

``skimage.draw`` has all of these, but decides about pixels on the boundary
differently from shape to shape; here the boundary always belongs to the shape.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .grid import nearest_pixels

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

ON_BOUNDARY = 1e-3
"""A pixel centre this close (in pixels) to an edge lies on it.

napari keeps the vertices of Shapes in single precision, which on its way
through transforms moves an edge by up to 1e-4 pixels in images of thousands of
pixels. The tolerance is far above that, and below the smallest distance that
an edge between whole pixels can have from a pixel centre beside it.
"""


def polygon_mask(vertices: Floats, extent: tuple[int, ...]) -> Mask:
    """Pixels whose centres lie inside a polygon (even-odd rule) or on its boundary.

    Parameters
    ----------
    vertices : (m, 2) array
        Corners in pixel coordinates; the last one joins the first.
    extent : (rows, columns)
        Shape of the mask.
    """
    start, end = vertices, np.roll(vertices, -1, axis=0)
    crossings = np.zeros((extent[0], extent[1] + 1), dtype=np.int64)
    rows, columns = _crossings(start, end, 0, extent[0])
    first = np.clip(np.ceil(columns), 0, extent[1]).astype(np.intp)
    # From the first pixel behind a crossing on, inside and outside are swapped.
    np.add.at(crossings, (rows, first), 1)
    mask: Mask = np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1
    _mark_edges(mask, start, end)
    return mask


def ellipse_mask(corners: Floats, extent: tuple[int, ...]) -> Mask:
    """Pixels whose centres lie inside an ellipse or on its boundary.

    Parameters
    ----------
    corners : (4, 2) array
        Corners, in order, of the parallelogram around the ellipse.
    extent : (rows, columns)
        Shape of the mask.
    """
    centre = corners.mean(axis=0)
    half = np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1) / 2
    thinnest = float(np.linalg.svd(half, compute_uv=False)[-1])
    if thinnest < ON_BOUNDARY:
        return polygon_mask(corners, extent)
    window, points = _points_around(corners, 1.0, extent)
    radius = np.linalg.norm((points - centre) @ np.linalg.inv(half).T, axis=-1)
    mask = np.zeros(extent, dtype=bool)
    mask[window] = radius <= 1 + ON_BOUNDARY / thinnest
    return mask


def path_mask(vertices: Floats, width: float, extent: tuple[int, ...]) -> Mask:
    """Pixels whose centres are within half a width of a path, and those that hold a vertex.

    Parameters
    ----------
    vertices : (m, 2) array
        Corners in pixel coordinates; the path is open.
    width : float
        Full width of the band in pixels.
    extent : (rows, columns)
        Shape of the mask.
    """
    mask = np.zeros(extent, dtype=bool)
    segments = [(vertices[0], vertices[0]), *pairwise(vertices)]
    for start, end in segments:
        ends = np.stack([start, end])
        window, points = _points_around(ends, width / 2 + 1, extent)
        step = end - start
        length = float(step @ step)
        along = (points - start) @ step / length if length else np.zeros(points.shape[:-1])
        nearest = start + np.clip(along, 0, 1)[..., None] * step
        distance = np.linalg.norm(points - nearest, axis=-1)
        mask[window] |= distance <= width / 2 + ON_BOUNDARY
    holds = nearest_pixels(vertices, ON_BOUNDARY)
    holds = holds[((holds >= 0) & (holds < extent)).all(axis=1)]
    mask[tuple(holds.T)] = True
    return mask


def _points_around(
    vertices: Floats, margin: float, extent: tuple[int, ...]
) -> tuple[tuple[slice, slice], Floats]:
    """Window of the mask around some vertices, and its pixel centres ``(r, c, 2)``."""
    low = np.clip(np.floor(vertices.min(axis=0) - margin), 0, extent).astype(int)
    high = np.clip(np.ceil(vertices.max(axis=0) + margin) + 1, low, extent).astype(int)
    rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    return window, np.stack([rows, columns], axis=-1).astype(np.float64)


def _crossings(
    start: Floats, end: Floats, axis: int, size: int, *, closed: bool = False
) -> tuple[NDArray[np.intp], Floats]:
    """Where edges meet the lines at whole coordinates 0 … size - 1 of one axis.

    Parameters
    ----------
    start, end : (m, 2) array
        The edges.
    axis : int
        0: lines are rows, 1: lines are columns.
    size : int
        Number of lines.
    closed : bool
        Whether an edge's upper end belongs to it. Half-open edges make every
        line cross a polygon an even number of times.

    Returns
    -------
    lines : (k,) int array
        Which line.
    others : (k,) array
        Coordinate on the other axis.
    """
    swap = start[:, axis] > end[:, axis]
    low = np.where(swap[:, None], end, start)
    high = np.where(swap[:, None], start, end)
    slack = ON_BOUNDARY if closed else 0.0
    first = np.clip(np.ceil(low[:, axis] - slack), 0, size).astype(np.intp)
    if closed:
        last = np.clip(np.floor(high[:, axis] + slack), -1, size - 1).astype(np.intp)
    else:
        last = np.clip(np.ceil(high[:, axis]) - 1, -1, size - 1).astype(np.intp)
    count = np.maximum(last - first + 1, 0)
    edge = np.repeat(np.arange(len(low)), count)
    before = np.repeat(np.cumsum(count) - count, count)
    lines = first[edge] + np.arange(count.sum()) - before
    rise = high[:, axis] - low[:, axis]
    slope = (high[:, 1 - axis] - low[:, 1 - axis]) / np.where(rise == 0, 1, rise)
    along = np.clip(lines - low[edge, axis], 0, rise[edge])
    return lines, low[edge, 1 - axis] + along * slope[edge]


def _mark_edges(mask: Mask, start: Floats, end: Floats) -> None:
    """Mark pixels whose centres lie on an edge."""
    for axis in (0, 1):
        lines, others = _crossings(start, end, axis, mask.shape[axis], closed=True)
        nearest = np.round(others)
        on = np.abs(others - nearest) <= ON_BOUNDARY
        on &= (nearest >= 0) & (nearest < mask.shape[1 - axis])
        index = (lines[on], nearest[on].astype(np.intp))
        mask[index if axis == 0 else index[::-1]] = True
