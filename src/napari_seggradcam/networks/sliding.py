"""The patches through which a network's own inference goes, and prediction over all of them.

Some networks have to see images of the one size that they were made for: because they run on no
other, or because a norm over the whole of what they see makes its size part of the answer. On an
image, they go from patch to patch in the way of nnU-Net: half a patch further at most, the rest of
the image shared evenly; logits are averaged, with most weight to the middle of a patch.

References
----------
F. Isensee et al.: nnU-Net: a self-configuring method for deep learning-based biomedical image
segmentation. Nature Methods 18, 2021. Positions are those of its
``compute_steps_for_sliding_window``, weights those of its ``compute_gaussian``.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import OptionError
from .images import PreparedImage
from .sizes import AxisRule

Box = tuple[slice, ...]

_STEP = 0.5  # of a patch, at most
_DEVIATION = 1 / 8  # of a patch
_CUT = 4 * _DEVIATION  # where scipy's filter, which nnU-Net calls, ends its Gaussian


def patch_in_words(patch: Sequence[int]) -> str:
    """Size of a patch for people."""
    return " × ".join(map(str, patch)) + " pixels"


def first_pixels(size: int, patch: int) -> tuple[int, ...]:
    """First pixel of every patch along an axis that has ``size`` pixels, at least a patch."""
    rest = size - patch
    steps = math.ceil(rest / (_STEP * patch))
    # To whole numbers as numpy does it, halves to even ones.
    return tuple(round(rest / steps * number) for number in range(steps + 1)) if steps else (0,)


def windows(shape: Sequence[int], patch: Sequence[int]) -> tuple[Box, ...]:
    """All patches of an image of a spatial shape, none smaller than a patch."""
    starts = map(first_pixels, shape, patch)
    return tuple(
        tuple(slice(start, start + size) for start, size in zip(first, patch, strict=True))
        for first in product(*starts)
    )


def importance(patch: Sequence[int]) -> NDArray[np.float32]:
    """Weight of every pixel of a patch, a Gaussian around its middle that is nowhere 0."""
    weights: NDArray[np.floating] = np.ones(())
    for size in patch:
        distance = np.abs(np.arange(size) - size // 2)
        along = np.exp(-0.5 * (distance / (_DEVIATION * size)) ** 2)
        along[distance > _CUT * size] = 0
        weights = np.multiply.outer(weights, along)
    found = weights.astype(np.float32)
    found[found == 0] = found[found > 0].min()
    return found


def check_patch(patch: Sequence[int], ndim: int) -> tuple[int, ...]:
    """The size of a patch as a tuple.

    Raises
    ------
    OptionError
        If it is none for a number of spatial axes.
    """
    sizes = tuple(int(size) for size in patch)
    if len(sizes) != ndim or min(sizes) < 1:
        raise OptionError(f"The patch is {sizes}; expected {ndim} sizes in pixels, from 1.")
    return sizes


def padded_with_zeros(
    values: NDArray[np.float32], patch: Sequence[int], rules: Sequence[AxisRule]
) -> PreparedImage:
    """The normalised image with zeros around it, on both sides, until it has room for a patch.

    Parameters
    ----------
    values
        Of shape (channels, *spatial).
    patch
        Size of a patch, per spatial axis.
    rules
        Sizes that the network takes, per spatial axis.

    Raises
    ------
    OptionError
        If the network does not take a patch, or its output does not cover it.
    """
    for axis, (size, rule) in enumerate(zip(patch, rules, strict=True)):
        if rule.fit(size) != size:
            raise OptionError(
                f"The network takes no patches of {patch_in_words(patch)}: along axis {axis} its "
                f"output covers {size} pixels from an input of {rule.fit(size)}. Give a patch= "
                "that it takes."
            )
    shape = values.shape[1:]
    missing = [max(0, least - size) for least, size in zip(patch, shape, strict=True)]
    before = tuple(n // 2 for n in missing)
    after = tuple(n - n // 2 for n in missing)
    padded = np.pad(values, [(0, 0), *zip(before, after, strict=True)])
    return PreparedImage(torch.from_numpy(padded[np.newaxis]), shape, before, after)


def patch_of(image: PreparedImage, window: Box) -> PreparedImage:
    """One patch of a padded image; pixels of the image that are cut off count as less than none.

    Parameters
    ----------
    image
        From `padded_with_zeros`.
    window
        Of the padded image.
    """
    before = tuple(lead - w.start for lead, w in zip(image.before, window, strict=True))
    after = tuple(
        w.stop - lead - size
        for w, lead, size in zip(window, image.before, image.shape, strict=True)
    )
    return PreparedImage(image.tensor[:, :, *window].clone(), image.shape, before, after)


def predict_patches(
    image: PreparedImage,
    patch: Sequence[int],
    predict: Callable[[PreparedImage], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Logits of an image, averaged over the patches that see a pixel.

    Parameters
    ----------
    image
        From `padded_with_zeros`.
    patch
        Size of a patch, per spatial axis.
    predict
        Logits (rows, *patch) of a patch.

    Returns
    -------
    ndarray of float32, shape (rows, *spatial)
        Without the padding.
    """
    weights, shape, none = importance(patch), tuple(patch), (0,) * len(patch)
    total = np.zeros(image.padded_shape, np.float32)
    sums: NDArray[np.float32] | None = None
    for window in windows(image.padded_shape, patch):
        # A copy, because networks may change what they are given.
        rows = predict(PreparedImage(image.tensor[:, :, *window].clone(), shape, none, none))
        if sums is None:
            sums = np.zeros((len(rows), *image.padded_shape), np.float32)
        sums[:, *window] += weights * rows
        total[window] += weights
    assert sums is not None  # an image has a patch
    inside = tuple(slice(b, b + n) for b, n in zip(image.before, image.shape, strict=True))
    found: NDArray[np.float32] = (sums / total)[:, *inside]
    return found
