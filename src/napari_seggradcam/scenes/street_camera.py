"""The pinhole camera of the street scenes: which pixels show which plane, and where on it.

The world is in metres: X to the right, Y up from the ground, Z ahead; the camera stands
at (0, height, 0) and looks along Z. Three kinds of plane are enough for a street: frontal
ones (one Z), side ones along the street (one X) and level ones (one Y). On each, the metric
coordinates of all pixels are closed forms, so that a texture given in metres appears in
perspective without any resampling.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .arrays import Floats, Window

# Nothing is drawn nearer than this: closer things would fill the picture.
NEAR = 1.2


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes
    ----------
    size : tuple of int
        Rows and columns of the picture.
    focal : float
        Focal length, pixels.
    horizon, centre : float
        Row and column of the vanishing point.
    height : float
        Height above the ground, metres.
    """

    size: tuple[int, int]
    focal: float
    horizon: float
    centre: float
    height: float

    @property
    def everything(self) -> Window:
        """The window of the whole picture."""
        return slice(0, self.size[0]), slice(0, self.size[1])

    @property
    def below_horizon(self) -> Window:
        """The window of all pixels that look at the ground."""
        top = min(self.size[0] - 1, max(0, int(np.floor(self.horizon)) + 1))
        return slice(top, self.size[0]), slice(0, self.size[1])

    def scale(self, distance: float) -> float:
        """Return the pixels per metre at a distance."""
        return self.focal / distance

    def window(self, corners: Iterable[tuple[float, float, float]]) -> Window | None:
        """Return the picture's part around points (X, Y, Z), or None if it is outside."""
        rows, columns = [], []
        for x, y, z in corners:
            scale = self.focal / max(z, NEAR)
            rows.append(self.horizon + (self.height - y) * scale)
            columns.append(self.centre + x * scale)
        top, bottom = max(0, int(min(rows)) - 1), min(self.size[0], int(max(rows)) + 2)
        left, right = max(0, int(min(columns)) - 1), min(self.size[1], int(max(columns)) + 2)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def frontal(self, distance: float, window: Window) -> tuple[Floats, Floats]:
        """Return X of shape (1, columns) and Y of shape (rows, 1) on the plane Z = distance."""
        across, down = self._rays(window)
        return across * distance, self.height - down * distance

    def side(self, x: float, window: Window) -> tuple[Floats, Floats]:
        """Return Z of shape (1, columns) and Y of shape (rows, columns) on the plane X = x.

        Where a column does not meet the plane in front of the camera, Z is negative.
        """
        across, down = self._rays(window)
        depth = np.where(across * x > 1e-6, x / np.where(across == 0, 1e-9, across), -1.0)
        depth = depth.astype(np.float32)
        return depth, self.height - down * depth

    def level(self, y: float, window: Window) -> tuple[Floats, Floats]:
        """Return X of shape (rows, columns) and Z of shape (rows, 1) on the plane Y = y.

        Where a row does not meet the plane in front of the camera, Z is negative.
        """
        across, down = self._rays(window)
        rise = self.height - y
        depth = np.where(down * rise > 1e-6, rise / np.where(down == 0, 1e-9, down), -1.0)
        depth = depth.astype(np.float32)
        return across * depth, depth

    def _rays(self, window: Window) -> tuple[Floats, Floats]:
        rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None]
        columns = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :]
        return (
            ((columns - self.centre) / self.focal).astype(np.float32),
            ((rows - self.horizon) / self.focal).astype(np.float32),
        )
