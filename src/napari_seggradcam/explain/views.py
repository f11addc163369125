"""What a network sees of an image at once: all of it, or for some networks a patch.

A network with a patch is explained on one of those that its own inference goes through. Of them it
is the one with the most pixels of M; among several, the one whose weight in the average that the
network's own prediction is, summed over M, is the largest, so that M lies about its middle.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.classes import is_predicted
from ..networks.images import PreparedImage
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.outputs import MapGrid
from ..networks.progress import Cancel
from ..networks.running import versions_of
from ..networks.sliding import importance, patch_in_words, patch_of, windows
from .activations import Activations
from .regions.region import Box, Footprint, Region, seen_from


@dataclass(frozen=True)
class PatchFacts:
    """What the record says about the patch that was explained.

    Attributes
    ----------
    first
        Its first pixel on the image, below 0 on padding.
    size
        In pixels, per spatial axis.
    region_inside
        Share of the pixels of M that it has.
    """

    first: tuple[int, ...]
    size: tuple[int, ...]
    region_inside: float

    def describe(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "first": list(self.first),
            "size": list(self.size),
            "region_inside": self.region_inside,
        }


@dataclass(frozen=True, eq=False)
class View:
    """What a network sees at once.

    Attributes
    ----------
    prepared
        Image or patch, as the network takes it.
    grid
        Where its logits lie on the image.
    activations
        What is kept of it.
    box
        The part of the image that a patch covers, per spatial axis; None: it is all of it.
    """

    prepared: PreparedImage
    grid: MapGrid
    activations: Activations
    box: Box | None = None


class Views:
    """The image, or its patches, of which the one that was asked about last is kept.

    Parameters
    ----------
    network
        The network; but for `logits` and what is read from them, use everything here with its lock
        held.
    prepared
        What `Network.prepare` has returned.
    budget, once, every_gradient
        As for `Activations`.
    """

    def __init__(
        self,
        network: Network,
        prepared: PreparedImage,
        budget: int,
        once: bool,
        every_gradient: bool,
    ):
        self._network = network
        self._prepared = prepared
        self._budget = budget
        self._once = once
        self._every_gradient = every_gradient
        self._state: tuple[tuple[int, int], ...] = ()
        self._logits: tuple[torch.Tensor | None, NDArray[np.float32]] | None = None
        self._predicted: tuple[NDArray[np.float32], NDArray[np.intp]] | None = None
        patch = network.patch
        self._windows = () if patch is None else windows(prepared.padded_shape, patch)
        self._number = 0
        self._view: View | None = None if self._windows else self._made(prepared, None)

    @property
    def budget(self) -> int:
        """Bytes that kept feature maps may take; less after memory ran out."""
        return self._budget if self._view is None else self._view.activations.budget

    @budget.setter
    def budget(self, budget: int) -> None:
        self._budget = budget
        if self._view is not None:
            self._view.activations.budget = budget

    @property
    def used(self) -> int:
        """Bytes that kept feature maps take."""
        return 0 if self._view is None else self._view.activations.used

    def keep_all_of(self, layers: Sequence[NetworkLayer]) -> bool:
        """Whether maps and gradients of the last question about these network layers are kept."""
        if self._view is None:
            return False
        kept = self._view.activations
        return kept.are_kept(layers) and kept.gradients.have(layers)

    def number_for(self, region: Footprint) -> int:
        """Number of the view on which a region is explained."""
        if len(self._windows) < 2:
            return 0
        weights, best = importance(self._network.patch or ()), (0, 0.0, 0)
        for number, window in enumerate(self._windows):
            pixels = region.part(seen_from(window, self._prepared.before)) != 0
            inside = int(np.count_nonzero(pixels))
            if inside >= max(1, best[0]):
                # Rounded, because the order in which equals are summed is not the same.
                share = round(float(weights[pixels].sum(dtype=np.float64)), 6)
                best = max(best, (inside, share, -number))
        return -best[2]

    def view(self, number: int) -> View:
        """One of the views; what it keeps of before is forgotten if the network has changed."""
        if self._view is None or number != self._number:
            self._budget = self.budget
            self._view = None  # makes room
            window = self._windows[number]
            self._view = self._made(patch_of(self._prepared, window), window)
            self._number = number
        self._view.activations.refresh()
        return self._view

    def logits(self, cancel: Cancel | None = None) -> NDArray[np.float32]:
        """Logits of shape (classes, *spatial), on the image grid; computed once.

        Call it inside `as_found`.
        """
        if self._windows:
            return self._of_patches(cancel)
        logits = self.view(0).activations.logits
        if self._logits is None or self._logits[0] is not logits:
            self._logits = logits, self._network.on_image(logits, self._prepared)
        return self._logits[1]

    def prediction(self) -> NDArray[np.intp]:
        """Class with the largest logit at every pixel of the image; call it inside `as_found`."""
        logits = self.logits()
        if self._predicted is None or self._predicted[0] is not logits:
            self._predicted = logits, np.asarray(logits.argmax(axis=0))
        return self._predicted[1]

    def footprint_of(self, region: Region) -> Footprint:
        """The pixels of a region on the image; the network runs if they depend on it.

        Call it inside `as_found`.

        Raises
        ------
        RegionError
            If the region does not fit the image, or has no pixel there.
        """
        return Footprint.of(region, self._prepared.shape, lambda box: self.prediction()[box])

    def class_of(self, target: int | str, region: Footprint) -> int:
        """Class c as an index, by what was asked for; call it inside `as_found`.

        Parameters
        ----------
        target
            Index or name; ``"predicted"``: the class predicted for most pixels of the region that
            count for the score.
        region
            M on the image.

        Raises
        ------
        TargetError
            If the network has no such class.
        """
        if is_predicted(target):
            here = self.prediction()[region.box][region.counting_for]
            return int(np.bincount(here).argmax())
        return self._network.class_index(target)

    def _of_patches(self, cancel: Cancel | None) -> NDArray[np.float32]:
        state = versions_of(self._network.module)
        if self._logits is None or state != self._state:
            self._logits = None, self._network.predict_prepared(self._prepared, cancel)
            self._state = state
        return self._logits[1]

    def _made(self, prepared: PreparedImage, window: Box | None) -> View:
        activations = Activations(
            self._network, prepared, self._budget, self._once, self._every_gradient
        )
        box = None
        if window is not None:
            on_image = seen_from(window, self._prepared.before)
            box = tuple(
                slice(max(0, w.start), min(size, w.stop))
                for w, size in zip(on_image, self._prepared.shape, strict=True)
            )
        return View(prepared, self._network.output_grid(prepared), activations, box)


def patch_facts(view: View, region: Footprint) -> PatchFacts | None:
    """What the record says of a patch; None where the view is all of the image.

    Warns where the region does not fit in the patch.
    """
    if view.box is None:
        return None
    inside = int(np.count_nonzero(region.part(view.box)))
    facts = PatchFacts(
        tuple(-lead for lead in view.prepared.before),
        view.prepared.padded_shape,
        inside / region.pixels,
    )
    if inside < region.pixels:
        warnings.warn(
            f"The network is explained on one patch of {patch_in_words(facts.size)}, which has "
            f"{facts.region_inside:.1%} of the region; the rest of the region is left out.",
            RuntimeWarning,
            stacklevel=2,
        )
    return facts
