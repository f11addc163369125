"""Procedural textures, sampled at metric coordinates so that they follow perspective.

All noise comes from a few fixed periodic tiles. Where a texture is laid is up to the caller's
coordinates, so that drawing a scene costs a look-up and not a new random field.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

TILE = 256


@lru_cache(maxsize=8)
def tile(roughness: float) -> Floats:
    """Return a periodic noise tile, (256, 256), mean 0 and standard deviation 1.

    Parameters
    ----------
    roughness : float
        Exponent of the amplitude spectrum, 1/f**roughness: 0 is white noise, 1 looks like
        foliage, 2 like clouds.
    """
    rng = np.random.default_rng(20)
    fy = np.fft.fftfreq(TILE)[:, None]
    fx = np.fft.rfftfreq(TILE)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / frequency**roughness
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(TILE, TILE))
    scaled: Floats = (np.clip(field / field.std(), -3, 3)).astype(np.float32)
    scaled.setflags(write=False)
    return scaled


def noise(roughness: float, a: Floats, b: Floats) -> Floats:
    """Return the tile's value at coordinates `a`, `b` in texels; they repeat every 256."""
    rows = np.floor(a).astype(np.int32) & (TILE - 1)
    columns = np.floor(b).astype(np.int32) & (TILE - 1)
    return tile(roughness)[rows, columns]


def smooth_noise(roughness: float, a: Floats, b: Floats) -> Floats:
    """Return the tile's value between texels too: for textures larger than pixels."""
    row, column = np.floor(a), np.floor(b)
    down, right = a - row, b - column
    rows = row.astype(np.int32) & (TILE - 1)
    columns = column.astype(np.int32) & (TILE - 1)
    below, beside = (rows + 1) & (TILE - 1), (columns + 1) & (TILE - 1)
    field = tile(roughness)
    upper = field[rows, columns] * (1 - right) + field[rows, beside] * right
    lower = field[below, columns] * (1 - right) + field[below, beside] * right
    blended: Floats = (upper * (1 - down) + lower * down).astype(np.float32)
    return blended


def cell_noise(a: Floats, b: Floats) -> Floats:
    """Return one value of standard deviation 1 per unit cell: for bricks, slabs and windows."""
    rows = np.floor(a).astype(np.int32)
    columns = np.floor(b).astype(np.int32)
    return tile(0.0)[(rows * 37 + columns * 101) & (TILE - 1), (columns * 53 + rows) & (TILE - 1)]


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
    ndarray of float32
        About 1 on average.
    """
    course = up / height
    stone = along / length + 0.5 * (np.floor(course) % 2)
    value = 1.0 + 0.09 * cell_noise(course, stone)
    in_joint = (course % 1 < joint) | (stone % 1 < joint * height / length)
    masonry: Floats = np.where(in_joint, value * 0.74, value).astype(np.float32)
    return masonry
