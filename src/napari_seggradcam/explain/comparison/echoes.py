"""Numbers about one map: what it is an echo of, and how its heat is spread."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Rec. 709: how much red, green and blue count for the brightness that people see.
_LUMINANCE = (0.2125, 0.7154, 0.0721)


def pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's correlation of two maps of one shape; NaN where one is the same everywhere."""
    vectors = [np.ravel(values).astype(np.float64) for values in (first, second)]
    if any(vector.size == 0 or not np.ptp(vector) > 0 for vector in vectors):
        return float("nan")
    left, right = (vector - vector.mean() for vector in vectors)
    return float(np.clip(left @ right / np.sqrt((left @ left) * (right @ right)), -1, 1))


def gini(values: ArrayLike) -> float:
    """Gini index of values that are not negative: 0 where all are equal, near 1 where one has all.

    With the values in rising order, v_1 … v_n, it is 1 - 2 Σ_k (v_k / Σv) (n - k + 1/2) / n. Of
    fifteen measures of sparsity it is the one with all six properties that such a measure should
    have [1]_; it depends neither on the unit nor on the number of values.

    Parameters
    ----------
    values
        Any shape.

    Returns
    -------
    float
        NaN where all values are zero.

    References
    ----------
    .. [1] N. Hurley, S. Rickard: Comparing Measures of Sparsity. IEEE Transactions on Information
       Theory 55 (2009), 4723-4741.
    """
    ordered = np.sort(np.ravel(values)).astype(np.float64)
    total = ordered.sum()
    if not total > 0:
        return float("nan")
    count = ordered.size
    below = (count - np.arange(1, count + 1) + 0.5) / count
    return float(1 - 2 * (ordered / total) @ below)


def share_inside(heat: NDArray[np.floating[Any]], region: NDArray[np.bool_]) -> float:
    """Share of a map's heat that lies in a region of its shape; NaN where there is no heat."""
    total = heat.sum(dtype=np.float64)
    return float(heat[region].sum(dtype=np.float64) / total) if total > 0 else float("nan")


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

    See Also
    --------
    napari_seggradcam.explain.baselines.sobel_edges : of all channels of the network's own input,
        which need not be colours.
    """
    from skimage.filters import sobel  # slow to import

    return np.asarray(sobel(_luminance(np.asarray(image, np.float64), axes)))


def _luminance(image: NDArray[np.float64], axes: str) -> NDArray[np.float64]:
    if "C" not in axes:
        return image
    channels = np.moveaxis(image, axes.index("C"), 0)
    if len(channels) != len(_LUMINANCE):
        return np.asarray(channels.mean(axis=0))
    return np.tensordot(np.array(_LUMINANCE), channels, axes=1)
