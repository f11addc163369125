"""Traffic lights, signs, boards, lamp posts and bollards: the class object."""

from __future__ import annotations

import numpy as np

from napari_seggradcam.scenes.arrays import Bools, Floats, Window
from napari_seggradcam.scenes.street_camera import Camera
from napari_seggradcam.scenes.street_canvas import OBJECT, Canvas
from napari_seggradcam.scenes.street_look import Look

KINDS = ("traffic light", "round sign", "triangle", "board", "hoarding", "lamp post", "bollards")
_SHARES = (0.26, 0.19, 0.1, 0.22, 0.06, 0.12, 0.05)
_SIGNAL = np.array([[0.95, 0.16, 0.1], [0.98, 0.72, 0.1], [0.2, 0.9, 0.45]], np.float32)
_WHITE = np.array([0.93, 0.93, 0.92], np.float32)


def draw_kind(rng: np.random.Generator) -> str:
    """Draw what kind of object stands somewhere."""
    return str(rng.choice(KINDS, p=_SHARES))


def paint_object(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    kind: str,
    x: float,
    z: float,
) -> None:
    """Paint one object that stands at (x, z)."""
    height = {"lamp post": 6.5, "hoarding": 5.2, "board": 4.4, "traffic light": 4.2}.get(kind, 3.6)
    half = {"hoarding": 2.4, "board": 1.7, "lamp post": 1.8, "bollards": 2.6}.get(kind, 0.8)
    window = camera.window([(x - half, 0, z), (x + half, height, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    pole = np.clip(look.pick(rng) * 0.2 + rng.uniform(0.1, 0.4), 0.05, 0.85).astype(np.float32)
    stand = _Stand(canvas, window, canvas.new_instance(), z, across - x, up, look, pole)
    _DRAW[kind](stand, rng)


class _Stand:
    """Draws the parts of one object in metres, from its foot."""

    def __init__(
        self,
        canvas: Canvas,
        window: Window,
        instance: int,
        z: float,
        across: Floats,
        up: Floats,
        look: Look,
        pole: Floats,
    ) -> None:
        self.canvas = canvas
        self.window = window
        self.instance = instance
        self.z = z
        self.across = across
        self.up = up
        self.look = look
        self.pole = pole
        self.light = look.light((0.0, 0.0, 1.0))

    def bar(self, x: float, reach: tuple[float, float], half: float) -> None:
        """Paint an upright pole, lighter in its middle."""
        inside = (np.abs(self.across - x) < half) & (self.up > reach[0]) & (self.up < reach[1])
        round_ = 0.75 + 0.5 * np.clip(1 - np.abs(self.across - x) / half, 0, 1)
        self.fill(inside, self.pole, round_)

    def box(self, x: tuple[float, float], y: tuple[float, float], colour: Floats) -> Bools:
        """Paint an upright rectangle and return where it is."""
        inside: Bools = (
            (self.across > x[0]) & (self.across < x[1]) & (self.up > y[0]) & (self.up < y[1])
        )
        self.fill(inside, colour)
        return inside

    def fill(
        self, mask: Bools, colour: Floats, brightness: float | Floats = 1.0, glow: float = 0.0
    ) -> None:
        """Paint the pixels of a mask; what glows needs no light."""
        light = self.light * (1 - glow) + glow
        self.canvas.paint(
            self.window, mask, colour, light * brightness, OBJECT, self.z, self.instance, glow
        )

    def disc(self, centre: tuple[float, float], radius: float) -> Bools:
        """Return where a disc is."""
        inside: Bools = np.hypot(self.across - centre[0], self.up - centre[1]) < radius
        return inside


def _traffic_light(stand: _Stand, rng: np.random.Generator) -> None:
    base = float(rng.uniform(2.1, 2.8))
    stand.bar(0, (0, base + 1.3), 0.13)
    housing = np.array([0.1, 0.11, 0.11], np.float32) * float(rng.uniform(0.6, 2.2))
    backing = _WHITE if rng.random() < 0.3 else housing
    stand.box((-0.36, 0.36), (base - 0.06, base + 1.36), backing)
    stand.box((-0.3, 0.3), (base, base + 1.3), housing)
    lit = int(rng.integers(3))
    for place in range(3):
        lamp = stand.disc((0, base + 1.08 - 0.43 * place), 0.18)
        stand.fill(lamp, _SIGNAL[place], 1.0 if place == lit else 0.25, 0.9 * (place == lit))


def _round_sign(stand: _Stand, rng: np.random.Generator) -> None:
    y, radius = float(rng.uniform(2.2, 2.8)), float(rng.uniform(0.45, 0.6))
    stand.bar(0, (0, y), 0.12)
    rim = _sign_colour(rng, stand.look)
    stand.fill(stand.disc((0, y), radius), rim)
    inner = _WHITE if rng.random() < 0.6 else stand.look.pick(rng)
    stand.fill(stand.disc((0, y), 0.74 * radius), inner)
    stand.box((-0.45 * radius, 0.45 * radius), (y - 0.13, y + 0.13), rim * 0.5)


def _triangle(stand: _Stand, rng: np.random.Generator) -> None:
    base, side = float(rng.uniform(1.9, 2.3)), float(rng.uniform(0.55, 0.68))
    stand.bar(0, (0, base + 0.4), 0.12)
    rim = _sign_colour(rng, stand.look)
    for shrink, colour in ((1.0, rim), (0.66, _WHITE)):
        middle = base + 0.36 * side * 1.7
        up = (stand.up - middle) / (side * 1.7 * shrink) + 0.36
        inside = (up > 0) & (up < 1) & (np.abs(stand.across) < side * shrink * (1 - up))
        stand.fill(inside, colour)


def _board(stand: _Stand, rng: np.random.Generator) -> None:
    half, base = float(rng.uniform(0.8, 1.5)), float(rng.uniform(1.9, 2.6))
    high = base + float(rng.uniform(0.9, 1.5))
    for x in (-0.6 * half, 0.6 * half):
        stand.bar(x, (0, base), 0.12)
    colour = _sign_colour(rng, stand.look)
    stand.box((-half, half), (base, high), _WHITE)
    stand.box((-half + 0.09, half - 0.09), (base + 0.09, high - 0.09), colour)
    text = np.where(colour.mean() > 0.6, 0.1, 0.92).astype(np.float32) * np.ones(3, np.float32)
    for y in np.arange(base + 0.25, high - 0.2, 0.32):
        end = float(rng.uniform(-0.1, 0.75)) * half
        stand.box((-0.78 * half, end), (float(y), float(y) + 0.13), text)
    stand.fill(stand.disc((0.68 * half, 0.5 * (base + high)), 0.14), text)


def _hoarding(stand: _Stand, rng: np.random.Generator) -> None:
    half, base = float(rng.uniform(1.5, 2.2)), float(rng.uniform(1.2, 2.0))
    high = base + float(rng.uniform(1.8, 2.6))
    for x in (-0.7 * half, 0.7 * half):
        stand.bar(x, (0, base), 0.12)
    stand.box((-half, half), (base, high), stand.pole * 0.7)
    stand.box((-half + 0.13, half - 0.13), (base + 0.13, high - 0.13), stand.look.pick(rng))
    inside = (np.abs(stand.across) < half - 0.13) & (stand.up > base + 0.13)
    inside = inside & (stand.up < high - 0.13)
    for _ in range(3):
        where = float(rng.uniform(-half, half)), float(rng.uniform(base, high))
        blot = stand.disc(where, float(rng.uniform(0.4, 0.9)))
        stand.fill(blot & inside, stand.look.pick(rng))
    y = float(rng.uniform(base + 0.3, high - 0.5))
    stand.box((-0.7 * half, 0.5 * half), (y, y + 0.2), _WHITE)


def _lamp_post(stand: _Stand, rng: np.random.Generator) -> None:
    top, towards = float(rng.uniform(4.6, 6.0)), float(rng.choice([-1, 1]))
    stand.bar(0, (0, top), 0.15)
    ends = sorted((0.0, towards * 1.2))
    stand.box((ends[0], ends[1]), (top - 0.1, top + 0.1), stand.pole)
    lamp = np.hypot((stand.across - towards * 1.3) / 0.45, (stand.up - top) / 0.2) < 1
    lit = stand.look.is_dark
    bulb = np.array([1.0, 0.93, 0.7] if lit else [0.7, 0.72, 0.72], np.float32)
    stand.fill(lamp, bulb, glow=0.95 * lit)


def _bollards(stand: _Stand, rng: np.random.Generator) -> None:
    band = _sign_colour(rng, stand.look)
    for x in (-2.2, -0.75, 0.75, 2.2):
        stand.bar(x, (0, 1.0), 0.17)
        stand.box((x - 0.17, x + 0.17), (0.72, 0.9), band)


def _sign_colour(rng: np.random.Generator, look: Look) -> Floats:
    """Return a traffic colour, or one of the scene's pool."""
    if rng.random() < 0.25:
        return look.pick(rng)
    traffic = ([0.8, 0.1, 0.1], [0.08, 0.25, 0.65], [0.05, 0.4, 0.25], [0.95, 0.75, 0.1])
    return np.array(traffic[int(rng.integers(len(traffic)))], np.float32)


_DRAW = {
    "traffic light": _traffic_light,
    "round sign": _round_sign,
    "triangle": _triangle,
    "board": _board,
    "hoarding": _hoarding,
    "lamp post": _lamp_post,
    "bollards": _bollards,
}
