"""Weights compared at different locations: which channels a network uses where.

The weights α of one network layer are a vector with one number a channel. Regions for which a
network looks at the same channels have vectors of one direction, whatever their length.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import OptionError, RegionError
from ...networks.classes import is_predicted
from ...networks.layers import NetworkLayer
from ...networks.progress import Cancel, Progress, silent
from ...networks.running import stop_if
from ..explainer import Explainer
from ..explanation import Heatmap
from ..options import check_count, check_from_zero, check_known, is_number, is_whole
from ..regions.region import Region
from ..regions.sets import each_label
from .reading import PlacedMaps, feature_maps, footprint_of, one_layer, running, weights_of
from .vectors import cosine_matrix, flat_clusters, leaves_of, linkage_of, spearman_matrix

if TYPE_CHECKING:
    import pandas as pd

Name = str | int

# Vectors whose cosine is above one half on average belong together.
_DISTANCE = 0.5


@dataclass(frozen=True)
class Channel:
    """One channel's part in what a region is explained by.

    Attributes
    ----------
    channel
        Its number k.
    weight
        α_k.
    contribution
        α_k Σ_uv A_k: its part of the sum over the signed map.
    """

    channel: int
    weight: float
    contribution: float


@dataclass(frozen=True, eq=False)
class WeightComparison:
    """Weights of one network layer for several regions.

    Attributes
    ----------
    layer : NetworkLayer
        The network layer.
    names : tuple of str or int
        What the regions are called; for labels their values.
    targets : tuple of int
        The class that was explained in every region.
    weights : ndarray, shape (regions, channels)
        α of every region.
    empty : tuple of str or None
        For every region, why its weights are zero; None where they are not.
    linkage : ndarray of float64, shape (regions with weights - 1, 4)
        Hierarchical clustering of the regions that have weights: average linkage of 1 - cosine,
        as `scipy.cluster.hierarchy.linkage` has it.

    Notes
    -----
    Vectors of zeros have no direction: their rows and columns of `cosine` and `spearman` are NaN,
    and they are in no cluster.
    """

    layer: NetworkLayer
    names: tuple[Name, ...]
    targets: tuple[int, ...]
    weights: NDArray[np.floating[Any]]
    empty: tuple[str | None, ...]
    linkage: NDArray[np.float64]
    _views: tuple[int, ...]
    _maps: Mapping[int, PlacedMaps]

    @cached_property
    def cosine(self) -> NDArray[np.float64]:
        """Cosine of the angle between the weights of every two regions, (regions, regions)."""
        return cosine_matrix(self.weights)

    @cached_property
    def spearman(self) -> NDArray[np.float64]:
        """Spearman's rank correlation over the channels of every two regions."""
        correlations = spearman_matrix(self.weights)
        zero = ~self.weights.any(axis=1)
        correlations[zero] = correlations[:, zero] = np.nan
        return correlations

    @cached_property
    def contributions(self) -> NDArray[np.float64]:
        """α_k Σ_uv A_k, (regions, channels); a row adds up to the sum over its signed map."""
        sums = {
            view: placed.maps.sum(axis=tuple(range(1, placed.maps.ndim)), dtype=np.float64)
            for view, placed in self._maps.items()
        }
        return np.stack(
            [row * sums[view] for row, view in zip(self.weights, self._views, strict=True)]
        )

    @property
    def order(self) -> tuple[Name, ...]:
        """Names with those next to each other that are alike; at the end those without weights."""
        there = self._with_weights
        leaves = leaves_of(self.linkage, len(there))
        rest = [name for name in self.names if name not in there]
        return (*(there[leaf] for leaf in leaves), *rest)

    def clusters(self, count: int | None = None, *, distance: float = _DISTANCE) -> dict[Name, int]:
        """Cluster of every region, from 1; 0 for regions without weights.

        Parameters
        ----------
        count
            Number of clusters at most; None: as many as ``distance`` makes.
        distance
            The mean of 1 - cosine between two clusters is larger than this.

        Raises
        ------
        OptionError
            If the count is no whole number from 1, or the distance no number from 0.
        """
        if count is not None:
            check_count("count", count)
        check_from_zero("distance", distance)
        there = self._with_weights
        found = dict(
            zip(there, flat_clusters(self.linkage, len(there), count, distance), strict=True)
        )
        return {name: found.get(name, 0) for name in self.names}

    def top_channels(
        self, name: Name, count: int = 10, *, by: str = "contribution"
    ) -> list[Channel]:
        """The channels that count the most for a region, the first one the most.

        Parameters
        ----------
        name
            The region.
        count
            How many.
        by
            ``"contribution"``: what adds the most to the signed map; ``"weight"``: the largest
            |α_k|.

        Raises
        ------
        RegionError
            If there is no such region.
        OptionError
            If ``by`` is something else, or the count no whole number from 1.
        """
        check_count("count", count)
        row = self._row(name)
        chosen = np.argsort(-self._size(by)[row], kind="stable")[:count]
        return [
            Channel(int(k), float(self.weights[row, k]), float(self.contributions[row, k]))
            for k in chosen
        ]

    def shared_channels(
        self, count: int = 10, share: float = 1.0, *, by: str = "contribution"
    ) -> dict[int, int]:
        """Channels that are among the top ones of many regions, and of how many.

        Parameters
        ----------
        count
            How many channels of each region are its top ones.
        share
            Of the regions with weights, how many at least: 1 for all, 0.5 for half of them.
        by
            As for `top_channels`.

        Returns
        -------
        dict of int to int
            Number of regions by channel, the most shared ones first.

        Raises
        ------
        OptionError
            If the share is not from 0 to 1; else as for `top_channels`.
        """
        if not is_number(share) or not 0 <= share <= 1:
            raise OptionError(f"share is {share!r}; expected a number from 0 to 1, such as 0.95.")
        there = self._with_weights
        found = Counter(
            one.channel for name in there for one in self.top_channels(name, count, by=by)
        )
        return {
            k: regions
            for k, regions in found.most_common()
            if there and regions >= share * len(there)
        }

    def difference(self, first: Name, second: Name) -> Heatmap:
        """Signed map of the difference of two regions' weights, Σ_k (α1_k - α2_k) A_k.

        It is positive where the evidence for the first one is stronger.

        Raises
        ------
        RegionError
            If there is no such region, or they lie on different patches of the network.
        """
        rows = self._row(first), self._row(second)
        views = {self._views[row] for row in rows}
        if len(views) > 1:
            raise RegionError(
                f"The regions {first!r} and {second!r} are explained on different patches, which "
                "have feature maps of their own. Choose regions that lie closer together."
            )
        weights = self.weights[rows[0]] - self.weights[rows[1]]
        return self._maps[views.pop()].weighted(weights)

    def feature_map(self, channel: int, name: Name | None = None) -> Heatmap:
        """A_k of one channel, as a heatmap whose weights are 1 there and 0 elsewhere.

        Parameters
        ----------
        channel
            Its number k.
        name
            Where the network is explained on patches, the one of this region; None: the first's.

        Raises
        ------
        OptionError
            If there is no such channel.
        RegionError
            If there is no such region.
        """
        count = self.weights.shape[1]
        if not is_whole(channel) or not 0 <= channel < count:
            raise OptionError(
                f"There is no channel {channel!r}: {self.layer.name!r} has {count}, from 0."
            )
        weights = np.zeros(count, self.weights.dtype)
        weights[channel] = 1
        return self._maps[self._views[0 if name is None else self._row(name)]].weighted(weights)

    def to_frame(self, what: str = "weights") -> "pd.DataFrame":
        """Numbers as a table, one row a region.

        Parameters
        ----------
        what
            ``"weights"`` or ``"contributions"``, with one column a channel; ``"cosine"`` or
            ``"spearman"``, with one column a region.

        Raises
        ------
        OptionError
            If it is something else.
        """
        import pandas as pd  # slow to import

        check_known("what", what, ("weights", "contributions", "cosine", "spearman"))
        rows = pd.Index(self.names, name="region")
        channels = pd.RangeIndex(self.weights.shape[1], name="channel")
        columns = rows if what in ("cosine", "spearman") else channels
        return pd.DataFrame(getattr(self, what), rows, columns)

    @property
    def _with_weights(self) -> list[Name]:
        return [name for name, why in zip(self.names, self.empty, strict=True) if why is None]

    def _row(self, name: Name) -> int:
        if name not in self.names:
            some = ", ".join(map(repr, self.names[:6]))
            raise RegionError(f"There is no region {name!r}; there are {some}, …")
        return self.names.index(name)

    def _size(self, by: str) -> NDArray[np.floating[Any]]:
        check_known("by", by, ("contribution", "weight"))
        return self.contributions if by == "contribution" else np.asarray(np.abs(self.weights))


