"""Houses, garden walls and fences: the class construction.

A house is two planes, its front along the street and the end that faces the camera. Both
get the same facade, given in metres: masonry, rows of windows, doors and shops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import textures
from .arrays import Bools, Floats, Window
from .street_camera import NEAR, Camera
from .street_canvas import CONSTRUCTION, Canvas
from .street_look import Look

_LAMPLIGHT = np.array([1.0, 0.86, 0.55], np.float32)


@dataclass(frozen=True)
class Facade:
    """How a wall looks; lengths in metres."""

    wall: Floats
    trim: Floats
    roof: Floats
    height: float
    roof_height: float
    storey: float
    bay: float
    window_width: float
    window_height: float
    masonry: str
    shop: bool
    lit: float
    shift: float


def draw_facade(rng: np.random.Generator, look: Look, storeys: int) -> Facade:
    """Draw a facade of so many storeys."""
    storey = float(rng.uniform(2.8, 3.4))
    bay = float(rng.uniform(2.0, 3.6))
    pale = rng.random() < 0.3
    wall = look.pick(rng)
    if pale:
        wall = (0.45 * wall + 0.5).astype(np.float32)
    trim = np.clip(wall * 0.4 + 0.5 if rng.random() < 0.6 else wall * 0.55, 0.05, 0.95)
    return Facade(
        wall=wall,
        trim=trim.astype(np.float32),
        roof=(look.pick(rng) * 0.7).astype(np.float32),
        height=storeys * storey + 0.5,
        roof_height=float(rng.choice([0.0, 0.0, 1.8, 2.6])),
        storey=storey,
        bay=bay,
        window_width=bay * float(rng.uniform(0.38, 0.62)),
        window_height=storey * float(rng.uniform(0.42, 0.6)),
        masonry=str(rng.choice(["brick", "stone", "plaster", "panel"])),
        shop=bool(rng.random() < 0.35),
        lit=float(rng.uniform(0.15, 0.45)) if look.is_dark else 0.0,
        shift=float(rng.uniform(0, 200)),
    )


def paint_house(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    facade: Facade,
    x: float,
    outwards: int,
    reach: tuple[float, float],
    breadth: float,
) -> None:
    """Paint a house: the end that faces the camera and the front along the street.

    Parameters
    ----------
    x : float
        X of the front, metres.
    outwards : int
        The way the house extends from its front: -1 to the left, 1 to the right.
    reach : tuple of float
        Z of its two ends.
    breadth : float
        How far it extends away from the street.
    """
    begin, finish = max(reach[0], NEAR), reach[1]
    top = facade.height + facade.roof_height
    if reach[0] > NEAR:
        across = (x, x + outwards * breadth)
        window = camera.window([(at, y, begin) for at in across for y in (0.0, top)])
        if window is not None:
            along, up = camera.frontal(begin, window)
            mask = (along > min(across)) & (along < max(across)) & (up > 0) & (up < top)
            light = look.light((0.0, 0.0, 1.0))
            _paint_wall(canvas, window, mask, facade, along, up, light, begin, camera.scale(begin))
    window = camera.window([(x, y, z) for z in (begin, finish) for y in (0.0, top)])
    if window is not None:
        z, up = camera.side(x, window)
        mask = (z > begin) & (z < finish) & (up > 0) & (up < top)
        light = look.light((-float(outwards), 0.0, 0.0))
        scale = camera.focal / np.clip(z, NEAR, None)
        _paint_wall(canvas, window, mask, facade, z, up, light, z, scale)


def _paint_wall(
    canvas: Canvas,
    window: Window,
    mask: Bools,
    facade: Facade,
    along: Floats,
    up: Floats,
    light: float,
    depth: float | Floats,
    scale: float | Floats,
) -> None:
    """Paint one plane of a house; `scale` is its pixels per metre, for fading fine texture."""
    if not mask.any():
        return
    # From here on one number per painted pixel: half of a window is often not wall.
    along = np.broadcast_to(along, mask.shape)[mask] + np.float32(facade.shift)
    up = np.broadcast_to(up, mask.shape)[mask]
    fine = np.clip(np.broadcast_to(scale, mask.shape)[mask] / 18, 0, 1).astype(np.float32)
    colour = facade.wall * _masonry(facade, along, up, fine)[:, None]
    on_roof = up > facade.height
    plinth = (up < 0.5) | ((up > facade.height - 0.35) & ~on_roof)
    colour[plinth | (np.abs(up % facade.storey - 0.08) < 0.1)] = facade.trim
    glass, frame, lit = _openings(facade, along, up)
    colour[frame] = facade.trim
    _paint_ground_floor(facade, along, up, colour)
    colour[glass] = _panes(facade, along[glass], up[glass])
    if facade.roof_height:
        tiles = 1 + 0.18 * fine[on_roof] * np.sign(np.sin(up[on_roof] * 18))
        colour[on_roof] = facade.roof * tiles[:, None]
    canvas.paint(window, mask, colour, light, CONSTRUCTION, depth)
    shining = np.zeros_like(mask)
    shining[mask] = lit
    canvas.paint(window, shining, _LAMPLIGHT, 0.85, CONSTRUCTION, depth, glow=0.85)


def _paint_ground_floor(facade: Facade, along: Floats, up: Floats, colour: Floats) -> None:
    """Paint awnings over shops, or doors, into the colours of a wall."""
    if facade.shop:
        awning = (up >= 2.3) & (up < 2.9)
        stripes = np.where((along[awning] * 1.3) % 1 < 0.5, 1.5, 0.93)
        colour[awning] = facade.roof * stripes[:, None]
    else:
        colour[_is_door(facade, along, up)] = facade.roof * 0.9


def _is_door(facade: Facade, along: Floats, up: Floats) -> Bools:
    is_door: Bools = (up < 2.15) & (along % (3 * facade.bay) < 1.1)
    return is_door


def _panes(facade: Facade, along: Floats, up: Floats) -> Floats:
    """Return the colours of window panes: dark, higher ones mirror more sky."""
    each = textures.cell_noise(up / facade.storey, along / facade.bay)
    value = np.clip(0.16 + 0.12 * np.clip(up / 14, 0, 1) + 0.07 * each, 0.06, 0.5)
    colours: Floats = value[:, None] * np.array([0.9, 1.0, 1.12], np.float32)
    return colours


def _masonry(facade: Facade, along: Floats, up: Floats, fine: Floats) -> Floats:
    """Return the brightness of the bare wall, about 1."""
    stains = 1 + 0.06 * textures.smooth_noise(textures.CLOUDS, up * 4, along * 4)
    if facade.masonry == "brick":
        pattern = textures.courses(along, up, 0.5, 0.17, 0.2)
    elif facade.masonry == "stone":
        pattern = textures.courses(along, up, 1.1, 0.55, 0.1)
    elif facade.masonry == "panel":
        pattern = 1 - np.float32(0.25) * ((along % 1.3 < 0.07) | (up % 1.6 < 0.07))
    else:
        pattern = 1 + 0.05 * textures.noise(textures.LEAVES, up * 25, along * 25)
    bare: Floats = stains * (1 + fine * (pattern - 1))
    return bare


def _openings(facade: Facade, along: Floats, up: Floats) -> tuple[Bools, Bools, Bools]:
    """Return where panes, frames, and lit panes are."""
    sideways = np.abs(along % facade.bay - 0.5 * facade.bay)
    upwards = np.abs((up - 0.15) % facade.storey - 0.54 * facade.storey)
    half_width, half_height = 0.5 * facade.window_width, 0.5 * facade.window_height
    allowed = up < facade.height - 0.5
    if facade.shop:
        allowed &= up > facade.storey
    else:
        allowed &= ~_is_door(facade, along, up)
    frame = (sideways < half_width + 0.14) & (upwards < half_height + 0.14) & allowed
    bars = (sideways < 0.05) | (np.abs(upwards - 0.25 * half_height) < 0.04)
    glass = (sideways < half_width) & (upwards < half_height) & allowed & ~bars
    if facade.shop:
        glass |= (up < 2.3) & (up > 0.45) & (along % (2 * facade.bay) > 0.5)
    lit = np.zeros_like(glass)
    if facade.lit:
        each = textures.cell_noise(up / facade.storey + 7, along / facade.bay)
        lit = glass & (each > 1 - 2 * facade.lit)
    return glass, frame, lit


def paint_barrier(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    x: float,
    reach: tuple[float, float],
) -> None:
    """Paint a garden wall or a board fence along the street."""
    height = float(rng.uniform(0.9, 1.7))
    colour = look.pick(rng)
    boards = rng.random() < 0.45
    begin = max(reach[0], NEAR)
    window = camera.window([(x, y, z) for z in (begin, reach[1]) for y in (0.0, height)])
    if window is None:
        return
    z, up = camera.side(x, window)
    mask = (z > begin) & (z < reach[1]) & (up > 0) & (up < height)
    along, up = np.broadcast_arrays(z, up)
    if boards:
        value = 1 + 0.08 * textures.cell_noise(0 * along, along / 0.3)
        value[along % 0.3 < 0.06] = 0.5
    else:
        value = textures.courses(along, up, 0.6, 0.22, 0.18)
    value[up > height - 0.14] = 1.25
    light = look.light((-float(np.sign(x)), 0.0, 0.0))
    canvas.paint(window, mask, colour, light * value, CONSTRUCTION, z)
