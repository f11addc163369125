"""From what was painted to what a camera records."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Floats
from .street_canvas import SKY, Canvas
from .street_look import Look

_LAMPLIGHT = np.array([1.0, 0.85, 0.55], np.float32)


def photograph(canvas: Canvas, look: Look, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return what the camera records: haze, exposure, blur, noise, uint8."""
    clear = np.exp(-canvas.depth / look.haze)
    clear[canvas.labels == SKY] = 0.8
    clear = clear[..., None]
    rgb = canvas.rgb * clear + look.skyline * (1 - clear)
    if look.is_dark:
        lit = canvas.glow[..., None]
        rgb *= look.exposure * look.tint * (1 - lit) + lit
        rgb += 0.5 * _halo(canvas.glow)[..., None] * _LAMPLIGHT
    else:
        rgb *= look.exposure * look.tint
    rgb = _blurred(rgb, float(rng.uniform(0.06, 0.22)))
    rgb += rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(0.004, 0.014))
    pixels: npt.NDArray[np.uint8] = np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels


def _blurred(rgb: Floats, side: float) -> Floats:
    """Return the picture blurred by (side, 1 - 2 side, side) along both axes."""
    for axis in (0, 1):
        before, after = np.roll(rgb, 1, axis), np.roll(rgb, -1, axis)
        edge = [slice(None), slice(None)]
        edge[axis] = slice(0, 1)
        before[tuple(edge)] = rgb[tuple(edge)]
        edge[axis] = slice(-1, None)
        after[tuple(edge)] = rgb[tuple(edge)]
        rgb = rgb * (1 - 2 * side) + (before + after) * side
    return rgb


def _halo(glow: Floats) -> Floats:
    """Return the light that lamps spread in the air, on a coarse grid for speed."""
    from scipy import ndimage

    step = 4
    coarse = ndimage.gaussian_filter(ndimage.uniform_filter(glow, step)[::step, ::step], 1.5)
    spread: Floats = coarse.repeat(step, 0).repeat(step, 1)[: glow.shape[0], : glow.shape[1]]
    smooth: Floats = ndimage.uniform_filter(spread, step + 1)
    return smooth
