"""The patches through which a network's own inference goes, and prediction over all of them.

Some networks have to see images of the one size that they were made for: because they run on no
other, or because a norm over the whole of what they see makes its size part of the answer. On an
image, they go from patch to patch in the way of nnU-Net: half a patch further at most, the rest of
the image shared evenly; logits are averaged, with most weight to the middle of a patch.

Where an image is smaller than a patch, it is padded with zeros, as nnU-Net does; but for networks
that run on one size only it is mirrored, as everywhere else, because nothing says that they have
seen zeros.

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
from .sizes import AxisRule, only_size

Box = tuple[slice, ...]

_STEP = 0.5  # of a patch, at most
_DEVIATION = 1 / 8  # of a patch
_CUT = 4 * _DEVIATION  # where scipy's filter, which nnU-Net calls, ends its Gaussian


def patch_in_words(patch: Sequence[int]) -> str:
    """Size of a patch for people."""
    return " × ".join(map(str, patch)) + " pixels"


def sizes_in_words(patch: Sequence[int] | None, rules: Sequence[AxisRule]) -> str:
    """Which images a network takes, for people."""
    only = only_size(rules)
    if only is not None:
        return f"{patch_in_words(only)} only, larger images in such patches"
    if patch is not None:
        return f"patches of {patch_in_words(patch)}"
    steps = [rule.step for rule in rules]
    return f"step {' × '.join(map(str, steps if len(set(steps)) > 1 else steps[:1]))}"


def padding_of(patch: Sequence[int] | None, rules: Sequence[AxisRule]) -> str:
    """How images are padded to the size that a network needs: ``"reflect"`` or ``"zeros"``."""
    return "reflect" if patch is None or only_size(rules) is not None else "zeros"


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


def pad_to_patch(
    values: NDArray[np.float32], patch: Sequence[int], rules: Sequence[AxisRule]
) -> PreparedImage:
    """The normalised image, padded on both sides until it has room for a patch.

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
        if rule.fit(size) != size or rule.margin > 0:
            raise OptionError(_refusal(patch, axis, rule))
    shape = values.shape[1:]
    missing = [max(0, least - size) for least, size in zip(patch, shape, strict=True)]
    before = tuple(n // 2 for n in missing)
    after = tuple(n - n // 2 for n in missing)
    widths = [(0, 0), *zip(before, after, strict=True)]
    if padding_of(patch, rules) == "zeros":
        padded = np.pad(values, widths)
    else:
        padded = np.pad(values, widths, mode="reflect")
    return PreparedImage(torch.from_numpy(padded[np.newaxis]), shape, before, after)


def _refusal(patch: Sequence[int], axis: int, rule: AxisRule) -> str:
    if rule.is_fixed and rule.margin > 0:
        return (
            f"The network takes {rule.base} pixels along axis {axis}, and no other number, and its "
            f"output covers {rule.base - rule.margin} of them; expected one whose output covers "
            "all of its input. Export it for images of any size."
        )
    takes = "it takes" if rule.is_fixed else f"its output covers {patch[axis]} pixels from"
    return (
        f"The network takes no patches of {patch_in_words(patch)}: along axis {axis} {takes} "
        f"an input of {rule.fit(patch[axis])}. Give a patch= that it takes."
    )


def patch_of(image: PreparedImage, window: Box) -> PreparedImage:
    """One patch of a padded image; pixels of the image that are cut off count as less than none.

    Parameters
    ----------
    image
        From `pad_to_patch`.
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
        From `pad_to_patch`.
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
