"""Ratios between units of length, and nothing else about units."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PIXEL = "pixel"


def unit_ratio(source: Sequence[str], target: Sequence[str]) -> NDArray[np.float64]:
    """How many target units one source unit is, per axis.

    Parameters
    ----------
    source, target : sequence of str
        Names of units that pint knows, one per axis; both of one length.

    Returns
    -------
    (n,) float64
        Factors for coordinates in ``source``. All 1 as soon as one axis has
        units that can't be converted (pixels and micrometres): napari too
        draws such layers together by their bare numbers, on every axis.
    """
    if len(source) != len(target):
        raise ValueError(f"{len(source)} units can't be compared with {len(target)}")
    if tuple(source) == tuple(target):
        return np.ones(len(source))
    import pint

    registry = pint.get_application_registry()
    try:
        return np.array(
            [
                registry.Quantity(1.0, one).to(other).magnitude
                for one, other in zip(source, target, strict=True)
            ]
        )
    except pint.DimensionalityError:
        return np.ones(len(source))
