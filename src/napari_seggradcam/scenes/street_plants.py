"""Trees, bushes, hedges and distant woods: the class nature."""

from __future__ import annotations

import numpy as np

from . import textures
from .arrays import Floats
from .street_camera import NEAR, Camera
from .street_canvas import NATURE, Canvas
from .street_look import Look

SHAPES = ("round", "cone", "column", "bush")


def leaf_colour(rng: np.random.Generator, look: Look) -> Floats:
    """Return the colour of one plant: the scene's leaves, changed, at times quite different."""
    if rng.random() < 0.05:
        return (0.6 * look.pick(rng) + 0.1).astype(np.float32)
    shift = rng.normal(0, 0.05, 3)
    return np.clip(look.leaves * rng.uniform(0.7, 1.3) + shift, 0.05, 0.85).astype(np.float32)


def paint_tree(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
    height: float,
) -> None:
    """Paint a tree or a bush that stands at (x, z), its crown lumpy and lit from the sun's side."""
    shape = str(rng.choice(SHAPES, p=[0.55, 0.17, 0.13, 0.15]))
    stem = height * {"round": 0.3, "cone": 0.12, "column": 0.12, "bush": 0.0}[shape]
    spread = height * {"round": 0.4, "cone": 0.27, "column": 0.16, "bush": 0.75}[shape]
    if shape == "bush":
        height = min(height * 0.35, 2.2)
        spread = height * 0.9
    spread *= float(rng.uniform(0.85, 1.2))
    colour = leaf_colour(rng, look)
    reach = spread * 1.35
    window = camera.window([(x - reach, 0, z), (x + reach, height * 1.15, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    sideways = across - x
    if stem:
        thick = 0.035 * height * (1.25 - 0.6 * np.clip(up / height, 0, 1))
        bark = 1 + 0.25 * textures.noise(textures.LEAVES, up * 6, sideways * 40 + 0 * up)
        trunk = (np.abs(sideways) < thick) & (up > 0) & (up < stem * 1.6)
        brown = np.array([0.36, 0.29, 0.23], np.float32) * float(rng.uniform(0.7, 1.3))
        canvas.paint(window, trunk, brown, bark, NATURE, z)
    rise = (up - stem) / (height - stem)
    if shape == "cone":
        radius = np.abs(sideways) / (spread * np.clip(1.05 - rise, 0.02, 1.2))
        radius = np.maximum(radius, np.abs(rise - 0.5) * 1.9)
    else:
        radius = np.hypot(sideways / spread, (rise - 0.5) * 2)
    _paint_leaves(canvas, camera, look, rng, window, radius, (sideways, up), spread, colour, z)


def _paint_leaves(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    window: tuple[slice, slice],
    radius: Floats,
    place: tuple[Floats, Floats],
    spread: float,
    colour: Floats,
    z: float,
) -> None:
    """Paint a crown: below radius 1, with a lumpy rim; `place` is metric (sideways, up)."""
    sideways, up = np.broadcast_arrays(*place)
    start = float(rng.uniform(0, 256))
    lumps = textures.smooth_noise(textures.LUMPS, up * 5 + start, sideways * 5 + start)
    texel = min(20.0, 0.75 * camera.scale(z))
    fine = textures.smooth_noise(textures.LEAVES, up * texel + start, sideways * texel)
    mask = radius + 0.13 * lumps + 0.03 * fine < 1
    towards_sun = look.sun[0] * sideways / spread + 0.6 * (1 - radius)
    value = 0.86 + 0.2 * lumps + 0.24 * fine + 0.16 * np.clip(towards_sun, -1, 1)
    value *= look.light((0.0, 0.7, 0.5))
    canvas.paint(window, mask, colour, np.clip(value, 0.2, 1.9), NATURE, z)


def paint_hedge(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    x: float,
    reach: tuple[float, float],
) -> None:
    """Paint a hedge along the street."""
    height = float(rng.uniform(0.9, 2.2))
    begin = max(reach[0], NEAR)
    window = camera.window([(x, y, z) for z in (begin, reach[1]) for y in (0.0, height * 1.15)])
    if window is None:
        return
    z, up = camera.side(x, window)
    along, up = np.broadcast_arrays(z, up)
    lumps = textures.smooth_noise(textures.LUMPS, up * 5, along * 5)
    fine = textures.smooth_noise(textures.LEAVES, up * 13, along * 13)
    mask = (z > begin) & (z < reach[1]) & (up > 0) & (up < height * (1 + 0.06 * lumps))
    light = look.light((-float(np.sign(x)), 0.3, 0.0))
    value = light * (0.8 + 0.22 * lumps + 0.22 * fine + 0.25 * (up / height - 0.5))
    canvas.paint(window, mask, leaf_colour(rng, look), np.clip(value, 0.2, 1.9), NATURE, z)


def paint_wood(
    canvas: Canvas, camera: Camera, look: Look, rng: np.random.Generator, z: float, height: float
) -> None:
    """Paint a row of crowns across the whole picture at a distance."""
    reach = z * camera.size[1] / camera.focal
    window = camera.window([(-2 * reach, 0.0, z), (2 * reach, height * 1.4, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    across, up = np.broadcast_arrays(across, up)
    start = float(rng.uniform(0, 256))
    step = 40.0 / z
    ridge = textures.smooth_noise(textures.LUMPS, np.full_like(across, start), across * step)
    lumps = textures.smooth_noise(textures.LUMPS, up * step * 6 + start, across * step * 6)
    fine = textures.noise(textures.LEAVES, up * step * 18, across * step * 18)
    mask = (up > 0) & (up < height * (1 + 0.18 * ridge + 0.07 * lumps))
    value = look.light((0.0, 0.6, 0.6)) * (0.82 + 0.2 * lumps + 0.16 * fine)
    canvas.paint(window, mask, leaf_colour(rng, look), np.clip(value, 0.2, 1.9), NATURE, z)
