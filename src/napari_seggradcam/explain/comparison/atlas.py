"""An atlas of weights: for one class, which channels speak for it where.

The image is divided into cells, and every cell is a region. Cells whose weights have one direction
are explained by the same channels; they get one colour, and one cluster.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import OptionError
from ...networks.classes import is_predicted
from ...networks.layers import NetworkLayer
from ...networks.progress import Cancel, Progress, silent
from ...networks.running import stop_if
from ..explainer import Explainer
from ..options import is_whole
from ..regions.region import Box, Footprint
from .grouping import colours_of, groups_of
from .reading import one_layer, weights_of
from .vectors import unit_length

SILHOUETTE = "silhouette"


@dataclass(frozen=True, eq=False)
class Atlas:
    """Weights of one network layer for every cell of a grid over the image.

    Attributes
    ----------
    layer : NetworkLayer
        The network layer.
    target : int
        The class.
    class_name : str
        Its name.
    weights : ndarray, shape (*grid, channels)
        α of every cell. They add up to the α of the whole image.
    there : ndarray of bool, shape (*grid,)
        Where weights are not zero.
    colours : ndarray of float32, shape (*grid, 3)
        Red, green and blue from 0 to 1: the first three principal components of the weights
        divided by their length. Black where there are none.
    variance : tuple of float
        Share of the variance that each of the three has.
    clusters : ndarray of int, shape (*grid,), or None
        Cluster of every cell, from 1, the largest first; 0 where there are no weights.
    silhouettes : dict of int to float
        Mean silhouette by number of clusters, where that decided.
    scale, translate : tuple of float
        Cell ``i`` lies on image pixel ``scale * i + translate``, per spatial axis.
    image_shape : tuple of int
        Spatial shape of the image.
    """

    layer: NetworkLayer
    target: int
    class_name: str
    weights: NDArray[np.floating[Any]]
    there: NDArray[np.bool_]
    colours: NDArray[np.float32]
    variance: tuple[float, ...]
    clusters: NDArray[np.intp] | None
    silhouettes: dict[int, float]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    image_shape: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of cells, per spatial axis."""
        return self.there.shape

    def cell(self, *index: int) -> Box:
        """The part of the image that one cell is, by its index per spatial axis, from 0.

        Raises
        ------
        OptionError
            If there is no such cell.
        """
        if len(index) != len(self.grid) or not all(
            is_whole(i) and 0 <= i < count for i, count in zip(index, self.grid, strict=True)
        ):
            raise OptionError(
                f"There is no cell {index}; expected {len(self.grid)} whole numbers from 0, below "
                f"{self.grid}."
            )
        return tuple(
            slice(*_ends(i, count, size))
            for i, count, size in zip(index, self.grid, self.image_shape, strict=True)
        )


def weight_atlas(
    explainer: Explainer,
    target: int | str = "predicted",
    layer: str = "bottleneck",
    grid: Sequence[int] = (32, 32),
    *,
    clusters: int | str | None = SILHOUETTE,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Atlas:
    """Weights of one network layer for every cell of a grid over the image.

    Where the network sees locally, what the cells see runs in batches; else, every cell takes a
    pass backward over the whole image.

    Parameters
    ----------
    explainer
        Of the image.
    target
        Class by index or name, the same for all cells; ``"predicted"``: the one predicted for most
        pixels of the image.
    layer
        The network layer.
    grid
        Number of cells, per spatial axis. Where they do not divide the image evenly, some cells
        are one pixel larger than others.
    clusters
        Number of clusters; ``"silhouette"``: the one from 2 to 10 with the highest mean silhouette;
        None: no clusters, which need scikit-learn.
    progress
        Called with cells done, cells in all and the network layer's name, in the calling thread.
    cancel
        Asked between modules of passes forward and between gradients.

    Returns
    -------
    Atlas

    Raises
    ------
    OptionError
        If the grid does not fit the image, the number of clusters is none, or what is given as
        explainer is none.
    TargetError, LayerError
        If the class does not exist, or the network layer is none or several.
    MissingPackage
        If clusters are wanted and scikit-learn is not installed.
    Cancelled
        If ``cancel`` said so.
    """
    one, shape = one_layer(explainer, layer), explainer.image_shape
    grid = _checked(grid, shape)
    count = _checked_clusters(clusters)
    stop_if(cancel)
    if is_predicted(target):
        target = int(np.bincount(explainer.prediction.ravel()).argmax())
    target = explainer.network.class_index(target)
    found = weights_of(explainer, _cells(grid, shape), target, one, progress or silent, cancel)
    weights = np.stack([cell.weights for cell in found])
    there = np.array([cell.empty is None for cell in found])
    units = unit_length(weights[there])

    colours = np.zeros((len(weights), 3), np.float32)
    labels = np.zeros(len(weights), np.intp)
    variance: tuple[float, ...] = (0.0, 0.0, 0.0)
    silhouettes: dict[int, float] = {}
    if there.any():
        colours[there], variance = colours_of(units)
        if clusters is not None:
            labels[there], silhouettes = groups_of(units, count)
    scale = tuple(size / number for size, number in zip(shape, grid, strict=True))
    return Atlas(
        one,
        target,
        explainer.network.classes[target],
        weights.reshape(*grid, -1),
        there.reshape(grid),
        colours.reshape(*grid, 3),
        variance,
        None if clusters is None else labels.reshape(grid),
        silhouettes,
        scale,
        tuple((side - 1) / 2 for side in scale),
        shape,
    )


def _cells(grid: Sequence[int], shape: Sequence[int]) -> list[Footprint]:
    """The cells in order of their index: a partition of the image."""
    cells = []
    for index in itertools.product(*map(range, grid)):
        ends = [_ends(i, count, size) for i, count, size in zip(index, grid, shape, strict=True)]
        inside = np.ones([stop - first for first, stop in ends], bool)
        cells.append(Footprint(tuple(first for first, _ in ends), inside))
    return cells


def _ends(index: int, count: int, size: int) -> tuple[int, int]:
    """First pixel of a cell along one axis, and the one behind its last."""
    first, stop = ((2 * i * size + count) // (2 * count) for i in (index, index + 1))  # rounded
    return first, stop


def _checked(grid: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    counts = tuple(grid) if np.iterable(grid) else ()
    if len(counts) != len(shape) or not all(
        is_whole(n) and 1 <= n <= size for n, size in zip(counts, shape, strict=True)
    ):
        raise OptionError(
            f"A grid of {grid!r} cells does not fit an image of shape {shape}; expected "
            f"{len(shape)} whole numbers, each from 1 to the number of pixels along its axis."
        )
    return tuple(map(int, counts))


def _checked_clusters(clusters: int | str | None) -> int | None:
    if clusters is None or (isinstance(clusters, str) and clusters == SILHOUETTE):
        return None
    if not is_whole(clusters) or int(clusters) < 1:
        raise OptionError(
            f"clusters={clusters!r}: expected a whole number from 1, {SILHOUETTE!r} or None."
        )
    return int(clusters)
