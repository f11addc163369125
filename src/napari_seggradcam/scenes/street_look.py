"""What is drawn at random for a whole scene: its light, its weather and its colours.

One small pool of colours is shared by walls, cars, clothes, signs, and in part by sky, road
and leaves. A grey may be road, wall, car or coat, a green a tree or a van: what a pixel
shows has to be read from texture, shape and surroundings.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .arrays import Floats

WEATHERS = ("clear", "cloudy", "overcast", "evening", "night")
_WEATHER_SHARES = (0.42, 0.32, 0.16, 0.08, 0.02)


@dataclass(frozen=True)
class Look:
    """Light, weather and colours of one scene.

    Attributes
    ----------
    weather : str
        One of `WEATHERS`.
    sun : tuple of float
        Unit vector towards the sun: right, up, towards the camera.
    ambient : float
        Share of light that comes from everywhere.
    exposure : float
        Brightness of the whole picture.
    haze : float
        Distance in metres at which haze has swallowed 63 % of a colour.
    tint : ndarray, shape (3,)
        Colour of the light.
    pool : ndarray, shape (n, 3)
        Colours that all kinds of things share.
    road, pavement, grass, leaves, zenith, skyline : ndarray, shape (3,)
        Base colours of ground, plants and sky (overhead, and at the horizon).
    """

    weather: str
    sun: tuple[float, float, float]
    ambient: float
    exposure: float
    haze: float
    tint: Floats
    pool: Floats
    road: Floats
    pavement: Floats
    grass: Floats
    leaves: Floats
    zenith: Floats
    skyline: Floats

    @property
    def is_dark(self) -> bool:
        """Whether lamps and windows are lit."""
        return self.weather in ("night", "evening")

    def light(self, normal: tuple[float, float, float]) -> float:
        """Return the brightness of a surface with this normal (right, up, towards the camera)."""
        facing = sum(n * s for n, s in zip(normal, self.sun, strict=True))
        return self.ambient + (1.15 - self.ambient) * max(0.0, facing)

    def pick(self, rng: np.random.Generator, jitter: float = 0.05) -> Floats:
        """Return a colour of the shared pool, slightly changed."""
        colour = self.pool[int(rng.integers(len(self.pool)))]
        changed: Floats = np.clip(colour + rng.normal(0, jitter, 3), 0.03, 0.97)
        return changed.astype(np.float32)


def draw_look(rng: np.random.Generator) -> Look:
    """Draw the look of a scene."""
    weather = str(rng.choice(WEATHERS, p=_WEATHER_SHARES))
    side = float(rng.uniform(-1, 1))
    up = float(rng.uniform(0.45, 0.95))
    sun = np.array([side, up, rng.uniform(-0.6, 0.9)])
    sun /= np.linalg.norm(sun)
    zenith, skyline = _sky_colours(rng, weather)
    road = _grey(rng, 0.25, 0.5, 0.04)
    leaves = _leaf_colour(rng)
    pool = [_hsv(rng.random(), rng.uniform(0.15, 0.8), rng.uniform(0.25, 0.92)) for _ in range(4)]
    pool += [_grey(rng, 0.12, 0.9, 0.04) for _ in range(2)]
    # Things take over the colours of road, leaves and sky: camouflage is common in streets.
    pool += [road * float(rng.uniform(0.8, 1.3))]
    pool += [leaves * 1.1 if rng.random() < 0.4 else 0.5 * (zenith + skyline)]
    flat = {"clear": 0.42, "cloudy": 0.55, "overcast": 0.85, "evening": 0.55, "night": 0.85}
    exposure = {"night": 0.58, "evening": 0.8}.get(weather, 1.0) * float(rng.uniform(0.82, 1.15))
    warm = {"evening": 0.14, "night": -0.08}.get(weather, 0.0) + float(rng.normal(0, 0.035))
    return Look(
        weather=weather,
        sun=(float(sun[0]), float(sun[1]), float(sun[2])),
        ambient=flat[weather],
        exposure=exposure,
        haze=float(np.exp(rng.uniform(np.log(120), np.log(1200)))),
        tint=np.array([1 + warm, 1.0, 1 - warm], np.float32),
        pool=np.clip(np.array(pool, np.float32), 0.04, 0.96),
        road=road,
        pavement=_grey(rng, 0.42, 0.72, 0.05),
        grass=np.clip(leaves * rng.uniform(0.85, 1.35) + rng.normal(0, 0.04, 3), 0.05, 0.9).astype(
            np.float32
        ),
        leaves=leaves,
        zenith=zenith,
        skyline=skyline,
    )


def _sky_colours(rng: np.random.Generator, weather: str) -> tuple[Floats, Floats]:
    if weather == "overcast":
        grey = _grey(rng, 0.5, 0.85, 0.04)
        return grey * 0.92, np.clip(grey * 1.1, 0, 1)
    if weather == "evening":
        zenith = _hsv(rng.uniform(0.58, 0.8), rng.uniform(0.2, 0.5), rng.uniform(0.4, 0.7))
        return zenith, _hsv(rng.uniform(0.02, 0.12), rng.uniform(0.3, 0.65), rng.uniform(0.8, 1.0))
    if weather == "night":
        zenith = _hsv(rng.uniform(0.55, 0.75), rng.uniform(0.3, 0.7), rng.uniform(0.12, 0.3))
        return zenith, np.clip(zenith * 1.6 + 0.08, 0, 1)
    zenith = _hsv(rng.uniform(0.53, 0.63), rng.uniform(0.3, 0.7), rng.uniform(0.6, 0.95))
    skyline = np.clip(zenith + (1 - zenith) * rng.uniform(0.35, 0.75), 0, 1).astype(np.float32)
    return zenith, skyline


def _leaf_colour(rng: np.random.Generator) -> Floats:
    kind = rng.random()
    if kind < 0.88:
        return _hsv(rng.uniform(0.2, 0.37), rng.uniform(0.32, 0.7), rng.uniform(0.3, 0.6))
    if kind < 0.96:  # autumn
        return _hsv(rng.uniform(0.02, 0.15), rng.uniform(0.4, 0.75), rng.uniform(0.4, 0.7))
    return _hsv(rng.uniform(0.38, 0.55), rng.uniform(0.15, 0.4), rng.uniform(0.3, 0.6))


def _grey(rng: np.random.Generator, low: float, high: float, colourful: float) -> Floats:
    grey = rng.uniform(low, high) + rng.normal(0, colourful / 2, 3)
    return np.clip(grey, 0.03, 0.97).astype(np.float32)


def _hsv(hue: float, saturation: float, value: float) -> Floats:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)
