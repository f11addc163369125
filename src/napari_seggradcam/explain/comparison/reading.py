"""What comparisons read from an explainer: weights for many regions, and feature maps.

What comparisons know of how passes run stands here and in `whole_pass`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...errors import LayerError, OptionError
from ...networks.classes import is_predicted
from ...networks.layers import NetworkLayer
from ...networks.progress import Cancel, Progress
from ...networks.running import as_found, shortage_told
from ..explainer import Explainer
from ..explanation import Heatmap
from ..jobs import Asked
from ..methods.cams import SegGradCam
from ..methods.weighting import NO_POSITIVE_EVIDENCE
from ..passes import Passes
from ..placing import placement_of
from ..regions.output import on_output
from ..regions.region import Footprint, Region, as_region
from ..scores import Score
from ..tiled_run import Part
from ..views import View

# Values that the signed maps of questions that are computed together may take.
_VALUES = 2**24


@dataclass(frozen=True, eq=False)
class Weighed:
    """Weights of one network layer for one region.

    Attributes
    ----------
    weights
        α_k, of shape (channels,).
    target
        The class c.
    empty
        Why they are zero, or None.
    view
        Number of the patch on which they were computed; 0 where the network sees the whole image.
    """

    weights: NDArray[np.floating[Any]]
    target: int
    empty: str | None
    view: int


@dataclass(frozen=True, eq=False)
class PlacedMaps:
    """Feature maps of one network layer, and where they lie on the image.

    Attributes
    ----------
    layer
        The network layer.
    maps
        A_k without the padding, of shape (channels, *spatial).
    scale, translate, image_shape, patch
        As for `Heatmap`.
    """

    layer: NetworkLayer
    maps: NDArray[np.floating[Any]]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    image_shape: tuple[int, ...]
    patch: tuple[tuple[int, int], ...] | None

    def weighted(self, weights: NDArray[np.floating[Any]]) -> Heatmap:
        """Σ_k w_k A_k as a heatmap, of weights w_k of shape (channels,)."""
        signed = np.tensordot(weights, self.maps, axes=1).astype(self.maps.dtype)
        return self.heatmap(signed, weights.astype(self.maps.dtype))

    def heatmap(
        self,
        signed: NDArray[np.floating[Any]],
        weights: NDArray[np.floating[Any]],
        empty: str | None = None,
    ) -> Heatmap:
        """A signed map that lies where the feature maps do.

        Parameters
        ----------
        signed
            Of the maps' spatial shape.
        weights
            That it was made with, of shape (channels,).
        empty
            Why there are no weights, or None.
        """
        if empty is None and not (signed > 0).any():
            empty = NO_POSITIVE_EVIDENCE
        where = self.scale, self.translate, self.image_shape
        return Heatmap(self.layer, signed, weights, *where, empty, self.patch)


def check_explainer(given: object) -> None:
    """Raise `OptionError` unless an `Explainer` is given."""
    if not isinstance(given, Explainer):
        raise OptionError(
            f"The explainer is of type {type(given).__name__}; expected an Explainer, as "
            "Explainer(network, image) makes one."
        )


def one_layer(explainer: Explainer, layer: str) -> NetworkLayer:
    """The network layer of a name or preset.

    Raises
    ------
    LayerError
        If there is none, or several.
    OptionError
        If what is given as explainer is none.
    """
    check_explainer(explainer)
    found = explainer.network.select_layers(layer)
    if len(found) != 1:
        names = ", ".join(repr(one.name) for one in found[:6])
        raise LayerError(
            f"{layer!r} stands for {len(found)} network layers ({names}, …); weights are compared "
            "at one. Give the name of one."
        )
    return found[0]


def footprint_of(explainer: Explainer, region: Region | ArrayLike) -> Footprint:
    """The pixels of a region on the explainer's image; call it inside `running`.

    Raises
    ------
    RegionError
        If it is empty or does not fit the image.
    """
    return explainer.views.footprint_of(as_region(region))


@contextmanager
def running(explainer: Explainer) -> Iterator[None]:
    """The network is this thread's, and is left as it was found."""
    network = explainer.network
    with network.lock, as_found(network.module), torch.enable_grad(), shortage_told():
        yield


