"""The other region that shows whether a heatmap depends on the region it was asked about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..explainer import Explainer
from ..regions import Box, Footprint, Mask, Region, as_region, bounds
from .reading import footprint_of
from .whole_pass import WholePass

# Fewer pixels than this share of M are its ragged edge rather than another thing.
_LEAST = 0.1


@dataclass(frozen=True, eq=False)
class OtherRegion:
    """A region beside M.

    Attributes
    ----------
    footprint
        Its pixels; None if there is no other region.
    words
        Which it is.
    """

    footprint: Footprint | None
    words: str


def other_region_of(
    explainer: Explainer,
    through: WholePass,
    given: Region | ArrayLike | None,
    target: int,
) -> OtherRegion:
    """The region that was given, or the one that stands in for it.

    That is the rest of the pixels that are predicted as the class; if these are fewer than a
    tenth of M, the mirror image of M through the middle of the image, without M.

    Parameters
    ----------
    explainer, through
        Image and pass that ask about M.
    given
        Region to take; None: choose one.
    target
        The class c.

    Raises
    ------
    RegionError
        If the given region is empty or does not fit the image.
    """
    if given is not None:
        return OtherRegion(footprint_of(explainer, given), as_region(given).describe())
    mask = through.region.mask(explainer.image_shape)
    rest = _seen((explainer.prediction == target) & ~mask, through.view.box)
    name = explainer.network.classes[target]
    if np.count_nonzero(rest) >= _LEAST * through.region.pixels:
        return OtherRegion(_footprint(rest), f"the other pixels predicted as {name!r}")
    mirrored = _seen(np.flip(mask) & ~mask, through.view.box)
    if mirrored.any():
        return OtherRegion(_footprint(mirrored), "the mirror image of the region")
    return OtherRegion(None, "none: the region is its own mirror image")


def _seen(mask: Mask, box: Box | None) -> Mask:
    """The pixels on the patch that the network sees, if it sees patches."""
    if box is None:
        return mask
    seen = np.zeros_like(mask)
    seen[box] = mask[box]
    return seen


def _footprint(mask: Mask) -> Footprint:
    box = bounds(mask)
    assert box is not None  # a mask with pixels
    return Footprint(tuple(side.start for side in box), mask[box])
