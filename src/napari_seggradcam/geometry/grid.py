"""A grid of pixels and where it lies in the world."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .units import PIXEL, unit_ratio

Floats = NDArray[np.float64]

SAME_PLACE = 1e-6
"""Points closer than this (in pixels) are one point: what rounding does is smaller."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixels and an affine transform of their centres to world coordinates.

    Pixel ``(0, …, 0)`` has its centre at pixel coordinate 0 and reaches from
    -0.5 to 0.5. Grids with different numbers of axes are compared from the
    last axis backwards, as napari does.

    Parameters
    ----------
    shape : tuple of int
        Number of pixels per axis.
    affine : (n + 1, n + 1) array-like, optional
        Homogeneous matrix from pixel coordinates to world coordinates.
    units : tuple of str, optional
        Unit of the world coordinates per axis, by names that pint knows.
    axis_labels : tuple of str, optional
        One name per axis; by default "-2", "-1" and so on.
    """

    shape: tuple[int, ...]
    affine: Floats = field(default_factory=lambda: np.empty((0, 0)))
    units: tuple[str, ...] = ()
    axis_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.shape)
        affine = np.array(self.affine, dtype=np.float64)
        if affine.size == 0:
            affine = np.eye(n + 1)
        if affine.shape != (n + 1, n + 1):
            raise ValueError(f"a grid of {n} axes takes a {n + 1}x{n + 1} matrix")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", tuple(int(s) for s in self.shape))
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "units", tuple(map(str, self.units)) or (PIXEL,) * n)
        labels = tuple(self.axis_labels) or tuple(str(k) for k in range(-n, 0))
        object.__setattr__(self, "axis_labels", labels)
        if len(self.units) != n or len(self.axis_labels) != n:
            raise ValueError(f"a grid of {n} axes takes {n} units and {n} axis labels")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def linear(self) -> Floats:
        """Linear part of the transform, ``(n, n)``; column k is a step along axis k."""
        return self.affine[:-1, :-1]

    @property
    def offset(self) -> Floats:
        """World coordinate of the centre of pixel 0, ``(n,)``."""
        return self.affine[:-1, -1]

    def to_world(self, points: ArrayLike) -> Floats:
        """World coordinates of pixel coordinates, both ``(..., n)``."""
        return np.asarray(points, dtype=np.float64) @ self.linear.T + self.offset

    def to_pixels(self, points: ArrayLike) -> Floats:
        """Pixel coordinates of world coordinates, both ``(..., n)``."""
        inverse = np.linalg.inv(self.linear)
        return (np.asarray(points, dtype=np.float64) - self.offset) @ inverse.T

    def placed(self, shape: Sequence[int], scale: ArrayLike, translate: ArrayLike) -> "Grid":
        """Grid whose pixel ``p`` has its centre at ``scale * p + translate`` of this one.

        Parameters
        ----------
        shape : sequence of int
            Number of pixels of the new grid per axis.
        scale, translate : (n,) array-like
            Placement in pixels of this grid.
        """
        step = np.eye(self.ndim + 1)
        step[:-1, :-1] = np.diag(np.asarray(scale, dtype=np.float64))
        step[:-1, -1] = translate
        return Grid(tuple(shape), self.affine @ step, self.units, self.axis_labels)

    def matches(self, other: "Grid") -> bool:
        """Whether both have one shape and all corners within `SAME_PLACE`."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, max(s - 1, 1)) for s in self.shape]))
        corners = corners.reshape(self.ndim, -1).T
        return bool(np.abs(pixels_between(self, other)(corners) - corners).max() < SAME_PLACE)


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Affine map of the pixel coordinates of one grid to those of another.

    Parameters
    ----------
    matrix : (m, n) array
        Linear part, for ``n`` coordinates in and ``m`` coordinates out.
    offset : (m,) array
        What is added.
    """

    matrix: Floats
    offset: Floats

    def __call__(self, points: ArrayLike) -> Floats:
        """Coordinates ``(..., m)`` in the second grid of ``(..., n)`` in the first."""
        return np.asarray(points, dtype=np.float64) @ self.matrix.T + self.offset


def pixels_between(source: Grid, target: Grid) -> PixelMap:
    """Map of pixel coordinates through both grids' transforms and units.

    The world axes are matched from the last one backwards. Axes that only the
    source has are dropped; on axes that only the target has, the world coordinate
    of the target's pixel 0 is taken.

    Parameters
    ----------
    source, target : Grid
        Grids with any number of axes each.
    """
    shared = min(source.ndim, target.ndim)
    ratio = unit_ratio(source.units[-shared:], target.units[-shared:])
    carry = np.zeros((target.ndim, source.ndim))
    carry[-shared:, -shared:] = np.diag(ratio)
    inverse = np.linalg.inv(target.linear)
    move = carry @ source.offset
    move[-shared:] -= target.offset[-shared:]
    return PixelMap(inverse @ carry @ source.linear, inverse @ move)


def nearest_pixels(points: ArrayLike, slack: float = SAME_PLACE) -> NDArray[np.intp]:
    """Index of the pixel that contains each point.

    Parameters
    ----------
    points : array-like
        Pixel coordinates.
    slack : float, optional
        A point halfway between two pixels belongs to the one with the higher
        index; this far (in pixels) before halfway counts as halfway.
    """
    nearest: NDArray[np.intp] = np.floor(np.asarray(points) + 0.5 + slack).astype(np.intp)
    return nearest
