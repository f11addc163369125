"""People: the class human. Head, hair, body, arms and legs, standing or walking."""

from __future__ import annotations

import numpy as np

from .arrays import Bools, Floats, Window
from .street_camera import Camera
from .street_canvas import FLAT, HUMAN, Canvas
from .street_look import Look

# From light to dark.
_SKIN = np.array(
    [
        [0.94, 0.80, 0.70],
        [0.86, 0.67, 0.54],
        [0.70, 0.50, 0.37],
        [0.50, 0.34, 0.25],
        [0.33, 0.22, 0.17],
    ],
    np.float32,
)
_HAIR = np.array(
    [
        [0.08, 0.06, 0.05],
        [0.25, 0.16, 0.09],
        [0.5, 0.34, 0.18],
        [0.78, 0.66, 0.42],
        [0.62, 0.6, 0.58],
    ],
    np.float32,
)


def paint_person(
    canvas: Canvas,
    camera: Camera,
    look: Look,
    rng: np.random.Generator,
    x: float,
    z: float,
) -> None:
    """Paint a person who stands at (x, z); all measures follow from the height."""
    tall = float(rng.uniform(1.55, 1.92)) * (0.72 if rng.random() < 0.12 else 1.0)
    window = camera.window([(x - 0.55 * tall, 0, z), (x + 0.55 * tall, 1.05 * tall, z)])
    if window is None:
        return
    across, up = camera.frontal(z, window)
    figure = _Figure(
        canvas,
        window,
        canvas.new_instance(),
        z,
        ((across - x) / tall).astype(np.float32),
        (up / tall).astype(np.float32),
        look.light((0.0, 0.3, 0.9)),
        -look.sun[0],
    )
    _paint_shadow(canvas, camera, look, x, z, tall)
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    top, bottom = look.pick(rng, 0.07), (look.pick(rng, 0.07) * 0.8).astype(np.float32)
    stride = float(rng.uniform(0.02, 0.13)) * float(rng.choice([-1, 1]))
    wide = float(rng.uniform(0.105, 0.135))
    shoes = np.array([0.12, 0.11, 0.11], np.float32) * float(rng.uniform(0.6, 3))
    _paint_legs(figure, skin, bottom, shoes, stride, skirt=bool(rng.random() < 0.25))
    coat = rng.random() < 0.25
    figure.trapezoid((0.3 if coat else 0.46, 0.82), (wide * (1.15 if coat else 0.85), wide), top)
    if rng.random() < 0.35:
        figure.stripes((0.5, 0.78), wide * 0.9, look.pick(rng))
    if rng.random() < 0.3:
        figure.limb((0.15, 0.5), (0.15, 0.42), 0.07, look.pick(rng))
    sleeves = skin if rng.random() < 0.3 else top * np.float32(0.9)
    _paint_arms(figure, skin, sleeves, stride, wide)
    figure.limb((0, 0.82), (0, 0.86), 0.04, skin)
    hair = look.pick(rng) if rng.random() < 0.25 else _HAIR[int(rng.integers(len(_HAIR)))]
    figure.head(skin, hair.astype(np.float32), from_behind=bool(rng.random() < 0.35))


def _paint_legs(
    figure: _Figure, skin: Floats, clothes: Floats, shoes: Floats, stride: float, skirt: bool
) -> None:
    """Paint legs, shoes and the skirt over them."""
    for side in (-1, 1):
        hip, foot = side * 0.045, side * (0.05 + abs(stride))
        figure.limb((hip, 0.48), (foot, 0.05), 0.05, skin if skirt else clothes)
        figure.limb((foot - 0.01, 0.025), (foot + 0.05 * np.sign(stride), 0.022), 0.028, shoes)
    if skirt:
        figure.trapezoid((0.26, 0.52), (0.16, 0.09), clothes)


def _paint_arms(figure: _Figure, skin: Floats, sleeves: Floats, stride: float, wide: float) -> None:
    """Paint arms and hands; `wide` is half the width of the shoulders."""
    for side in (-1, 1):
        elbow = (side * (wide + 0.05), 0.63)
        hand = (side * (wide + 0.03) + 0.6 * stride, 0.48)
        figure.limb((side * (wide - 0.005), 0.79), elbow, 0.038, sleeves)
        figure.limb(elbow, hand, 0.033, sleeves)
        figure.limb(hand, hand, 0.034, skin)


