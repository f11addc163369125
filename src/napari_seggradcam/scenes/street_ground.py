"""Sky and ground: everything that has no height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_seggradcam.scenes import textures
from napari_seggradcam.scenes.street_camera import Camera
from napari_seggradcam.scenes.street_canvas import FAR, FLAT, NATURE, SKY, Canvas
from napari_seggradcam.scenes.street_look import Look

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


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
    window = camera.everything
    across, down = camera.frontal(1.0, window)
    rise = np.clip(down - camera.height, 0.0, None)
    share = np.clip(rise * 1.6, 0, 1)[..., None] ** 0.7
    colour = look.skyline * (1 - share) + look.zenith * share
    cover = {"clear": -1.3, "cloudy": 0.3, "overcast": 0.2, "evening": -0.2, "night": -0.6}
    lift = 1.0 / (rise + 0.22)
    y = 9.0 * lift + float(rng.uniform(0, 256))
    x = across * lift * 9.0 + float(rng.uniform(0, 256))
    field = textures.smooth_noise(1.7, np.broadcast_to(y, x.shape), x)
    cloud = np.clip(field + cover[look.weather] + float(rng.normal(0, 0.3)), 0, 1.4)[..., None]
    white = np.clip(look.skyline * 0.55 + 0.45, 0, 1) * (0.35 if look.weather == "night" else 1.0)
    strength = 0.35 if look.weather == "overcast" else 0.62
    colour = colour * (1 - strength * cloud) + white * strength * cloud
    if look.weather in ("clear", "evening"):
        away = np.hypot(across - look.sun[0] * 1.2, rise - 0.5 * look.sun[1])
        colour = colour + (0.35 * np.exp(-((away / 0.3) ** 2)))[..., None] * look.tint
    everywhere = np.ones(camera.size, bool)
    canvas.paint(window, everywhere, colour.astype(np.float32), SKY, FAR)


def paint_ground(
    canvas: Canvas, camera: Camera, look: Look, street: Street, rng: np.random.Generator
) -> None:
    """Paint road, pavement, markings, and gardens or squares beyond the pavement."""
    window = camera.below_horizon
    x, z = camera.level(0.0, window)
    z = np.broadcast_to(np.clip(z, 0, FAR), x.shape)
    off = np.abs(x - street.middle)
    near = np.clip(camera.focal / z / 25, 0, 1)
    light = look.light((0.0, 1.0, 0.0))
    side_road = (z > street.junction[0]) & (z < street.junction[1])
    on_road = (off < street.road) | side_road
    on_pavement = ~on_road & (off < street.kerb)

    colour = _asphalt(look, x, z, near, rng)
    slabs = _slabs(look, x, z, near, rng)
    colour = np.where((on_pavement)[..., None], slabs, colour)
    kerb = ~side_road & (np.abs(off - street.road) < 0.11)
    colour = np.where(kerb[..., None], look.pavement * 1.15, colour)
    markings = _markings(street, x, z, off, rng) & (on_road & ~kerb)
    wear = 0.75 + 0.1 * textures.noise(1.0, z * 9, x * 9)
    paint = np.float32(0.92) * wear[..., None]
    colour = np.where(markings[..., None], colour * 0.2 + 0.8 * paint, colour)

    beyond = ~on_road & ~on_pavement
    paved = np.where(x < street.middle, rng.random() < 0.3, rng.random() < 0.3)
    lawn = beyond & ~paved
    grass = (
        look.grass
        * (
            1
            + near * (0.16 * textures.noise(0.6, z * 22, x * 22) + 0.12 * textures.noise(1.4, z, x))
        )[..., None]
    )
    colour = np.where(lawn[..., None], grass, colour)
    colour = np.where((beyond & paved)[..., None], slabs * 0.92, colour) * light
    colour = colour.astype(np.float32)
    canvas.paint(window, ~lawn, colour, FLAT, z)
    canvas.paint(window, lawn, colour, NATURE, z)


def _asphalt(look: Look, x: Floats, z: Floats, near: Floats, rng: np.random.Generator) -> Floats:
    """Return fine grain, patches, and darker tracks of the wheels."""
    shift = float(rng.uniform(0, 256))
    grain = 0.07 * near * textures.noise(0.0, z * 40, x * 40)
    patches = 0.05 * textures.smooth_noise(1.6, z * 3 + shift, x * 6)
    tracks = 0.05 * np.cos(x * (2 * np.pi / float(rng.uniform(1.5, 1.9))))
    patched = 0.1 * (textures.cell_noise(z / 7 + shift, x / 2.6) > 1.5)
    colour: Floats = look.road * (1 + grain + patches - tracks - patched)[..., None]
    return colour


def _slabs(look: Look, x: Floats, z: Floats, near: Floats, rng: np.random.Generator) -> Floats:
    """Return paving slabs with joints, smaller or larger per scene."""
    side = float(rng.choice([0.5, 0.8, 1.1]))
    joint = ((z / side) % 1 < 0.07) | ((x / side) % 1 < 0.07)
    value = 1 + near * (0.05 * textures.cell_noise(z / side, x / side) - 0.2 * joint)
    value += 0.03 * near * textures.noise(0.3, z * 30, x * 30)
    colour: Floats = look.pavement * value[..., None]
    return colour


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
    side_road = (z > street.junction[0]) & (z < street.junction[1])
    return painted & ~side_road
