"""Traffic lights, signs, boards and lamp posts: the class object."""

from __future__ import annotations

import numpy as np

from .arrays import Bools, Floats, Window
from .street_camera import Camera
from .street_canvas import OBJECT, Canvas
from .street_look import Look

KINDS = ("traffic light", "round sign", "triangle", "board", "lamp post")
_SHARES = (0.3, 0.23, 0.14, 0.23, 0.1)
_SIGNAL = np.array([[0.95, 0.16, 0.1], [0.98, 0.72, 0.1], [0.2, 0.9, 0.45]], np.float32)
_TRAFFIC_COLOURS = np.array(
    [[0.8, 0.1, 0.1], [0.08, 0.25, 0.65], [0.05, 0.4, 0.25], [0.95, 0.75, 0.1]], np.float32
)
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
    height = {"lamp post": 6.5, "board": 4.4, "traffic light": 4.2}.get(kind, 3.6)
    half = {"board": 1.7, "lamp post": 1.8}.get(kind, 0.8)
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
    stand.bar(0, (0, base + 1.3), 0.15)
    housing = np.array([0.1, 0.11, 0.11], np.float32) * float(rng.uniform(0.6, 2.2))
    backing = _WHITE if rng.random() < 0.3 else housing
    stand.box((-0.42, 0.42), (base - 0.08, base + 1.38), backing)
    stand.box((-0.34, 0.34), (base, base + 1.3), housing)
    lit = int(rng.integers(3))
    for place in range(3):
        lamp = stand.disc((0, base + 1.08 - 0.43 * place), 0.18)
        stand.fill(lamp, _SIGNAL[place], 1.0 if place == lit else 0.25, 0.9 * (place == lit))


def _round_sign(stand: _Stand, rng: np.random.Generator) -> None:
    y, radius = float(rng.uniform(2.2, 2.8)), float(rng.uniform(0.5, 0.65))
    stand.bar(0, (0, y), 0.14)
    rim = _sign_colour(rng)
    stand.fill(stand.disc((0, y), radius), rim)
    inner = _WHITE if rng.random() < 0.6 else stand.look.pick(rng)
    stand.fill(stand.disc((0, y), 0.74 * radius), inner)
    stand.box((-0.45 * radius, 0.45 * radius), (y - 0.13, y + 0.13), rim * 0.5)


def _triangle(stand: _Stand, rng: np.random.Generator) -> None:
    base, side = float(rng.uniform(1.9, 2.3)), float(rng.uniform(0.6, 0.75))
    stand.bar(0, (0, base + 0.4), 0.14)
    rim = _sign_colour(rng)
    for shrink, colour in ((1.0, rim), (0.66, _WHITE)):
        middle = base + 0.36 * side * 1.7
        up = (stand.up - middle) / (side * 1.7 * shrink) + 0.36
        inside = (up > 0) & (up < 1) & (np.abs(stand.across) < side * shrink * (1 - up))
        stand.fill(inside, colour)


def _board(stand: _Stand, rng: np.random.Generator) -> None:
    half, base = float(rng.uniform(0.8, 1.5)), float(rng.uniform(1.9, 2.6))
    high = base + float(rng.uniform(0.9, 1.5))
    for x in (-0.6 * half, 0.6 * half):
        stand.bar(x, (0, base), 0.14)
    colour = _sign_colour(rng)
    stand.box((-half, half), (base, high), _WHITE)
    stand.box((-half + 0.09, half - 0.09), (base + 0.09, high - 0.09), colour)
    text = np.where(colour.mean() > 0.6, 0.1, 0.92).astype(np.float32) * np.ones(3, np.float32)
    for y in np.arange(base + 0.25, high - 0.2, 0.32):
        end = float(rng.uniform(-0.1, 0.75)) * half
        stand.box((-0.78 * half, end), (float(y), float(y) + 0.13), text)
    stand.fill(stand.disc((0.68 * half, 0.5 * (base + high)), 0.14), text)


def _lamp_post(stand: _Stand, rng: np.random.Generator) -> None:
    top, towards = float(rng.uniform(4.6, 6.0)), float(rng.choice([-1, 1]))
    stand.bar(0, (0, top), 0.15)
    ends = sorted((0.0, towards * 1.2))
    stand.box((ends[0], ends[1]), (top - 0.1, top + 0.1), stand.pole)
    lamp = np.hypot((stand.across - towards * 1.3) / 0.45, (stand.up - top) / 0.2) < 1
    lit = stand.look.is_dark
    bulb = np.array([1.0, 0.93, 0.7] if lit else [0.7, 0.72, 0.72], np.float32)
    stand.fill(lamp, bulb, glow=0.95 * lit)


def _sign_colour(rng: np.random.Generator) -> Floats:
    colour: Floats = _TRAFFIC_COLOURS[int(rng.integers(len(_TRAFFIC_COLOURS)))]
    return colour


_DRAW = {
    "traffic light": _traffic_light,
    "round sign": _round_sign,
    "triangle": _triangle,
    "board": _board,
    "lamp post": _lamp_post,
}
