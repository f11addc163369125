"""Cars, vans, buses and lorries: the class vehicle.

A vehicle along the street is a box of planes: the end that faces the camera, the side
that faces it, and the level parts seen from above. One that crosses the street shows its
side only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_seggradcam.scenes.street_camera import NEAR, Camera, Window
from napari_seggradcam.scenes.street_canvas import FLAT, VEHICLE, Canvas
from napari_seggradcam.scenes.street_look import Look

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

TYRE = np.array([0.07, 0.07, 0.08], np.float32)
GLASS = np.array([0.13, 0.17, 0.21], np.float32)


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
        return Body(length, 1.8, height, 0.58 * height, cabin, 0.45, paint, paint * 0.6, kind)
    if kind == "van":
        length, height = float(rng.uniform(4.8, 5.8)), float(rng.uniform(2.0, 2.5))
        cabin = (0.05, length * 0.88)
        return Body(length, 2.0, height, 0.52 * height, cabin, 0.3, paint, stripe, kind)
    if kind == "bus":
        length, height = float(rng.uniform(9, 12)), float(rng.uniform(2.9, 3.3))
        return Body(length, 2.5, height, 0.4 * height, (0, length), 0.05, paint, stripe, kind)
    length, height = float(rng.uniform(6.5, 8.5)), float(rng.uniform(2.9, 3.5))
    return Body(length, 2.4, height, 0.34 * height, (0, length), 0.05, paint, stripe, kind)


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
    low, high = body.waist, body.height
    cabin = (z + body.cabin[0], z + body.cabin[1])
    inset = 0.1 if body.kind == "car" else 0.02
    draw = _Draw(canvas, camera, look, body, instance)
    draw.top(low, (left, right), (z, z + body.length))
    draw.top(high, (left + 0.15, right - 0.15), (cabin[0] + body.slope, cabin[1] - body.slope))
    facing = right if right < 0 else left
    if right < 0 or left > 0:
        draw.side(facing - inset * float(np.sign(facing)) * -1, z, upper=True)
    draw.end((left, right), cabin[0] + 0.3 * body.slope, upper=True, oncoming=oncoming)
    if right < 0 or left > 0:
        draw.side(facing, z, upper=False)
    draw.end((left, right), z, upper=False, oncoming=oncoming)


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
    draw = _Draw(canvas, camera, look, body, instance)
    window = camera.window([(x, 0, z), (x + body.length, body.height, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    along = across - x if rng.random() < 0.5 else x + body.length - across
    for upper in (True, False):
        draw.profile(window, along, up, z, look.light((0.0, 0.0, 1.0)), upper)


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


class _Draw:
    """Draws the planes of one vehicle."""

    def __init__(
        self, canvas: Canvas, camera: Camera, look: Look, body: Body, instance: int
    ) -> None:
        self.canvas = canvas
        self.camera = camera
        self.look = look
        self.body = body
        self.instance = instance

    def top(self, y: float, across: tuple[float, float], along: tuple[float, float]) -> None:
        """Paint a level plane: bonnet or roof, if the camera is above it."""
        near = max(along[0], NEAR)
        if y >= self.camera.height or near >= along[1]:
            return
        window = self.camera.window([(x, y, z) for x in across for z in (near, along[1])])
        if window is None:
            return
        x, z = self.camera.level(y, window)
        mask = (x > across[0]) & (x < across[1]) & (z > near) & (z < along[1])
        light = self.look.light((0.0, 1.0, 0.0)) * 1.08
        sheen = 1 + 0.1 * np.sin(x * 1.7 + z)
        self._fill(window, mask, self.body.paint * (light * sheen)[..., None], near)

    def side(self, x: float, z: float, upper: bool) -> None:
        """Paint the side that faces the camera, above or below the waist."""
        end = z + self.body.length
        near = max(z, NEAR)
        if near >= end:
            return
        window = self.camera.window(
            [(x, y, at) for y in (0, self.body.height) for at in (near, end)]
        )
        if window is None:
            return
        depth, up = self.camera.side(x, window)
        light = self.look.light((-float(np.sign(x)), 0.0, 0.0))
        self.profile(window, np.where(depth > NEAR, depth - z, -1), up, depth, light, upper)

    def profile(
        self,
        window: Window,
        along: Floats,
        up: Floats,
        depth: float | Floats,
        light: float,
        upper: bool,
    ) -> None:
        """Paint a side view; `along` runs from the end that faces the camera."""
        body = self.body
        begin, end = body.cabin
        if upper:
            rise = np.clip((up - body.waist) / (body.height - body.waist), 0, 1)
            lean = body.slope * rise
            inside = (along > begin + lean) & (along < end - lean * 1.5)
            inside = inside & (up >= body.waist) & (up < body.height)
            self._fill(window, inside, body.paint * light, depth)
            pillar = (along - begin) % 1.3 < 0.12
            rim = (along > begin + lean + 0.2) & (along < end - 1.5 * lean - 0.2)
            glass = inside & rim & (up > body.waist + 0.06) & (up < body.height - 0.12) & ~pillar
            if body.kind == "van":
                glass &= along > 0.62 * body.length
            if body.kind == "lorry":
                glass &= along > 0.86 * body.length
                load = inside & (along < 0.76 * body.length)
                self._fill(window, load, body.stripe * light, depth)
            self._fill(window, glass, GLASS * (0.8 + 0.7 * rise)[..., None], depth)
            return
        nose = np.clip(np.minimum(along, body.length - along) / 0.35, 0, 1)
        inside = (
            (along > 0)
            & (along < body.length)
            & (up > 0.22)
            & (up < body.waist * (0.86 + 0.14 * nose))
        )
        fade = light * (0.78 + 0.3 * np.clip(up / body.waist, 0, 1))
        self._fill(window, inside, body.paint * (fade + 0 * along)[..., None], depth)
        sill = inside & ((up < 0.36) | (np.abs(up - 0.62 * body.waist) < 0.03))
        self._fill(window, sill, body.stripe * light * 0.7, depth)
        doors = inside & (np.abs((along - begin) % 1.25 - 0.6) < 0.025) & (up > 0.36)
        self._fill(window, doors, body.paint * light * 0.45, depth)
        radius = 0.34 if body.kind in ("car", "van") else 0.48
        for hub in (0.19 * body.length, 0.81 * body.length):
            away = np.hypot(along - hub, up - radius)
            self._fill(window, away < radius * 1.18, TYRE * 1.2, depth)
            self._fill(
                window, away < radius * 0.55, np.float32(0.55) * self.look.tint * light, depth
            )
            self._fill(window, (away < radius * 0.2), TYRE * 2, depth)

    def end(self, across: tuple[float, float], z: float, upper: bool, oncoming: bool) -> None:
        """Paint the end that faces the camera, above or below the waist."""
        body = self.body
        if z < NEAR:
            return
        window = self.camera.window([(x, y, z) for x in across for y in (0.0, body.height)])
        if window is None:
            return
        x, up = self.camera.frontal(z, window)
        light = self.look.light((0.0, 0.0, 1.0))
        middle, half = 0.5 * (across[0] + across[1]), 0.5 * body.width
        off = np.abs(x - middle)
        if upper:
            rise = np.clip((up - body.waist) / (body.height - body.waist), 0, 1)
            narrow = half - (0.26 if body.kind == "car" else 0.06) * rise - 0.04
            inside = (off < narrow) & (up >= body.waist - 0.02) & (up < body.height)
            self._fill(window, inside, body.paint * light * 0.96, z)
            pane = inside & (off < narrow - 0.13) & (rise > 0.1) & (rise < 0.84)
            if body.kind == "lorry" and not oncoming:
                self._fill(window, inside, body.stripe * light, z)
                pane = inside & (off < 0.05)
            self._fill(window, pane, GLASS * (0.75 + 0.9 * rise + 0 * x)[..., None], z)
            return
        round_off = 0.1 * np.clip(1 - (body.waist - up) / 0.2, 0, 1)
        inside = (off < half - round_off) & (up > 0.24) & (up < body.waist)
        fade = light * (0.8 + 0.25 * np.clip(up / body.waist, 0, 1))
        tyres = (np.abs(off - half + 0.2) < 0.15) & (up > 0) & (up < 0.5)
        self._fill(window, tyres, TYRE, z)
        self._fill(window, inside, body.paint * (fade + 0 * x)[..., None], z)
        bumper = inside & (up < 0.5)
        self._fill(window, bumper, (0.5 * body.stripe + 0.05) * light, z)
        plate = (off < 0.28) & (np.abs(up - 0.55) < 0.07)
        self._fill(window, plate, np.float32(0.85) * self.look.tint * light, z)
        lamps = inside & (np.abs(off - half + 0.26) < 0.2) & (np.abs(up - 0.78 * body.waist) < 0.1)
        colour = (1.0, 0.97, 0.85) if oncoming else (0.85, 0.1, 0.08)
        shining = 0.9 if self.look.is_dark else 0.25
        self._fill(window, lamps, np.array(colour, np.float32), z, glow=shining)
        if oncoming:
            grille = inside & (off < half - 0.55) & (np.abs(up - 0.76 * body.waist) < 0.09)
            bars = 1 + 0.6 * np.sign(np.sin(up * 90))
            self._fill(window, grille, TYRE * 1.5 * (bars + 0 * x)[..., None], z)

    def _fill(
        self,
        window: Window,
        mask: Bools,
        colour: Floats,
        depth: float | Floats,
        glow: float = 0.0,
    ) -> None:
        if colour.ndim == 3 and colour.shape[:2] != mask.shape:
            colour = np.broadcast_to(colour, (*mask.shape, 3))
        self.canvas.paint(
            window, mask, colour.astype(np.float32), VEHICLE, depth, self.instance, glow
        )
