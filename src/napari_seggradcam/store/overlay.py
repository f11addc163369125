"""What a figure lays over one another, as arrays on the image's grid.

The image below, the heatmap of a network layer and the region's outline; nothing here
knows matplotlib.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class PlacedMap(Protocol):
    """What a map must have to be drawn; `StoredMap` and `Heatmap` both do."""

    @property
    def name(self) -> str:
        """Name of the network layer."""

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """Values at the network layer's own resolution."""

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights of the feature maps, channel first."""

    @property
    def scale(self) -> tuple[float, ...]:
        """Image pixels from one element to the next."""

    @property
    def translate(self) -> tuple[float, ...]:
        """Image pixel of the first element's centre."""

    @property
    def empty(self) -> str | None:
        """Why the heatmap is zero everywhere, or None."""

    @property
    def kept(self) -> NDArray[np.bool_] | None:
        """Positions that truncation has kept; None where nothing was truncated."""


def overlay(
    placed: PlacedMap, shape: tuple[int, ...], plane: int | None = None
) -> NDArray[np.float32]:
    """Bring a heatmap to the image grid.

    Parameters
    ----------
    placed : PlacedMap
    shape : tuple of int
        Shape of the image, or of one of its planes.
    plane : int, optional
        Which plane of a volume.

    Returns
    -------
    ndarray of float32, `shape`
        Bilinear between pixel centres, constant from the outermost centres to the edge of
        their pixels, NaN beyond: there the network layer has no value.
    """
    from scipy.ndimage import affine_transform

    scale, translate = np.array(placed.scale), np.array(placed.translate)
    grid = shape if plane is None else (1, *shape)
    first = np.zeros(len(grid))
    if plane is not None:
        first[0] = plane
    offset = (first - translate) / scale
    values: NDArray[np.float32] = affine_transform(
        placed.heatmap, 1 / scale, offset, output_shape=grid, order=1, mode="nearest"
    ).astype(np.float32)
    for axis, (n, size) in enumerate(zip(grid, placed.heatmap.shape, strict=True)):
        element = np.arange(n) / scale[axis] + offset[axis]
        outside = (element < -0.5 - 1e-6) | (element > size - 0.5 + 1e-6)
        np.moveaxis(values, axis, 0)[outside] = np.nan
    return values.reshape(shape)


def fullest_plane(region: NDArray[np.bool_]) -> int | None:
    """Return the plane of a volume with the most pixels of the region; None for an image."""
    if region.ndim == 2:
        return None
    sizes = region.sum(axis=(1, 2))
    fullest = np.flatnonzero(sizes == sizes.max())
    return int(fullest[len(fullest) // 2])


def under(
    image: NDArray[Any] | None, spatial: tuple[int, ...], plane: int | None
) -> NDArray[np.float32]:
    """Return what lies under the heatmap: (Y, X) or (Y, X, 3) in 0..1."""
    if image is None:
        return np.full(spatial[-2:], 0.35, np.float32)
    channels = image[None]
    if image.ndim > len(spatial):
        first = image.shape[1:] == spatial and image.shape[:-1] != spatial
        channels = image if first else np.moveaxis(image, -1, 0)
    if plane is not None:
        channels = channels[:, plane]
    if len(channels) in (3, 4):
        values = np.moveaxis(channels[:3], 0, -1).astype(np.float32)
        low, high = 0.0, 255.0 if image.dtype == np.uint8 else max(float(values.max()), 1.0)
    else:
        values = channels[0].astype(np.float32)
        low, high = map(float, np.percentile(values, (0.5, 99.5)))
    ground: NDArray[np.float32] = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return ground


def outline_of(region: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the region's closed outlines as (n, 2) arrays of x and y, along pixel edges."""
    from skimage.measure import find_contours

    if not region.any():
        return []
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    start = np.array([rows[0], columns[0]])
    box = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Every pixel becomes 2 x 2, so that the line runs close to the pixels' edges; the
    # border of zeros closes it where the region touches the image's edge.
    fine = np.pad(np.kron(box, np.ones((2, 2))), 1)
    return [(line / 2 - 0.75 + start)[:, ::-1] for line in find_contours(fine, 0.5)]
