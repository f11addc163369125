"""Houses, garden walls and fences: the class construction.

A house is two planes, its front along the street and the end that faces the camera. Both
get the same facade, given in metres: masonry, rows of windows, doors and shops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_seggradcam.scenes import textures
from napari_seggradcam.scenes.street_camera import NEAR, Camera
from napari_seggradcam.scenes.street_canvas import CONSTRUCTION, Canvas
from napari_seggradcam.scenes.street_look import Look

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


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
    reach: tuple[float, float],
    breadth: float,
) -> None:
    """Paint a house: the end that faces the camera and the front along the street.

    Parameters
    ----------
    x : float
        X of the front, metres; the house extends from it away from the street.
    reach : tuple of float
        Z of its two ends.
    breadth : float
        How far it extends away from the street.
    """
    begin, finish = max(reach[0], NEAR), reach[1]
    top = facade.height + facade.roof_height
    outwards = float(np.sign(x))
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
        light = look.light((-outwards, 0.0, 0.0))
        scale = camera.focal / np.clip(z, NEAR, None)
        _paint_wall(canvas, window, mask, facade, z, up, light, z, scale)


def _paint_wall(
    canvas: Canvas,
    window: tuple[slice, slice],
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
    along, up = np.broadcast_arrays(along, up)
    along = along + facade.shift
    fine = np.clip(np.broadcast_to(scale, mask.shape) / 18, 0, 1)
    colour = facade.wall * _masonry(facade, along, up, fine)[..., None]
    ground_floor = up < facade.storey
    plinth = (up < 0.5) | ((up > facade.height - 0.35) & (up < facade.height))
    between = np.abs(up % facade.storey - 0.08) < 0.1
    colour = np.where((plinth | between)[..., None], facade.trim, colour)
    glass, frame, lit = _windows(facade, along, up)
    if facade.shop:
        shop = ground_floor & (up < 2.3) & (up > 0.45) & (along % (2 * facade.bay) > 0.5)
        awning = ground_floor & (up >= 2.3) & (up < 2.9)
        stripes = np.where((along * 1.3) % 1 < 0.5, 1.0, 0.62)[..., None]
        glass = np.where(ground_floor, shop, glass)
        frame = frame & ~ground_floor
        colour = np.where(awning[..., None], facade.roof * 1.5 * stripes, colour)
    else:
        door = ground_floor & (up < 2.15) & (along % (3 * facade.bay) < 1.1)
        glass, frame = glass & ~door, frame & ~door
        colour = np.where(door[..., None], facade.roof * 0.9, colour)
    pane = (
        0.16
        + 0.12 * np.clip(up / 14, 0, 1)
        + 0.07 * textures.cell_noise(up / facade.storey, along / facade.bay)
    )
    pane = np.clip(pane, 0.06, 0.5)[..., None] * np.array([0.9, 1.0, 1.12], np.float32)
    colour = np.where(frame[..., None], facade.trim, colour)
    colour = np.where(glass[..., None], pane, colour)
    on_roof = up > facade.height
    if facade.roof_height:
        tiles = 1 + 0.18 * fine * np.sign(np.sin(up * 18))
        colour = np.where(on_roof[..., None], facade.roof * tiles[..., None], colour)
    colour = (colour * light).astype(np.float32)
    canvas.paint(window, mask, colour, CONSTRUCTION, depth)
    shining = mask & glass & lit
    if shining.any():
        warm = np.array([1.0, 0.86, 0.55], np.float32) * 0.85
        canvas.paint(window, shining, warm, CONSTRUCTION, depth, glow=0.85)


def _masonry(facade: Facade, along: Floats, up: Floats, fine: Floats) -> Floats:
    """Return the brightness of the bare wall, about 1."""
    stains = 1 + 0.06 * textures.smooth_noise(1.6, up * 4, along * 4)
    if facade.masonry == "brick":
        pattern = textures.courses(along, up, 0.5, 0.17, 0.2)
    elif facade.masonry == "stone":
        pattern = textures.courses(along, up, 1.1, 0.55, 0.1)
    elif facade.masonry == "panel":
        pattern = np.where((along % 1.3 < 0.07) | (up % 1.6 < 0.07), 0.75, 1.0)
    else:
        pattern = 1 + 0.05 * textures.noise(0.5, up * 25, along * 25)
    bare: Floats = (stains * (1 + fine * (pattern - 1))).astype(np.float32)
    return bare


def _windows(facade: Facade, along: Floats, up: Floats) -> tuple[Bools, Bools, Bools]:
    """Return where panes, their frames, and lit panes are."""
    sideways = np.abs(along % facade.bay - 0.5 * facade.bay)
    upwards = np.abs((up - 0.15) % facade.storey - 0.54 * facade.storey)
    half_width, half_height = 0.5 * facade.window_width, 0.5 * facade.window_height
    below_eaves = up < facade.height - 0.5
    opening = (sideways < half_width) & (upwards < half_height) & below_eaves
    frame = (sideways < half_width + 0.14) & (upwards < half_height + 0.14) & below_eaves
    bars = (sideways < 0.05) | (np.abs(upwards - 0.25 * half_height) < 0.04)
    lit = textures.cell_noise(up / facade.storey + 7, along / facade.bay) > 1 - 2 * facade.lit
    if facade.lit == 0:
        lit = np.zeros_like(opening)
    return opening & ~bars, frame, lit


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
        value = np.where(
            along % 0.3 < 0.06, 0.5, 1 + 0.08 * textures.cell_noise(0 * along, along / 0.3)
        )
    else:
        value = textures.courses(along, up, 0.6, 0.22, 0.18)
    value = np.where(up > height - 0.14, 1.25, value)
    light = look.light((-float(np.sign(x)), 0.0, 0.0))
    shaded = (colour * (light * value)[..., None]).astype(np.float32)
    canvas.paint(window, mask, shaded, CONSTRUCTION, z)
