"""Truncating a heatmap's extent to what can matter for M, which the paper leaves open.

The mean over all positions that α_k is makes Seg-Grad-CAM light up evidence that M can't see. Three
extents say what is kept of a network layer's N positions:

============  =====================================================================
support       positions with a gradient: Σ_k |dS/dA_k| > 0; exactly those that S depends on
mass          the smallest set of positions with a share q of Σ |dS/dA_k A_k|
distance      positions that lie no further from M than the network sees
============  =====================================================================

The support is never larger than the distance: a pooling by maximum passes the gradient to one
position of its window, a rectifier to those where it is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..networks.layers import NetworkLayer
from .axis_reach import AxisReach
from .methods.gradient import LayerGradient
from .options import is_number
from .reach import Reach
from .regions.output import OutputRegion
from .regions.region import Mask

NOTHING_KEPT = (
    "No positive evidence is left: all of it lies where the heatmap was cut off. "
    "Look at it without truncation."
)

# Of the 31 bits of a positive float; the others, exponent and four bits of the fraction, are the
# level.
_BITS_IN_LEVEL = 19
_LEVELS = 1 << 31 - _BITS_IN_LEVEL

# Masses that are worked on together: what is made of them stays in the cache.
_AT_ONCE = 1 << 15

SUPPORT, MASS, DISTANCE = "support", "mass", "distance"


@dataclass(frozen=True)
class Truncation:
    """Which extent a heatmap keeps.

    Attributes
    ----------
    extent
        ``"support"``, ``"mass"`` or ``"distance"``.
    share
        q of a mass, above 0 and at most 1.
    """

    extent: str
    share: float | None = None

    @classmethod
    def of(cls, given: Any) -> "Truncation | None":
        """Truncation as users write it: None, ``"support"``, ``("mass", q)`` or ``"distance"``.

        Raises
        ------
        OptionError
            If it is something else.
        """
        if given is None:
            return None
        if isinstance(given, str) and given in (SUPPORT, DISTANCE):
            return cls(given)
        if isinstance(given, list | tuple) and len(given) == 2:
            extent, share = given
            is_mass = isinstance(extent, str) and extent == MASS
            if is_mass and is_number(share) and 0 < share <= 1:
                return cls(MASS, float(share))
        raise OptionError(
            f"truncate is {given!r}; expected None, 'support', 'distance', or ('mass', q) with a "
            "share q above 0 and at most 1, such as ('mass', 0.95)."
        )

    @property
    def needs_gradient(self) -> bool:
        """Whether it needs the gradient position by position."""
        return self.extent != DISTANCE

    def describe(self) -> str | list[Any]:
        """In JSON types, as `of` takes it."""
        return self.extent if self.share is None else [self.extent, self.share]


def extent_of(
    truncate: Truncation,
    mass: NDArray[np.floating[Any]] | None,
    gradient: LayerGradient,
    region: OutputRegion,
    layer: NetworkLayer,
    shape: Sequence[int],
    reach: Reach,
) -> tuple[Mask, str | None]:
    """Which positions of a network layer are kept, and what is to be said of it.

    Parameters
    ----------
    truncate
        Which extent.
    mass
        Σ_k |dS/dA_k A_k|, where the extent is one of mass.
    gradient
        dS/dA_k, kept unless the extent is the distance.
    region
        M on the output.
    layer
        The network layer.
    shape
        Spatial shape of its feature maps.
    reach
        How far the network sees.

    Returns
    -------
    tuple of ndarray of bool and (str or None)
        Of the feature maps' spatial shape; and why everything is kept, if the network sees it all.
    """
    if truncate.extent == MASS:
        assert mass is not None
        assert truncate.share is not None
        return largest_mass(mass, truncate.share), None
    if truncate.extent == SUPPORT:
        kept = np.asarray(gradient.support(shape).numpy())
    elif reach.axes is None:
        kept = np.ones(tuple(shape), bool)
    else:
        kept = within_reach(region, reach.axes, layer, shape)
    if reach.axes is None and kept.all():
        return kept, f"{reach.why_not} No position can be left out."
    return kept, None


def largest_mass(mass: NDArray[np.floating[Any]], share: float) -> Mask:
    """The smallest set of positions with a share of all mass; of equals the first.

    Parameters
    ----------
    mass
        Not negative.
    share
        Above 0, at most 1.
    """
    flat = mass.ravel()
    # What is no number, as half precision may make it, has no mass.
    parts = [np.fmax(flat[i : i + _AT_ONCE], 0) for i in range(0, flat.size, _AT_ONCE)]
    by_level = np.zeros(_LEVELS)
    for part in parts:
        by_level += np.bincount(_levels_of(part), part, _LEVELS)
    sums = np.cumsum(by_level[::-1])
    if not sums[-1]:
        return np.zeros(mass.shape, bool)
    # Rounding may leave the sum of a share of 1 below what is asked for.
    wanted = share * sums[-1] * (1 - 1e-12)
    whole = int(np.searchsorted(sums, wanted))
    level = _LEVELS - 1 - whole
    # One level alone has to be sorted.
    falling = np.sort(np.concatenate([part[_levels_of(part) == level] for part in parts]))[::-1]
    rest = wanted - (sums[whole - 1] if whole else 0.0)
    last = min(int(np.searchsorted(np.cumsum(falling, dtype=float), rest)), falling.size - 1)
    least = falling[last]
    kept: Mask = mass > least
    equals = np.flatnonzero(mass == least)
    kept.ravel()[equals[: np.count_nonzero(falling[: last + 1] == least)]] = True
    return kept


def _levels_of(mass: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Numbers that are in the order of the masses, of which some share one.

    They are the first bits of floats, whose bits are in the order of the floats.
    """
    bits = mass.astype(np.float32, copy=False).view(np.int32)
    return np.right_shift(bits, _BITS_IN_LEVEL)