def weights_of(
    explainer: Explainer,
    regions: Sequence[Footprint],
    target: int | str,
    layer: NetworkLayer,
    progress: Progress,
    cancel: Cancel | None,
) -> list[Weighed]:
    """Weights of one network layer for many regions.

    What the regions see runs in batches where the network sees locally; else, every region takes
    a pass backward over the whole image.

    Parameters
    ----------
    explainer
        Of the image.
    regions
        The regions.
    target
        Class by index or name; ``"predicted"``: of every region its own.
    layer
        The network layer.
    progress
        Called with regions done, regions in all and the network layer's name.
    cancel
        As for `Explainer.explain`.

    Raises
    ------
    RegionError
        If a region has no pixel on the network's output.
    """
    found: dict[int, Weighed] = {}
    with running(explainer):
        views = explainer.views
        if is_predicted(target) and explainer.network.patch is not None:
            views.logits(cancel)
        numbers = [views.number_for(region) for region in regions]
        for number in sorted(set(numbers)):
            view = views.view(number)
            passes = Passes(explainer.network, view.prepared, view.activations)
            here = [index for index, its in enumerate(numbers) if its == number]
            count = _together(view, layer)
            for first in range(0, len(here), count):
                batch = here[first : first + count]
                asked = [_asked(explainer, view, regions[index], target) for index in batch]
                step = partial(_step, progress, len(found), len(batch), len(regions), layer.name)
                for index, one in zip(
                    batch, passes.ask(asked, (layer,), step, cancel), strict=True
                ):
                    answer = one.answers[layer.name]
                    found[index] = Weighed(answer.weights, one.target, answer.empty, number)
    return [found[index] for index in range(len(regions))]


def feature_maps(
    explainer: Explainer, layer: NetworkLayer, view: int, cancel: Cancel | None
) -> PlacedMaps:
    """Feature maps of one network layer; the network runs if they are not kept.

    Parameters
    ----------
    explainer, layer
        Of which image, and which.
    view
        On which patch, as `Weighed` has it.
    cancel
        As for `Explainer.explain`.
    """
    whole: list[NDArray[np.floating[Any]]] = []

    def take(name: str, maps: torch.Tensor, part: Part | None) -> None:
        # A copy: what the network does next may change the maps in place.
        values = maps.detach()[0].to(torch.promote_types(maps.dtype, torch.float32)).cpu().numpy()
        if part is None:
            whole.append(values.copy())
            return
        if not whole:
            whole.append(np.empty((len(values), *part.shape), values.dtype))
        whole[0][:, *part.box] = values

    with running(explainer):
        seen = explainer.views.view(view)
        seen.activations.visit([layer], take, cancel)
    return placed(explainer, seen, layer, whole[0])


def placed(
    explainer: Explainer, view: View, layer: NetworkLayer, maps: NDArray[np.floating[Any]]
) -> PlacedMaps:
    """Maps (channels, *spatial) on a padded input without the padding, and where they lie."""
    place = placement_of(layer, maps.shape[1:], view.prepared.before, explainer.image_shape)
    patch = None if view.box is None else tuple((side.start, side.stop) for side in view.box)
    on_image = np.ascontiguousarray(maps[:, *place.keep])
    return PlacedMaps(layer, on_image, place.scale, place.translate, explainer.image_shape, patch)


def _asked(explainer: Explainer, view: View, region: Footprint, target: int | str) -> Asked:
    decide = partial(explainer.views.class_of, target, region)
    return Asked(on_output(region, view.grid), decide, target == "predicted", Score(), SegGradCam())


def _together(view: View, layer: NetworkLayer) -> int:
    """Regions that are asked about in one call; every one takes a signed map for a while."""
    sides = zip(view.prepared.padded_shape, layer.stride, strict=True)
    positions = int(np.prod([max(1.0, size / stride) for size, stride in sides]))
    return max(1, _VALUES // positions)


def _step(
    progress: Progress, before: int, count: int, total: int, name: str, done: int, of: int, _: str
) -> None:
    """Progress of one batch as that of all regions."""
    progress(before + count * done // max(of, 1), total, name)
