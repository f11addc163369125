"""How alike weight vectors are, and which belong together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def unit_length(vectors: Floats) -> NDArray[np.float64]:
    """Vectors (n, channels) divided by their length; NaN where that is zero."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.nan))


def cosine_matrix(vectors: Floats) -> NDArray[np.float64]:
    """Cosine of the angle between every two of the vectors (n, channels); NaN for zero vectors."""
    units = unit_length(vectors)
    return np.clip(units @ units.T, -1, 1)


def spearman_matrix(vectors: Floats) -> NDArray[np.float64]:
    """Spearman's rank correlation of every two of the vectors (n, channels).

    Equal values share their mean rank. NaN for a vector that is the same in all channels.
    """
    ranks = standard_ranks(vectors)
    return np.clip(ranks @ ranks.T, -1, 1)


def standard_ranks(vectors: Floats) -> NDArray[np.float64]:
    """Ranks of the values in each of the vectors (n, values), with mean 0 and length 1.

    Equal values share their mean rank; the product of two vectors of ranks is Spearman's rank
    correlation. NaN for a vector that has none: one value everywhere, or a NaN. They are scipy's
    ranks; `scipy.stats.spearmanr` would rank a vector again for every other one.
    """
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(vectors, axis=1)
    return unit_length(ranks - ranks.mean(axis=1, keepdims=True))


def linkage_of(vectors: Floats) -> NDArray[np.float64]:
    """Average linkage of vectors (n, channels), none of them zero, by 1 - cosine.

    Returns
    -------
    ndarray of float64, shape (n - 1, 4)
        As `scipy.cluster.hierarchy.linkage` has it, with neighbouring leaves as alike as can be.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(vectors) < 2:
        return np.zeros((0, 4))
    distances = 1 - cosine_matrix(vectors)
    np.fill_diagonal(distances, 0)
    condensed = squareform(distances, checks=False)
    return np.asarray(linkage(condensed, "average", optimal_ordering=True))


def leaves_of(linkage: NDArray[np.float64], count: int) -> list[int]:
    """Order in which the leaves of a linkage of so many vectors stand."""
    from scipy.cluster.hierarchy import leaves_list

    return [int(leaf) for leaf in leaves_list(linkage)] if count > 1 else list(range(count))


def flat_clusters(
    linkage: NDArray[np.float64], count: int, clusters: int | None, distance: float
) -> list[int]:
    """Cluster, from 1, of every vector of a linkage.

    Parameters
    ----------
    linkage
        Of the vectors.
    count
        How many these are.
    clusters
        Number of clusters at most; None: as many as `distance` makes.
    distance
        Clusters are farther from each other than this on average.
    """
    from scipy.cluster.hierarchy import fcluster

    if count < 2:
        return [1] * count
    if clusters is None:
        return [int(one) for one in fcluster(linkage, distance, "distance")]
    return [int(one) for one in fcluster(linkage, clusters, "maxclust")]
