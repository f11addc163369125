"""Many vectors as colours and as groups."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingPackage

# Of the values of a component, these percentiles are 0 and 1: a few outliers must not be all that
# is seen.
_RANGE = (1, 99)
_SEED = 0
# Numbers of clusters among which the silhouette chooses.
_COUNTS = range(2, 11)
# Vectors of which the silhouette compares every two.
_COMPARED = 4096


def colours_of(vectors: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Red, green and blue for vectors: their first three principal components.

    The sign of a component is such that its largest loading is positive.

    Parameters
    ----------
    vectors
        Of shape (n, channels).

    Returns
    -------
    tuple of ndarray of float32, shape (n, 3), and tuple of three floats
        Colours from 0 to 1, one half where a component does not vary; and the share of the
        variance that each component has.
    """
    colours = np.full((len(vectors), 3), 0.5, np.float32)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    variance = sizes**2 / max(float(np.sum(sizes**2)), np.finfo(float).tiny)
    for number, axis in enumerate(axes[:3]):
        values = centred @ (axis * np.sign(axis[np.abs(axis).argmax()]))
        low, high = np.percentile(values, _RANGE)
        if high - low > 1e-9 * (np.abs(vectors).max() or 1):
            colours[:, number] = ((values - low) / (high - low)).clip(0, 1)
    shares = [float(share) for share in variance[:3]]
    return colours, tuple(shares + [0.0] * (3 - len(shares)))


def groups_of(
    vectors: NDArray[np.float64], count: int | None
) -> tuple[NDArray[np.intp], dict[int, float]]:
    """Groups of vectors by k-means.

    Parameters
    ----------
    vectors
        Of shape (n, channels).
    count
        Number of groups; None: the one from 2 to 10 with the highest mean silhouette [1]_. Fewer
        where there are not so many different vectors.

    Returns
    -------
    tuple of ndarray of int, shape (n,), and dict of float
        Group of every vector, from 1, the largest group first; and the mean silhouette by number
        of groups, as far as it was computed.

    Raises
    ------
    MissingPackage
        If scikit-learn is not installed.

    References
    ----------
    .. [1] P. J. Rousseeuw: Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis. Journal of Computational and Applied Mathematics 20 (1987), 53-65.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise MissingPackage(
            "Clusters of weights need scikit-learn. Install it: "
            'pip install "napari-seggradcam[plots]", or leave them out with clusters=None.'
        ) from error

    different = len(np.unique(vectors.round(6), axis=0))

    def grouped(number: int) -> NDArray[np.intp]:
        if min(number, different) < 2:
            return np.zeros(len(vectors), np.intp)
        means = KMeans(min(number, different), n_init=10, random_state=_SEED)
        return np.asarray(means.fit_predict(vectors), np.intp)

    if count is not None:
        return _by_size(grouped(count)), {}
    most = min(different, len(vectors) - 1)  # as many as vectors have no silhouette
    tried = {number: grouped(number) for number in _COUNTS if number <= most}
    if not tried:
        return _by_size(grouped(different)), {}
    size = min(_COMPARED, len(vectors))
    scores = {
        number: float(silhouette_score(vectors, labels, sample_size=size, random_state=_SEED))
        for number, labels in tried.items()
    }
    return _by_size(tried[max(scores, key=lambda number: scores[number])]), scores


def _by_size(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Labels from 1 on, the most frequent one first."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(1, len(order) + 1)
    return np.asarray(ranks[labels], np.intp)
