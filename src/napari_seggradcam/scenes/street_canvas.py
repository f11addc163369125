"""The picture while it is drawn: colours, classes, instances and depth, far things first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Floats, Window

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
        brightness: float | Floats,
        label: int,
        depth: float | Floats,
        instance: int = 0,
        glow: float = 0.0,
    ) -> None:
        """Paint the pixels of `mask`.

        Parameters
        ----------
        window : tuple of slice
            Part of the picture.
        mask : ndarray of bool, shape (rows, columns)
            Which of the window's n pixels are painted.
        colour : ndarray, shape (3,) or (n, 3)
            One colour, or one for each painted pixel.
        brightness : float or ndarray
            What the colour is multiplied by: one number, an array that broadcasts to the
            window, or one number for each painted pixel, shape (n,).
        label, instance : int
            Class index, and number of the instance or 0.
        depth : float or ndarray
            Distance in metres; as `brightness`.
        glow : float
            How far the pixels give light themselves, 0 to 1.
        """
        inside = np.flatnonzero(mask)
        if inside.size == 0:
            return
        value = _at(inside, mask.shape, brightness)
        if isinstance(value, np.ndarray):
            value = value[:, None]
        # Indices into the flat picture: much faster than one index per axis.
        columns, width = mask.shape[1], self.labels.shape[1]
        first = window[0].start * width + window[1].start
        place = inside + (inside // columns) * (width - columns) + first
        self.rgb.reshape(-1, 3)[place] = colour * value
        self.labels.ravel()[place] = label
        self.instances.ravel()[place] = instance
        self.depth.ravel()[place] = _at(inside, mask.shape, depth)
        self.glow.ravel()[place] = glow

    def shade(self, window: Window, factor: Floats) -> None:
        """Multiply the colours of a window, for shadows; `factor` has its shape."""
        self.rgb[window] *= factor[..., None]


def _at(
    inside: npt.NDArray[np.intp], shape: tuple[int, ...], values: float | Floats
) -> float | Floats:
    """Return values that broadcast to a window at its painted pixels; others as they are."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return np.broadcast_to(values, shape).ravel()[inside]
    return values
