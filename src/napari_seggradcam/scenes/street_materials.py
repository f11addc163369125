"""Materials: the fine texture by which brick, cloth, lacquer and sheet metal can be told apart.

Colours say little in these scenes, because all kinds of things share them; a surface's grain
says more, and it says it to a network that looks at neighbouring pixels, not at one. Every
pattern has mean one, so that a single pixel's colour tells as little as before.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Floats
from .street_canvas import CONSTRUCTION, HUMAN, OBJECT, VEHICLE, Canvas


def paint_materials(canvas: Canvas, rng: np.random.Generator) -> None:
    """Give walls, clothes, cars and signs their grain, each with a strength of the scene's own."""
    rows, columns = canvas.labels.shape
    y = np.arange(rows, dtype=np.float32)[:, None] + np.float32(rng.uniform(0, 12))
    x = np.arange(columns, dtype=np.float32)[None, :] + np.float32(rng.uniform(0, 12))
    grain: Floats = np.ones((rows, columns), np.float32)
    for label, pattern in _MATERIALS.items():
        strength = np.float32(rng.uniform(0.13, 0.2))
        of_class = canvas.labels == label
        grain[of_class] += strength * pattern(y, x)[of_class]
    canvas.rgb *= grain[..., None]


def _courses(y: Floats, x: Floats) -> Floats:
    """Bricks of six by three pixels, every other course shifted by half a brick."""
    course = np.floor(y / 3)
    joint = (y % 3 < 1) | ((x + 3 * (course % 2)) % 6 < 1)
    return np.where(joint, -1.25, 1.0).astype(np.float32)


def _weave(y: Floats, x: Floats) -> Floats:
    """Checks of two pixels, as in coarse cloth."""
    woven: Floats = np.sign((y % 4 < 2) - 0.5) * np.sign((x % 4 < 2) - 0.5)
    return woven.astype(np.float32)


def _lacquer(y: Floats, x: Floats) -> Floats:
    """Level reflections, five pixels apart."""
    return np.broadcast_to(np.sin(2 * np.pi * y / 5), (len(y), x.shape[1])).astype(np.float32)


def _sheet(y: Floats, x: Floats) -> Floats:
    """Slanted bands, five pixels apart, as on reflecting foil."""
    bands: Floats = np.sin(2 * np.pi * (x + y) / 5)
    return bands.astype(np.float32)


_MATERIALS: dict[int, Callable[[Floats, Floats], Floats]] = {
    CONSTRUCTION: _courses,
    OBJECT: _sheet,
    HUMAN: _weave,
    VEHICLE: _lacquer,
}
