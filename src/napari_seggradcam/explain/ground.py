"""What a method that runs the network itself is given: an input that has all that M sees."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel, Progress
from .crops import CropPlanner
from .input_score import InputScore
from .reach import Reach, reach_of
from .regions.output import OutputRegion
from .regions.region import Box, Footprint, Mask, box_at, seen_from, whole
from .scores import Score, ScoreOfLogits
from .views import View


@dataclass(frozen=True, eq=False)
class Ground:
    """One question, on the part of the input that matters to it.

    Attributes
    ----------
    score
        S as a function of the input, which is the part.
    of_logits
        S as a function of the logits, (batch,).
    pixel_scores
        What of S every pixel of M is, (batch, pixels), as a function of the logits.
    layers
        The network layers that are asked about.
    region
        M on the output of the whole, as its score takes it.
    inside
        Pixels of M on the part.
    window
        The part, on the padded input.
    reach
        How far the network sees.
    view
        What it sees at once.
    target
        The class c.
    progress, cancel
        As for `InputScore`.
    """

    score: InputScore
    of_logits: ScoreOfLogits
    pixel_scores: ScoreOfLogits
    layers: tuple[NetworkLayer, ...]
    region: OutputRegion
    inside: Mask
    window: Box
    reach: Reach
    view: View
    target: int
    progress: Progress | None
    cancel: Cancel | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of the padded input."""
        return self.view.prepared.padded_shape

    @property
    def is_whole(self) -> bool:
        """Whether the part is all of the padded input."""
        return self.window == whole(self.shape)

    @property
    def seen(self) -> Box | None:
        """The part, or None where it is the whole."""
        return None if self.is_whole else self.window

    def in_words(self) -> str:
        """On what the method runs, for the record."""
        if self.is_whole:
            return "the whole image"
        share = math.prod(w.stop - w.start for w in self.window) / math.prod(self.shape)
        return f"1 crop, {share:.1%} of the image"

    def placed(self, values: NDArray[np.floating], layer: NetworkLayer) -> Box:
        """Where a network layer's map on the part lies on the whole.

        Parameters
        ----------
        values
            Of shape (channels, *spatial).
        layer
            The network layer, or the input.
        """
        starts = [side.start for side in self.window]
        axes = self.reach.layers.get(layer.name)
        if axes is not None:
            starts = [a.output_index(start) for a, start in zip(axes, starts, strict=True)]
        return box_at(starts, values.shape[1:])


def ground_of(
    network: Network,
    view: View,
    layers: tuple[NetworkLayer, ...],
    region: OutputRegion,
    footprint: Footprint,
    target: int,
    score: Score,
    progress: Progress | None,
    cancel: Cancel | None,
    sees_all: bool,
) -> Ground:
    """Ground of a question: a crop where that has less than the whole, and can stand for it.

    Parameters
    ----------
    network
        What runs.
    view
        What it sees at once.
    layers
        The network layers.
    region, footprint
        M on the output, as its score takes it, and on the image.
    target
        The class c.
    score
        What is differentiated.
    progress, cancel
        As for `InputScore`.
    sees_all
        Whether the part is the whole in any case.
    """
    tensor = view.activations.input
    shape = tuple(tensor.shape[2:])
    reach, window, here = reach_of(network, shape), whole(shape), region
    if reach.axes is not None and not sees_all:
        most = int(np.prod(shape))
        crop = CropPlanner(reach.axes, network.rules, shape, most).crop(region)
        window, here = crop.window, crop.region
    on_image = seen_from(window, view.prepared.before)

    def of_logits(logits: torch.Tensor) -> torch.Tensor:
        return score(logits, target, here)

    return Ground(
        InputScore(network, tensor, of_logits, progress, cancel, window),
        of_logits,
        lambda logits: score.of_pixels(logits, target, here),
        layers,
        region,
        np.asarray(footprint.part(on_image) != 0),
        window,
        reach,
        view,
        target,
        progress,
        cancel,
    )
