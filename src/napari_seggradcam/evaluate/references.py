"""What a heatmap is compared with: edges of the image, logits and mask of the class.

The edges are `napari_seggradcam.explain.comparison.echoes.image_gradients`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGES, LOGITS, MASK = "image gradients", "logits", "predicted mask"
REFERENCES = (EDGES, LOGITS, MASK)


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
