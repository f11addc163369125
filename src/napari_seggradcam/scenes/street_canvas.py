"""The picture while it is drawn: colours, classes, instances and depth, far things first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_seggradcam.scenes.street_camera import Window

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

CLASSES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
# The colours that Cityscapes gives to the first class of each group.
COLOURS = ("#804080", "#464646", "#dcdc00", "#6b8e23", "#4682b4", "#dc143c", "#00008e")
FLAT, CONSTRUCTION, OBJECT, NATURE, SKY, HUMAN, VEHICLE = range(len(CLASSES))
# Depth of what is infinitely far, metres.
FAR = 400.0


class Canvas:
    """Arrays that are painted over, from far to near.

    Attributes
    ----------
    rgb : ndarray of float32, shape (Y, X, 3)
        Colour, about 0 to 1, before light and camera.
    labels : ndarray of uint8, shape (Y, X)
        Class index.
    instances : ndarray of int32, shape (Y, X)
        Numbers of humans, vehicles and objects; 0 elsewhere.
    depth : ndarray of float32, shape (Y, X)
        Distance in metres, for haze.
    glow : ndarray of float32, shape (Y, X)
        How far a pixel gives light itself, 0 to 1: lamps and lit windows.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.rgb: Floats = np.zeros((*size, 3), np.float32)
        self.labels = np.full(size, SKY, np.uint8)
        self.instances = np.zeros(size, np.int32)
        self.depth: Floats = np.full(size, FAR, np.float32)
        self.glow: Floats = np.zeros(size, np.float32)
        self._count = 0

    def new_instance(self) -> int:
        """Return the number of the next instance."""
        self._count += 1
        return self._count

    def paint(
        self,
        window: Window,
        mask: Bools,
        colour: Floats,
        label: int,
        depth: float | Floats,
        instance: int = 0,
        glow: float = 0.0,
    ) -> None:
        """Paint the pixels of `mask`.

        Parameters
        ----------
        window : tuple of slice
            Part of the picture; the arrays below have its shape.
        mask : ndarray of bool, shape (rows, columns)
            Which pixels.
        colour : ndarray of float32, shape (3,) or (rows, columns, 3)
            What colour.
        label, instance : int
            Class index, and number of the instance or 0.
        depth : float or ndarray
            Distance in metres, broadcast to the window.
        glow : float
            How far the pixels give light themselves, 0 to 1.
        """
        self.rgb[window][mask] = colour[mask] if colour.ndim == 3 else colour
        self.labels[window][mask] = label
        self.instances[window][mask] = instance
        if isinstance(depth, np.ndarray):
            self.depth[window][mask] = np.broadcast_to(depth, mask.shape)[mask]
        else:
            self.depth[window][mask] = depth
        self.glow[window][mask] = glow

    def shade(self, window: Window, factor: Floats) -> None:
        """Multiply the colours of a window, for shadows; `factor` broadcasts to (rows, columns)."""
        self.rgb[window] *= factor[..., None]