def within_reach(
    region: OutputRegion, axes: Sequence[AxisReach], layer: NetworkLayer, shape: Sequence[int]
) -> Mask:
    """Positions of a network layer that lie on input pixels that some pixel of M sees.

    Parameters
    ----------
    region
        M on the output.
    axes
        How far the output sees, per spatial axis.
    layer
        The network layer.
    shape
        Spatial shape of its feature maps.
    """
    seen: Mask = region.weights != 0
    for axis, (reach, side) in enumerate(zip(axes, region.box, strict=True)):
        stride, offset = layer.stride[axis], layer.offset[axis]
        pixels = np.floor(np.arange(shape[axis]) * stride + offset + 0.5).astype(int)
        outputs = np.arange(side.start, side.stop)
        seen = _spread(seen, axis, reach.inputs(outputs, outputs + 1), pixels)
    return np.asarray(seen)


def _spread(
    mask: Mask, axis: int, ranges: tuple[NDArray[Any], NDArray[Any]], pixels: NDArray[np.intp]
) -> Mask:
    """Along one axis: at which pixels the range of some True element is.

    Parameters
    ----------
    mask
        Elements.
    axis
        Which axis.
    ranges
        First pixels of all elements' ranges, and those behind their last; neither ever falls.
    pixels
        Where the result's elements lie.
    """
    starts, stops = ranges
    # Elements whose range has a pixel stand side by side, so that counting them tells.
    first = np.searchsorted(stops, pixels, side="right")
    behind = np.searchsorted(starts, pixels, side="right")
    small = np.min_scalar_type(mask.shape[axis])  # of counts; large arrays take longer to get
    counts = np.cumsum(mask, axis=axis, dtype=small)
    counts = np.concatenate([np.zeros_like(np.take(counts, [0], axis)), counts], axis)
    behind = np.maximum(behind, first)
    return np.asarray(np.take(counts, behind, axis) > np.take(counts, first, axis))
