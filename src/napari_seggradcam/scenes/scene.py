"""What a generator returns: an image together with the truth about every pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ShapeError


@dataclass(frozen=True)
class Scene:
    """A generated image and what is known about it.

    Attributes
    ----------
    image : ndarray
        Pixel values, spatial axes first; shape ``(Y, X)`` or ``(Y, X, C)``.
    labels : ndarray of uint8, shape (Y, X)
        Class index of every pixel.
    instances : ndarray of int32, shape (Y, X)
        Which single thing the pixel shows, counted from 1; 0 where there is none.
    axes : str
        Axes of `image`, "YX" or "YXC".
    classes : tuple of str
        Class names, in the order of the indices in `labels`.
    colours : tuple of str
        One "#rrggbb" per class.
    seed : int
        The seed that makes this scene again.
    info : dict
        What was drawn at random for the whole scene, for captions and tests.
    """

    image: npt.NDArray[Any]
    labels: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]
    axes: str
    classes: tuple[str, ...]
    colours: tuple[str, ...]
    seed: int
    info: dict[str, Any] = field(default_factory=dict)


def check_size(size: tuple[int, int], smallest: int) -> tuple[int, int]:
    """Return `size` as two ints.

    Raises
    ------
    ShapeError
        If `size` isn't two whole numbers of at least `smallest` pixels.
    """
    sides = tuple(int(side) for side in size)
    if len(sides) != 2 or min(sides) < smallest or sides != tuple(size):
        raise ShapeError(
            f"A scene of size {tuple(size)} was asked for; a size is (rows, columns) in whole "
            f"pixels, each at least {smallest}. Ask for a larger scene and crop it."
        )
    return sides[0], sides[1]


def renumbered(instances: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the instances counted from 1 without gaps: some may be hidden by others."""
    present = np.bincount(instances.ravel()) > 0
    present[0] = False
    numbers = np.where(present, np.cumsum(present), 0).astype(np.int32)
    counted: npt.NDArray[np.int32] = numbers[instances]
    return counted
