"""Comparisons of regions, places and channels as napari layers that lie on the image.

Every layer is marked as ours and not yet in a viewer: see `put_alone`.
"""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils import DirectLabelColormap
from numpy.typing import NDArray

from .cells import spread_image
from .inputs import InputPlan
from .ownership import METADATA_KEY, mark, own_layers
from .plot_data import symmetric_limit
from .results import ResultLayers

FEATURE_MAP = "feature map"
DIFFERENCE = "difference"
PAIR = "pair"
ATLAS = "atlas"
CLUSTERS = "clusters"

MORE_FIRST = "#d6604d"
MORE_SECOND = "#4393c3"
"""Colours of the two regions of a pair; those of the ends of the difference's colormap."""

_TRANSPARENT = "#00000000"
_PAIR_WIDTH = 3

Place = tuple[Sequence[float], Sequence[float]]


def feature_map_layer(
    values: NDArray[np.float32], place: Place, plan: InputPlan, network_layer: str, channel: int
) -> Image:
    """Return one feature map as an Image layer at its own resolution.

    Maps with negative values get colours that diverge at 0.

    Parameters
    ----------
    values : (*spatial) float32 array
        The map.
    place : tuple of (scale, translate)
        As in ``Heatmap``.
    plan : InputPlan
        The image.
    network_layer : str
        Whose map it is.
    channel : int
        Which of its channels.
    """
    signed = bool((values < 0).any())
    limit = symmetric_limit(values)
    layer = Image(
        plan.spread(values),
        name=f"{network_layer} · channel {channel}",
        colormap="coolwarm" if signed else "viridis",
        contrast_limits=(-limit if signed else 0.0, limit),
        opacity=0.7,
        rgb=False,
        **plan.transform(*place),
    )
    key = f"{network_layer}{' signed' if signed else ''}"
    return mark(layer, FEATURE_MAP, key, network_layer=network_layer, channel=channel)


def difference_layer(
    values: NDArray[np.float32],
    place: Place,
    plan: InputPlan,
    names: tuple[str, str],
    network_layer: str,
) -> Image:
    """Return what speaks more for the first region (red) or the second (blue).

    Parameters
    ----------
    values : (*spatial) float32 array
        Signed; zero where both use the same evidence.
    place, plan
        As in `feature_map_layer`.
    names : tuple of str
        Of the two regions.
    network_layer : str
        Where they were compared.
    """
    limit = symmetric_limit(values)
    layer = Image(
        plan.spread(values),
        name=f"{names[0]} − {names[1]} · {network_layer}",
        colormap="coolwarm",
        contrast_limits=(-limit, limit),
        opacity=0.7,
        rgb=False,
        **plan.transform(*place),
    )
    return mark(layer, DIFFERENCE, DIFFERENCE, network_layer=network_layer, regions=names)


def pair_layer(
    first: NDArray[np.bool_], second: NDArray[np.bool_], plan: InputPlan, names: tuple[str, str]
) -> Labels:
    """Return the outlines of two regions, the first red (1), the second blue (2).

    Parameters
    ----------
    first, second : (*spatial) bool array
        On the image grid.
    plan : InputPlan
        The image.
    names : tuple of str
        Of the two regions.
    """
    labels = np.where(second, np.uint8(2), first.astype(np.uint8))
    layer = Labels(
        np.array(plan.spread(labels)),
        name=f"{names[0]}, {names[1]}",
        features={"index": [0, 1, 2], "region": ["", *names]},
        colormap=DirectLabelColormap(
            color_dict={1: MORE_FIRST, 2: MORE_SECOND, None: _TRANSPARENT}
        ),
        opacity=1.0,
        **plan.transform(),
    )
    layer.contour = _PAIR_WIDTH
    return mark(layer, PAIR, PAIR, regions=names)


def atlas_layer(
    colours: NDArray[np.floating],
    there: NDArray[np.bool_],
    place: Place,
    plan: InputPlan,
    network_layer: str,
) -> Image:
    """Return a colour per place as an RGBA Image layer: like colours, like weights.

    Parameters
    ----------
    colours : (*grid, 3) float array
        0 to 1.
    there : (*grid) bool array
        Places that have weights; others are transparent.
    place, plan, network_layer
        As in `feature_map_layer`.
    """
    opaque = np.concatenate([colours, there[..., np.newaxis]], axis=-1).astype(np.float32)
    layer = Image(
        spread_image(opaque, plan, rgb=True),
        name=f"atlas · {network_layer}",
        opacity=0.7,
        rgb=True,
        **plan.transform(*place),
    )
    return mark(layer, ATLAS, ATLAS, network_layer=network_layer)


def cluster_layer(
    clusters: NDArray[np.integer],
    colours: Sequence[str],
    place: Place,
    plan: InputPlan,
    network_layer: str,
) -> Labels:
    """Return the clusters of an atlas; label values are the cluster numbers, from 1.

    Parameters
    ----------
    clusters : (*grid) int array
        Cluster of every place; 0 for none.
    colours : sequence of str
        Of every cluster, as `cluster_colours` has them.
    place, plan, network_layer
        As in `feature_map_layer`.
    """
    table: dict[int | None, str] = dict(enumerate(colours, start=1))
    layer = Labels(
        np.array(plan.spread(clusters.astype(np.int32))),
        name=f"clusters · {network_layer}",
        features={"index": list(table), "cluster": [f"cluster {n}" for n in table]},
        colormap=DirectLabelColormap(color_dict=table | {None: _TRANSPARENT}),
        opacity=0.7,
        **plan.transform(*place),
    )
    return mark(layer, CLUSTERS, CLUSTERS, network_layer=network_layer)


def cluster_colours(
    clusters: NDArray[np.integer], colours: NDArray[np.floating]
) -> tuple[str, ...]:
    """Mean colour of every cluster in the atlas as ``"#rrggbb"``, the first cluster's first.

    Parameters
    ----------
    clusters, colours
        As for `cluster_layer` and `atlas_layer`.
    """
    means = (colours[clusters == n].mean(axis=0) for n in range(1, int(clusters.max()) + 1))
    return tuple("#" + "".join(f"{round(255 * float(v)):02x}" for v in mean) for mean in means)


def put_alone(results: ResultLayers, layer: Layer) -> Layer:
    """Add a layer, or show it in ours with the same key; others of its kind go.

    Parameters
    ----------
    results : ResultLayers
        Of the viewer.
    layer : napari.layers.Layer
        One of those made here.

    Returns
    -------
    napari.layers.Layer
        The layer in the viewer.
    """
    mine = layer.metadata[METADATA_KEY]
    for old in list(own_layers(results.viewer, mine["kind"])):
        if old.metadata[METADATA_KEY]["key"] != mine["key"]:
            results.viewer.layers.remove(old)
    return results.put(layer)
