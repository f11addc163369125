"""Procedural textures, sampled at metric coordinates so that they follow perspective.

All noise comes from a few fixed periodic tiles. Where a texture is laid is up to the caller's
coordinates, so that drawing a scene costs a look-up and not a new random field.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .arrays import Floats

TILE = 256
# Exponents of the amplitude spectrum, 1/f**roughness.
WHITE, LEAVES, LUMPS, CLOUDS = 0.0, 0.7, 1.2, 1.7
# Steps per texel in the tiles that are read between texels.
_FINE = 4


@cache
def tile(roughness: float) -> Floats:
    """Return a periodic noise tile, (256, 256), mean 0 and standard deviation 1.

    Parameters
    ----------
    roughness : float
        Exponent of the amplitude spectrum, 1/f**roughness: `WHITE`, `LEAVES`, `LUMPS` or
        `CLOUDS`.
    """
    rng = np.random.default_rng(20)
    fy = np.fft.fftfreq(TILE)[:, None]
    fx = np.fft.rfftfreq(TILE)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / frequency**roughness
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(TILE, TILE))
    scaled: Floats = np.clip(field / field.std(), -3, 3).astype(np.float32)
    scaled.setflags(write=False)
    return scaled


@cache
def _fine_tile(roughness: float) -> Floats:
    """Return the same tile with four steps per texel, (1024, 1024)."""
    from scipy import ndimage

    wrapped = np.pad(tile(roughness), ((0, 1), (0, 1)), mode="wrap")
    at = np.arange(TILE * _FINE) / _FINE
    fine = ndimage.map_coordinates(wrapped, np.meshgrid(at, at, indexing="ij"), order=1)
    fine_tile: Floats = fine.astype(np.float32)
    fine_tile.setflags(write=False)
    return fine_tile


def noise(roughness: float, a: Floats, b: Floats) -> Floats:
    """Return the tile's value at coordinates `a`, `b` in texels; they repeat every 256."""
    return _look_up(tile(roughness), a, b)


def smooth_noise(roughness: float, a: Floats, b: Floats) -> Floats:
    """Return the tile's value between texels too: for textures larger than pixels."""
    return _look_up(_fine_tile(roughness), a * _FINE, b * _FINE)


def cell_noise(a: Floats, b: Floats) -> Floats:
    """Return one value of standard deviation 1 per unit cell: for bricks, slabs and windows."""
    rows = np.floor(a).astype(np.int32)
    columns = np.floor(b).astype(np.int32)
    mixed = ((rows * 37 + columns * 101) & (TILE - 1)) * TILE
    values: Floats = tile(WHITE).ravel()[mixed + ((columns * 53 + rows) & (TILE - 1))]
    return values


def courses(along: Floats, up: Floats, length: float, height: float, joint: float) -> Floats:
    """Return the brightness of masonry: stones in shifted courses with darker joints.

    Parameters
    ----------
    along, up : ndarray
        Coordinates on the wall, metres.
    length, height : float
        Size of a stone, metres.
    joint : float
        Width of the joints as a share of the stone's height.

    Returns
    -------
    ndarray
        About 1 on average.
    """
    course = up / height
    stone = along / length + 0.5 * (np.floor(course) % 2)
    value = 1.0 + 0.09 * cell_noise(course, stone)
    in_joint = (course % 1 < joint) | (stone % 1 < joint * height / length)
    value[in_joint] *= 0.74
    return value


def _look_up(field: Floats, a: Floats, b: Floats) -> Floats:
    side = field.shape[0]
    # Astype rounds towards zero, which for negative coordinates merely repeats one texel.
    index = (a.astype(np.int32) & (side - 1)) * side + (b.astype(np.int32) & (side - 1))
    values: Floats = field.ravel()[index]
    return values