class _Figure:
    """Draws the parts of one person in units of the height, from the feet up."""

    def __init__(
        self,
        canvas: Canvas,
        window: Window,
        instance: int,
        z: float,
        across: Floats,
        up: Floats,
        light: float,
        shaded_side: float,
    ) -> None:
        self.canvas = canvas
        self.window = window
        self.instance = instance
        self.z = z
        self.across = across
        self.up = up
        # Rounder than flat: darker away from the sun.
        self.light = light * (1 - 1.6 * np.clip(across * shaded_side, -0.16, 0.16))

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], radius: float, colour: Floats
    ) -> None:
        """Paint a rounded bar between two points."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = dx * dx + dy * dy
        if length > 0:
            share = ((self.across - start[0]) * dx + (self.up - start[1]) * dy) / length
            share = np.clip(share, 0, 1)
        else:
            share = np.zeros(1, np.float32)
        away = np.hypot(self.across - start[0] - share * dx, self.up - start[1] - share * dy)
        self._fill(away < radius, colour)

    def trapezoid(
        self, reach: tuple[float, float], halves: tuple[float, float], colour: Floats
    ) -> None:
        """Paint a body part with these half widths at its lower and upper end."""
        low, high = reach
        share = np.clip((self.up - low) / (high - low), 0, 1)
        half = halves[0] + (halves[1] - halves[0]) * share
        shoulders = 0.03 * np.clip((share - 0.85) / 0.15, 0, 1)
        inside = (self.up > low) & (self.up < high) & (np.abs(self.across) < half - shoulders)
        self._fill(inside, colour)

    def stripes(self, reach: tuple[float, float], half: float, colour: Floats) -> None:
        """Paint level stripes on the upper body."""
        inside = (self.up > reach[0]) & (self.up < reach[1]) & (np.abs(self.across) < half)
        self._fill(inside & (self.up * 14 % 1 < 0.45), colour)

    def head(self, skin: Floats, hair: Floats, from_behind: bool) -> None:
        """Paint head and hair."""
        away = np.hypot(self.across / 0.055, (self.up - 0.925) / 0.07)
        self._fill(np.hypot(self.across / 0.064, (self.up - 0.935) / 0.078) < 1, hair)
        if not from_behind:
            self._fill((away < 1) & (self.up < 0.952), skin)

    def _fill(self, mask: Bools, colour: Floats) -> None:
        self.canvas.paint(self.window, mask, colour, self.light, HUMAN, self.z, self.instance)


def _paint_shadow(
    canvas: Canvas, camera: Camera, look: Look, x: float, z: float, tall: float
) -> None:
    """Darken the ground from the feet away from the sun."""
    dx = -look.sun[0] * tall * 0.7
    dz = float(np.clip(look.sun[2], -0.5, 0.9)) * tall * 0.6
    corners = [
        (x + sx, 0.0, max(z + sz, 1.0))
        for sx in (-0.3, dx - 0.3, dx + 0.3, 0.3)
        for sz in (-0.3, dz - 0.3, dz + 0.3)
    ]
    window = camera.window(corners)
    if window is None or window[0].start < camera.below_horizon[0].start:
        return
    ground_x, ground_z = camera.level(0.0, window)
    share = ((ground_x - x) * dx + (ground_z - z) * dz) / (dx * dx + dz * dz + 1e-6)
    share = np.clip(share, 0, 1)
    away = np.hypot(ground_x - x - share * dx, ground_z - z - share * dz)
    depth = 0.75 * (1 - look.ambient) * np.clip((0.27 - away) / 0.12, 0, 1)
    depth += 0.35 * np.clip(1 - np.hypot(ground_x - x, ground_z - z) / 0.4, 0, 1)
    flat = canvas.labels[window] == FLAT
    canvas.shade(window, np.where(flat, 1 - np.clip(depth, 0, 0.8), 1).astype(np.float32))
