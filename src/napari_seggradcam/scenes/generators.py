"""Every kind of generated scene under one call, and which seeds are for what.

Training, validation and test scenes come from seeds that never meet, so that a
result on test scenes is a result on scenes that no training has seen.
"""

from __future__ import annotations

from ..errors import OptionError
from . import nuclei, streets
from .scene import Scene

KINDS = ("nuclei", "streets")
TRAIN_SEEDS = range(0, 1_000_000)
VALIDATION_SEEDS = range(1_000_000, 2_000_000)
TEST_SEEDS = range(2_000_000, 3_000_000)

_GENERATORS = {"nuclei": nuclei.generate, "streets": streets.generate}
_SIZES = {"nuclei": nuclei.SIZE, "streets": streets.SIZE}


def generate(kind: str, seed: int, size: tuple[int, int] | None = None) -> Scene:
    """Return the scene of this kind, seed and size; the same three always give the same scene.

    Parameters
    ----------
    kind : {"nuclei", "streets"}
        What is drawn.
    seed : int
        Any whole number from 0; see `TRAIN_SEEDS`, `VALIDATION_SEEDS` and `TEST_SEEDS`.
    size : tuple of int, optional
        Rows and columns; the kind's own size by default.

    Returns
    -------
    Scene
        Image, class of every pixel and instances.

    Raises
    ------
    OptionError
        If there is no such kind, or the seed is negative.
    ShapeError
        If the size is too small to hold a scene.
    """
    if kind not in _GENERATORS:
        raise OptionError(
            f"There are no generated scenes of kind {kind!r}; choose one of {', '.join(KINDS)}."
        )
    if seed < 0:
        raise OptionError(f"The seed {seed} is negative; give a whole number from 0.")
    return _GENERATORS[kind](seed, _SIZES[kind] if size is None else size)