def compare_weights(
    explainer: Explainer,
    regions: Mapping[Name, Region | ArrayLike] | ArrayLike,
    target: int | str = "predicted",
    layer: str = "bottleneck",
    *,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> WeightComparison:
    """Compare the weights of one network layer for several regions of an image.

    Parameters
    ----------
    explainer
        Of the image.
    regions
        Regions by name; or whole numbers on the image grid, of which every value but 0 is a
        region.
    target
        Class by index or name; ``"predicted"``: for every region the one predicted for most of
        its pixels.
    layer
        The network layer.
    progress
        Called with regions done, regions in all and the network layer's name, in the calling
        thread.
    cancel
        Asked between modules of passes forward and between gradients.

    Returns
    -------
    WeightComparison

    Raises
    ------
    RegionError
        If there are no regions, or one is empty or does not fit the image.
    TargetError, LayerError
        If the class does not exist, or the network layer is none or several.
    OptionError
        If what is given as explainer is none.
    Cancelled
        If ``cancel`` said so.
    """
    one = one_layer(explainer, layer)
    if not is_predicted(target):
        target = explainer.network.class_index(target)
    stop_if(cancel)
    named: Mapping[Any, Any] = regions if isinstance(regions, Mapping) else each_label(regions)
    if not named:
        raise RegionError(
            "There are no regions to compare; expected at least one. Give regions by name, or "
            "labels with a value other than 0."
        )
    with running(explainer):
        footprints = [footprint_of(explainer, region) for region in named.values()]
    found = weights_of(explainer, footprints, target, one, progress or silent, cancel)
    weights = np.stack([its.weights for its in found])
    empty = tuple(its.empty for its in found)
    views = tuple(its.view for its in found)
    return WeightComparison(
        one,
        tuple(named),
        tuple(its.target for its in found),
        weights,
        empty,
        linkage_of(weights[[why is None for why in empty]]),
        views,
        {view: feature_maps(explainer, one, view, cancel) for view in sorted(set(views))},
    )
