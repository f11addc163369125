"""What a heatmap is compared with: edges of the image, logits and mask of the class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGES, LOGITS, MASK = "image gradients", "logits", "predicted mask"
REFERENCES = (EDGES, LOGITS, MASK)

# Rec. 709: how much red, green and blue count for the brightness that people see.
_LUMINANCE = (0.2125, 0.7154, 0.0721)


def image_gradients(image: ArrayLike, axes: str) -> NDArray[np.float64]:
    """Size of the Sobel gradient of the luminance at every pixel.

    Parameters
    ----------
    image
        Raw values.
    axes
        One letter an axis, such as ``"YX"``, ``"YXC"`` or ``"CZYX"``. Three channels are red,
        green and blue; any other number is averaged.

    Returns
    -------
    ndarray of float64, spatial shape of the image
        In raw units; ranks do not depend on them.
    """
    from skimage.filters import sobel

    return np.asarray(sobel(_luminance(np.asarray(image, np.float64), axes)))


def class_references(
    logits: NDArray[np.float32], target: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of a class, and the mask (0 or 1) of the pixels predicted as it.

    Parameters
    ----------
    logits
        Of shape (classes, *spatial).
    target
        Index of the class.
    """
    mask = logits.argmax(axis=0) == target
    return logits[target].astype(np.float64), mask.astype(np.float64)


def standard_ranks(values: ArrayLike) -> NDArray[np.float64] | None:
    """Ranks of a map's values, with mean 0 and length 1; equal values share their mean rank.

    The product of two such vectors is Spearman's rank correlation.

    Parameters
    ----------
    values
        Any shape.

    Returns
    -------
    ndarray of float64, one axis, or None
        None where the map has no ranks: the same value everywhere, or a NaN.
    """
    from scipy.stats import rankdata

    flat = np.ravel(values)
    if flat.size == 0 or not np.ptp(flat) > 0:
        return None
    ranks = rankdata(flat)
    ranks -= ranks.mean()
    return np.asarray(ranks / np.sqrt(ranks @ ranks))


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two maps of one shape; NaN where one has no ranks."""
    ranks, others = standard_ranks(first), standard_ranks(second)
    return float("nan") if ranks is None or others is None else float(ranks @ others)


def _luminance(image: NDArray[np.float64], axes: str) -> NDArray[np.float64]:
    if "C" not in axes:
        return image
    channels = np.moveaxis(image, axes.index("C"), 0)
    if len(channels) != len(_LUMINANCE):
        return np.asarray(channels.mean(axis=0))
    return np.tensordot(np.array(_LUMINANCE), channels, axes=1)
