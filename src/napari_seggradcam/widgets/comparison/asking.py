"""What is asked, frozen at the moment when it was asked, and how a thread answers it.

Nothing here touches the viewer. The threads use the explainer that the main dock keeps; it waits
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import Dims

from ...viewer.inputs import ImageInput, InputPlan
from ...viewer.region_sets import RegionSet, regions_of
from ..job import Cancel, Progress
from ..network_opening import OpenedNetwork
from ..question import ImageExplainer, Question, freeze, read_image, region_of
from ..region_source import RegionChoice, Source
from .plots import load_plots


@dataclass(frozen=True, eq=False)
class WeightsQuestion:
    """Regions whose weights are compared.

    Attributes
    ----------
    opened : OpenedNetwork
        The network.
    plan : InputPlan
        Where the image's pixels come from; with the pixels, an ``ImageInput``.
    dims : napari.components.Dims
        The sliders at that moment.
    layer : napari.layers.Labels or napari.layers.Points
        Has the regions.
    regions : RegionSet or None
        The regions; None: they are drawn in the thread.
    network_layer : str
        Where weights are compared.
    target : int or str
        Class index or "predicted".
    """

    opened: OpenedNetwork
    plan: InputPlan
    dims: Dims
    layer: Any
    regions: RegionSet | None
    network_layer: str
    target: int | str


@dataclass(frozen=True, eq=False)
class Weighed:
    """What came out of a `WeightsQuestion`.

    Attributes
    ----------
    question : WeightsQuestion
        What was asked.
    image : ImageInput
        The pixels that the network saw.
    regions : RegionSet
        The regions; their names in the comparison are their numbers.
    comparison : WeightComparison
        The answer.
    """

    question: WeightsQuestion
    image: ImageInput
    regions: RegionSet
    comparison: Any


def ask_weights(
    opened: OpenedNetwork,
    plan: InputPlan,
    dims: Dims,
    layer: Any,
    network_layer: str,
    target: int | str,
) -> WeightsQuestion:
    """Copy image and regions at once where that is quick.

    Raises
    ------
    RegionError
        If the layer has fewer than two regions on the image.
    """
    frozen, mask = freeze(plan, RegionChoice(Source("layer", layer=layer)), dims)
    regions = None if mask is None else regions_of(layer, plan, dims)
    return WeightsQuestion(opened, frozen, dims, layer, regions, network_layer, target)


def answer_weights(
    question: WeightsQuestion, explainers: ImageExplainer, progress: Progress, cancel: Cancel
) -> Weighed:
    """Compare weights; runs in a thread."""
    load_plots()
    from ...explain.comparison.weights import compare_weights

    progress(0, 0, "The network runs on the image")
    image = read_image(question.plan)
    explainer = explainers.of(question.opened.network, image)
    regions = question.regions or regions_of(question.layer, image, question.dims)
    comparison = compare_weights(
        explainer,
        _by_number(regions),
        question.target,
        question.network_layer,
        progress=progress,
        cancel=cancel,
    )
    return Weighed(question, image, regions, comparison)


def _by_number(regions: RegionSet) -> Any:
    from ...explain.regions.sets import pixel

    if regions.labels is not None:
        return regions.labels
    return {number: pixel(*at) for number, at in regions.pixels.items()}


@dataclass(frozen=True, eq=False)
class AtlasQuestion:
    """Places all over the image whose weights are compared; fields as of `WeightsQuestion`.

    Attributes
    ----------
    grid : int
        Places along the longest side.
    clusters : int, str or None
        As for `weight_atlas`.
    """

    opened: OpenedNetwork
    plan: InputPlan
    network_layer: str
    target: int | str
    grid: int
    clusters: int | str | None


def answer_atlas(
    question: AtlasQuestion, explainers: ImageExplainer, progress: Progress, cancel: Cancel
) -> tuple[ImageInput, Any]:
    """Make an atlas; runs in a thread. Returns what the network saw, and the `Atlas`."""
    from ...explain.comparison.atlas import weight_atlas

    progress(0, 0, "The network runs on the image")
    image = read_image(question.plan)
    explainer = explainers.of(question.opened.network, image)
    atlas = weight_atlas(
        explainer,
        question.target,
        question.network_layer,
        _cells(question.grid, image.shape),
        clusters=question.clusters,
        progress=progress,
        cancel=cancel,
    )
    return image, atlas


def _cells(most: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Number of cells per axis, about square ones."""
    longest = max(shape)
    return tuple(max(1, min(size, round(most * size / longest))) for size in shape)


def answer_layers(
    question: Question, layers: str, explainers: ImageExplainer, progress: Progress, cancel: Cancel
) -> tuple[Question, int, Any]:
    """Compare network layers for the question of the main dock; runs in a thread.

    Returns
    -------
    tuple of Question, int and LayerComparison
        The question, the region's number of pixels, and the answer.
    """
    from ...explain.comparison.layers import compare_layers

    load_plots()
    progress(0, 0, "The network runs on the image")
    image = read_image(question.plan)
    explainer = explainers.of(question.opened.network, image)
    region = region_of(question, explainer)
    comparison = compare_layers(
        explainer, region, question.target, layers, progress=progress, cancel=cancel
    )
    return question, int(np.count_nonzero(region)), comparison
