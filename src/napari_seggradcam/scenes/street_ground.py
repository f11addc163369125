"""Sky and ground: everything that has no height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import textures
from .arrays import Bools, Floats
from .street_camera import Camera
from .street_canvas import FAR, FLAT, NATURE, SKY, Canvas
from .street_look import Look

_CLOUD_COVER = {"clear": -1.3, "cloudy": 0.3, "overcast": 0.2, "evening": -0.2, "night": -0.6}


@dataclass(frozen=True)
class Street:
    """The plan of the street, in metres.

    Attributes
    ----------
    middle : float
        X of the road's middle line.
    road : float
        Half the width of the road.
    pavement : float
        Width of the pavement on each side.
    front : tuple of float
        Distance from the middle at which gardens end and houses begin, left and right.
    end : float
        Distance at which the street ends.
    crossing : float
        Z of a zebra crossing; negative for none.
    junction : tuple of float
        Z at which a side road begins and ends; both negative for none.
    """

    middle: float
    road: float
    pavement: float
    front: tuple[float, float]
    end: float
    crossing: float
    junction: tuple[float, float]

    @property
    def kerb(self) -> float:
        """Distance from the middle line at which the pavement ends and gardens begin."""
        return self.road + self.pavement


def paint_sky(canvas: Canvas, camera: Camera, look: Look, rng: np.random.Generator) -> None:
    """Paint the sky: a gradient, clouds that flatten towards the horizon, the sun's glow."""
    window = slice(0, min(camera.size[0], int(camera.horizon) + 2)), slice(0, camera.size[1])
    across, up = camera.frontal(1.0, window)
    rise = np.clip(up - camera.height, 0, None)
    share = np.clip(rise * 1.6, 0, 1)[..., None] ** 0.7
    gradient = look.skyline * (1 - share) + look.zenith * share
    lift = 9.0 / (rise + 0.22)
    start = rng.uniform(0, 256, 2).astype(np.float32)
    field = textures.smooth_noise(textures.CLOUDS, lift + start[0], across * lift + start[1] + 512)
    cover = _CLOUD_COVER[look.weather] + float(rng.normal(0, 0.3))
    thick = 0.35 if look.weather == "overcast" else 0.62
    cloud = thick * np.clip(field + cover, 0, 1.4)[..., None]
    white = np.clip(look.skyline * 0.55 + 0.45, 0, 1) * (0.35 if look.weather == "night" else 1.0)
    colour = gradient * (1 - cloud) + white.astype(np.float32) * cloud
    if look.weather in ("clear", "evening"):
        away = np.hypot(across - look.sun[0] * 1.2, rise - 0.5 * look.sun[1])
        colour += (0.35 * np.exp(-((away / 0.3) ** 2)))[..., None] * look.tint
    everywhere = np.ones(colour.shape[:2], bool)
    canvas.paint(window, everywhere, colour.reshape(-1, 3), 1.0, SKY, FAR)


def paint_ground(
    canvas: Canvas, camera: Camera, look: Look, street: Street, rng: np.random.Generator
) -> None:
    """Paint road, pavement, markings, and gardens or squares beyond the pavement."""
    window = camera.below_horizon
    x, z = camera.level(0.0, window)
    z = np.broadcast_to(np.clip(z, 0, FAR), x.shape)
    off = np.abs(x - street.middle)
    in_junction = (z > street.junction[0]) & (z < street.junction[1])
    on_road = (off < street.road) | in_junction
    on_pavement = ~on_road & (off < street.kerb)
    beyond = ~on_road & ~on_pavement
    paved = rng.random(2) < 0.3
    lawn = beyond & np.where(x < street.middle, not paved[0], not paved[1])
    light = look.light((0.0, 1.0, 0.0))

    def lay(mask: Bools, colour: Floats, value: Floats | float, label: int = FLAT) -> None:
        canvas.paint(window, mask, colour, light * value, label, z)

    def at(mask: Bools) -> tuple[Floats, Floats, Floats]:
        # Fine texture fades where a pixel covers more than its grain.
        return x[mask], z[mask], np.clip(camera.focal / z[mask] / 25, 0, 1)

    lay(on_road, look.road, _asphalt(*at(on_road), rng))
    stones = on_pavement | (beyond & ~lawn)
    lay(stones, look.pavement, _slabs(*at(stones), rng))
    lay(lawn, look.grass, _grass(*at(lawn)), NATURE)
    kerb = ~in_junction & (np.abs(off - street.road) < 0.11)
    lay(kerb, look.pavement, 1.15)
    painted = _markings(street, x, z, off, rng) & on_road & ~in_junction & ~kerb
    lay(painted, np.full(3, 0.72, np.float32), 1.0)


def _asphalt(x: Floats, z: Floats, near: Floats, rng: np.random.Generator) -> Floats:
    """Return the brightness of a road: fine grain, patches, darker tracks of the wheels."""
    shift = float(rng.uniform(0, 256))
    grain = 0.07 * near * textures.noise(textures.WHITE, z * 40, x * 40)
    patches = 0.05 * textures.smooth_noise(textures.CLOUDS, z * 3 + shift, x * 6)
    tracks = 0.05 * np.cos(x * (2 * np.pi / float(rng.uniform(1.5, 1.9))))
    repaired = textures.cell_noise(z / 7 + shift, x / 2.6) > 1.5
    value: Floats = 1 + grain + patches - tracks - np.float32(0.1) * repaired
    return value


def _slabs(x: Floats, z: Floats, near: Floats, rng: np.random.Generator) -> Floats:
    """Return the brightness of paving slabs with joints, smaller or larger per scene."""
    side = float(rng.choice([0.5, 0.8, 1.1]))
    joint = ((z / side) % 1 < 0.07) | ((x / side) % 1 < 0.07)
    each = 0.05 * textures.cell_noise(z / side, x / side)
    grain = 0.03 * textures.noise(textures.WHITE, z * 30, x * 30)
    value: Floats = 1 + near * (each + grain - np.float32(0.2) * joint)
    return value


def _grass(x: Floats, z: Floats, near: Floats) -> Floats:
    """Return the brightness of grass: tufts and broad patches."""
    tufts = 0.17 * textures.noise(textures.LEAVES, z * 22, x * 22)
    patches = 0.12 * textures.smooth_noise(textures.LUMPS, z * 2, x * 2)
    value: Floats = 1 + near * (tufts + patches)
    return value


def _markings(street: Street, x: Floats, z: Floats, off: Floats, rng: np.random.Generator) -> Bools:
    """Return where the road is painted: middle line, edge lines, crossing and stop line."""
    dash = float(rng.uniform(3, 6))
    painted: Bools = (off < 0.09) & ((z + rng.uniform(0, 6)) % dash < 0.55 * dash)
    if rng.random() < 0.6:
        painted |= np.abs(off - street.road + 0.35) < 0.07
    if rng.random() < 0.35:
        bay = (off > street.road - 2.1) & ((z + rng.uniform(0, 5)) % 5.5 < 0.14)
        painted |= bay | (np.abs(off - street.road + 2.1) < 0.06)
    if street.crossing > 0:
        zone = (z > street.crossing) & (z < street.crossing + 3.2)
        painted &= ~((z > street.crossing - 2) & (z < street.crossing + 4))
        painted |= zone & ((x + 50) % 1.1 < 0.55) & (off < street.road - 0.2)
        painted |= (
            (z > street.crossing - 1.3)
            & (z < street.crossing - 0.9)
            & ((x > street.middle) & (off < street.road))
        )
    return painted
