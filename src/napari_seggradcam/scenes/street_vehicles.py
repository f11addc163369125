"""Cars, vans, buses and lorries: the class vehicle.

A vehicle along the street is a box of planes: the end that faces the camera, the side
that faces it, and the level parts seen from above. One that crosses the street shows its
side only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Window
from .street_camera import NEAR, Camera
from .street_canvas import FLAT, VEHICLE, Canvas
from .street_look import Look

TYRE = np.array([0.07, 0.07, 0.08], np.float32)
GLASS = np.array([0.13, 0.17, 0.21], np.float32)
RIM = np.array([0.55, 0.55, 0.56], np.float32)
PLATE = np.array([0.85, 0.85, 0.83], np.float32)
HEADLAMP = np.array([1.0, 0.97, 0.85], np.float32)
TAIL_LAMP = np.array([0.85, 0.1, 0.08], np.float32)


@dataclass(frozen=True)
class Body:
    """Measures of a vehicle, metres, and its paint.

    Attributes
    ----------
    length, width, height : float
        Outer measures.
    waist : float
        Height at which the windows begin.
    cabin : tuple of float
        Where the part above the waist begins and ends, from the end that faces the camera.
    slope : float
        How far windscreen and rear window lean inwards.
    inset : float
        How much narrower the part above the waist is on each side.
    paint, stripe : ndarray, shape (3,)
        Colours of the body and of a stripe, the bumpers or the load.
    kind : str
        "car", "van", "bus" or "lorry".
    """

    length: float
    width: float
    height: float
    waist: float
    cabin: tuple[float, float]
    slope: float
    inset: float
    paint: Floats
    stripe: Floats
    kind: str


def draw_body(rng: np.random.Generator, look: Look) -> Body:
    """Draw a vehicle: mostly cars."""
    kind = str(rng.choice(["car", "van", "bus", "lorry"], p=[0.68, 0.16, 0.08, 0.08]))
    paint, stripe = look.pick(rng), look.pick(rng)
    if kind == "car":
        length, height = float(rng.uniform(3.7, 4.7)), float(rng.uniform(1.4, 1.7))
        begin = float(rng.choice([0.12, 0.7]))
        cabin = (begin, length * float(rng.uniform(0.68, 0.75)))
        return Body(length, 1.8, height, 0.58 * height, cabin, 0.45, 0.12, paint, paint * 0.6, kind)
    if kind == "van":
        length, height = float(rng.uniform(4.8, 5.8)), float(rng.uniform(2.0, 2.5))
        cabin = (0.05, length * 0.88)
        return Body(length, 2.0, height, 0.52 * height, cabin, 0.3, 0.0, paint, stripe, kind)
    if kind == "bus":
        length, height = float(rng.uniform(9, 12)), float(rng.uniform(2.9, 3.3))
        return Body(length, 2.5, height, 0.4 * height, (0, length), 0.0, 0.0, paint, stripe, kind)
    length, height = float(rng.uniform(6.5, 8.5)), float(rng.uniform(2.9, 3.5))
    return Body(length, 2.4, height, 0.34 * height, (0, length), 0.0, 0.0, paint, stripe, kind)


def paint_vehicle(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    body: Body,
    x: float,
    z: float,
    oncoming: bool,
) -> None:
    """Paint a vehicle whose middle line is at `x` and whose near end is at `z`."""
    instance = canvas.new_instance()
    left, right = x - body.width / 2, x + body.width / 2
    _paint_shadow(canvas, camera, look, (left, right), (z, z + body.length))
    view = _View(canvas, camera, look, body, instance)
    # The near window stands upright halfway up its slope, where roof and sides begin too: planes
    # that meet leave no gaps.
    upright = z + body.cabin[0] + 0.5 * body.slope
    upper = (left + body.inset, right - body.inset)
    view.level(body.waist, (left, right), (z, z + body.length))
    view.level(body.height, upper, (upright, z + body.cabin[1] - 1.5 * body.slope))
    # The side that faces the camera; straight ahead neither is seen.
    side = 1 if right < 0 else 0
    is_beside = right < 0 or left > 0
    if is_beside:
        view.side(upper[side], z, above=True)
    view.end(upper, upright, above=True, oncoming=oncoming)
    if is_beside:
        view.side((left, right)[side], z, above=False)
    view.end((left, right), z, above=False, oncoming=oncoming)


def paint_crossing_vehicle(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    body: Body,
    x: float,
    z: float,
) -> None:
    """Paint a vehicle that crosses the street, seen from its side, beginning at `x`."""
    instance = canvas.new_instance()
    _paint_shadow(canvas, camera, look, (x, x + body.length), (z, z + body.width))
    window = camera.window([(x, 0, z), (x + body.length, body.height, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    along = across - x if rng.random() < 0.5 else x + body.length - across
    panel = _Panel(canvas, window, z, instance, look.light((0.0, 0.0, 1.0)))
    _paint_side_above(panel, body, along, up, body.slope)
    _paint_side_below(panel, body, along, up)


def _paint_shadow(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    across: tuple[float, float],
    along: tuple[float, float],
) -> None:
    """Darken the road below and beside a box, away from the sun."""
    shift = -look.sun[0] * 0.9 * (1 - look.ambient)
    low, high = min(across[0], across[0] + shift), max(across[1], across[1] + shift)
    near = max(along[0], NEAR)
    window = camera.window([(x, 0.0, z) for x in (low, high) for z in (near, along[1])])
    if window is None or window[0].start < camera.below_horizon[0].start:
        return
    x, z = camera.level(0.0, window)
    inside = np.minimum(np.minimum(x - low, high - x), np.minimum(z - near + 0.3, along[1] - z))
    depth = np.clip((inside + 0.1) / 0.35, 0, 1) * 0.62
    canvas.shade(window, np.where(canvas.labels[window] == FLAT, 1 - depth, 1).astype(np.float32))


@dataclass(frozen=True)
class _Panel:
    """One plane of a vehicle in the picture."""

    canvas: Canvas
    window: Window
    depth: float | Floats
    instance: int
    light: float

    def fill(
        self, mask: Bools, colour: Floats, brightness: float | Floats = 1.0, glow: float = 0.0
    ) -> None:
        """Paint the pixels of a mask; what glows needs no light."""
        value = brightness * (self.light * (1 - glow) + glow)
        self.canvas.paint(
            self.window, mask, colour, value, VEHICLE, self.depth, self.instance, glow
        )


@dataclass(frozen=True)
class _View:
    """Finds the planes of one vehicle in the picture and paints them."""

    canvas: Canvas
    camera: Camera
    look: Look
    body: Body
    instance: int

    def level(self, y: float, across: tuple[float, float], along: tuple[float, float]) -> None:
        """Paint a level plane, bonnet or roof, if the camera is above it."""
        near = max(along[0], NEAR)
        if y >= self.camera.height or near >= along[1]:
            return
        window = self.camera.window([(x, y, z) for x in across for z in (near, along[1])])
        if window is None:
            return
        x, z = self.camera.level(y, window)
        mask = (x > across[0]) & (x < across[1]) & (z > near) & (z < along[1])
        panel = _Panel(self.canvas, window, near, self.instance, self.look.light((0.0, 1.0, 0.0)))
        panel.fill(mask, self.body.paint, 1.08 + 0.1 * np.sin(x * 1.7 + z))

    def side(self, x: float, z: float, above: bool) -> None:
        """Paint the side that faces the camera, above or below the waist."""
        near, end = max(z, NEAR), z + self.body.length
        if near >= end:
            return
        reach = (self.body.waist, self.body.height) if above else (0.0, self.body.waist)
        window = self.camera.window([(x, y, at) for y in reach for at in (near, end)])
        if window is None:
            return
        depth, up = self.camera.side(x, window)
        along = np.where(depth > NEAR, depth - z, np.float32(-1))
        light = self.look.light((-float(np.sign(x)), 0.0, 0.0))
        panel = _Panel(self.canvas, window, depth, self.instance, light)
        if above:
            upright = along - 0.5 * self.body.slope
            _paint_side_above(panel, self.body, upright, up, 0.0)
        else:
            _paint_side_below(panel, self.body, along, up)

    def end(self, across: tuple[float, float], z: float, above: bool, oncoming: bool) -> None:
        """Paint the end that faces the camera, above or below the waist."""
        if z < NEAR:
            return
        reach = (self.body.waist, self.body.height) if above else (0.0, self.body.waist)
        window = self.camera.window([(x, y, z) for x in across for y in reach])
        if window is None:
            return
        x, up = self.camera.frontal(z, window)
        off = np.abs(x - 0.5 * (across[0] + across[1]))
        light = self.look.light((0.0, 0.0, 1.0))
        panel = _Panel(self.canvas, window, z, self.instance, light)
        if above:
            _paint_end_above(panel, self.body, off, up, oncoming)
        else:
            _paint_end_below(panel, self.body, off, up, oncoming, self.look.is_dark)


def _paint_side_above(
    panel: _Panel, body: Body, along: Floats, up: Floats, near_slope: float
) -> None:
    """Paint roof pillars and windows; `along` runs from the end that faces the camera."""
    begin, end = body.cabin
    rise = np.clip((up - body.waist) / (body.height - body.waist), 0, 1)
    near, far = begin + near_slope * rise, end - 1.5 * body.slope * rise
    inside = (along > near) & (along < far)
    inside = inside & (up >= body.waist) & (up < body.height)
    panel.fill(inside, body.paint)
    pillar = (along - begin) % 1.3 < 0.12
    rim = (along > near + 0.2) & (along < far - 0.2)
    glass = inside & rim & (up > body.waist + 0.06) & (up < body.height - 0.12) & ~pillar
    if body.kind == "van":
        glass &= along > 0.62 * body.length
    if body.kind == "lorry":
        glass &= along > 0.86 * body.length
        panel.fill(inside & (along < 0.76 * body.length), body.stripe)
    panel.fill(glass, GLASS, 0.8 + 0.7 * rise)


def _paint_side_below(panel: _Panel, body: Body, along: Floats, up: Floats) -> None:
    """Paint doors, sills and wheels."""
    inside = (along > 0) & (along < body.length) & (up > 0.22) & (up < body.waist)
    panel.fill(inside, body.paint, 0.78 + 0.3 * np.clip(up / body.waist, 0, 1))
    sill = inside & ((up < 0.36) | (np.abs(up - 0.62 * body.waist) < 0.03))
    panel.fill(sill, body.stripe, 0.7)
    gaps = inside & (np.abs((along - body.cabin[0]) % 1.25 - 0.6) < 0.025) & (up > 0.36)
    panel.fill(gaps, body.paint, 0.45)
    radius = 0.34 if body.kind in ("car", "van") else 0.48
    for hub in (0.19 * body.length, 0.81 * body.length):
        away = np.hypot(along - hub, up - radius)
        panel.fill(away < radius * 1.18, TYRE, 1.2)
        panel.fill(away < radius * 0.55, RIM)
        panel.fill(away < radius * 0.2, TYRE, 2.0)


def _paint_end_above(panel: _Panel, body: Body, off: Floats, up: Floats, oncoming: bool) -> None:
    """Paint the windscreen or rear window; `off` is the distance from the middle line."""
    rise = np.clip((up - body.waist) / (body.height - body.waist), 0, 1)
    half = 0.5 * body.width - body.inset
    inside = (off < half) & (up >= body.waist - 0.02) & (up < body.height)
    if body.kind == "lorry" and not oncoming:
        panel.fill(inside, body.stripe)
        panel.fill(inside & (off < 0.05), GLASS)
        return
    panel.fill(inside, body.paint, 0.96)
    pane = inside & (off < half - 0.13) & (rise > 0.1) & (rise < 0.84)
    panel.fill(pane, GLASS, 0.75 + 0.9 * rise)


def _paint_end_below(
    panel: _Panel, body: Body, off: Floats, up: Floats, oncoming: bool, is_dark: bool
) -> None:
    """Paint bumper, number plate, lamps, and the grille of what comes towards the camera."""
    half = 0.5 * body.width
    corner = 0.05 * np.clip(1 - (body.waist - up) / 0.2, 0, 1)
    inside = (off < half - corner) & (up > 0.24) & (up < body.waist)
    panel.fill((np.abs(off - half + 0.2) < 0.15) & (up > 0) & (up < 0.5), TYRE)
    panel.fill(inside, body.paint, 0.8 + 0.25 * np.clip(up / body.waist, 0, 1))
    panel.fill(inside & (up < 0.5), 0.5 * body.stripe + 0.05)
    panel.fill((off < 0.28) & (np.abs(up - 0.55) < 0.07), PLATE)
    if oncoming:
        grille = inside & (off < half - 0.55) & (np.abs(up - 0.76 * body.waist) < 0.09)
        panel.fill(grille, TYRE, 1.5 + 0.9 * np.sign(np.sin(up * 90)))
    lamps = inside & (np.abs(off - half + 0.26) < 0.2) & (np.abs(up - 0.78 * body.waist) < 0.1)
    colour = HEADLAMP if oncoming else TAIL_LAMP
    panel.fill(lamps, colour, glow=0.9 if is_dark else 0.25)
