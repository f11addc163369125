"""Network layers compared: what each of them says about one question, in numbers.

One pass forward and one backward give weights and gradients of all network layers; a second pass
backward asks about another region, to see which heatmaps do not depend on the region at all.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...networks.classes import is_predicted
from ...networks.images import channels_first
from ...networks.layers import NetworkLayer, unknown_layer
from ...networks.progress import Cancel, Progress, Steps
from ...networks.running import stop_if
from ..explainer import Explainer
from ..explanation import Heatmap
from ..methods.gradient import LayerGradient, sums
from ..regions.region import Footprint, Region
from .cut import cut_of
from .echoes import gini, image_gradients, pearson, share_inside
from .layer_facts import LayerFacts
from .other_region import other_region_of
from .reading import check_explainer, running
from .recommending import judged, repetition
from .whole_pass import WholePass, heatmaps_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CutShare:
    """What of the score passes through one network layer of the cut.

    Attributes
    ----------
    name
        The network layer.
    passes
        Σ G·A.
    share
        The same as a share of the score.
    """

    name: str
    passes: float
    share: float


@dataclass(frozen=True)
class LayerComparison:
    """Network layers compared for one question.

    Attributes
    ----------
    rows : tuple of LayerFacts
        One for every network layer, in order of execution.
    target : int
        The class c.
    class_name : str
        Its name.
    score : float
        S.
    other_region : str
        The region that `LayerFacts.blindness` compares with, in words.
    cut : tuple of CutShare
        Bottleneck and every skip, through which everything passes once; empty if they are no cut.
    residual : float
        What is missing of the score to the sum over the cut, as a share of the score: what biases
        add behind the cut, and what functions do that are not linear. NaN without a cut.
    no_cut : str
        Why there is no cut, in a sentence; empty if there is one.
    """

    rows: tuple[LayerFacts, ...]
    target: int
    class_name: str
    score: float
    other_region: str
    cut: tuple[CutShare, ...]
    residual: float
    no_cut: str

    def __iter__(self) -> Iterator[LayerFacts]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> LayerFacts:
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown_layer("The comparison", name, [row.name for row in self.rows])

    @property
    def recommended(self) -> tuple[LayerFacts, ...]:
        """The network layers to look at, the one that repeats the least first; may be empty."""
        chosen = [row for row in self.rows if row.recommended]
        return tuple(sorted(chosen, key=repetition))

    def to_frame(self) -> "pd.DataFrame":
        """Rows as a table, by name of the network layer."""
        import pandas as pd  # slow to import

        frame = pd.DataFrame([asdict(row) for row in self.rows])
        return frame.set_index("name")


def compare_layers(
    explainer: Explainer,
    region: Region | ArrayLike,
    target: int | str = "predicted",
    layers: str | Iterable[str] = "all",
    *,
    other_region: Region | ArrayLike | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> LayerComparison:
    """Compare what network layers say about one question.

    Parameters
    ----------
    explainer
        Of the image. The network runs on all of it (or on the patch of the region) at once.
    region, target, layers
        The question, as for `Explainer.explain`.
    other_region
        Another region, whose heatmaps show which network layers do not care for the region. None:
        the other pixels predicted as the class; if these are fewer than a tenth of M, the mirror
        image of M, through the middle of the image, without M.
    progress
        Called with steps done, steps in all and the network layer, in the calling thread.
    cancel
        Asked between modules of the forward pass and between gradients of the backward passes.

    Returns
    -------
    LayerComparison

    Raises
    ------
    RegionError
        If a region is empty or does not fit the image.
    TargetError, LayerError
        If class or network layer do not exist.
    OptionError
        If what is given as explainer is none.
    OutOfMemory
        If the image takes more memory than is free.
    Cancelled
        If ``cancel`` said so; nothing has changed then.
    """
    check_explainer(explainer)
    network = explainer.network
    if not is_predicted(target):
        target = network.class_index(target)
    chosen = network.select_layers(layers)
    stop_if(cancel)
    with running(explainer):
        cut = cut_of(network)
        captured = [layer for layer in network.layers if layer in (*chosen, *cut.layers)]
        steps = Steps(3 * len(captured) + len(chosen), progress)
        through = WholePass(explainer, region, captured, steps, cancel)
        target = explainer.views.class_of(target, through.region)
        other = other_region_of(explainer, through, other_region, target)
        asked = _Passages(through, target, captured, steps)
        asked.ask(through.region, again=other.footprint is not None)
        if other.footprint is not None:
            asked.ask(other.footprint, again=False)
        rows = tuple(_rows(explainer, asked, chosen, cancel))
    cut_shares = tuple(
        CutShare(layer.name, asked.passes[layer.name], asked.share(layer.name))
        for layer in cut.layers
    )
    residual = 1 - math.fsum(one.share for one in cut_shares) if cut_shares else math.nan
    name = network.classes[target]
    return LayerComparison(
        judged(rows), target, name, asked.score, other.words, cut_shares, residual, cut.why_not
    )


class _Passages:
    """What passes through every network layer for a region, and its weights there and elsewhere.

    Parameters
    ----------
    through
        The pass forward.
    target
        The class.
    layers
        Network layers that were captured.
    steps
        Progress.
    """

    def __init__(
        self, through: WholePass, target: int, layers: Sequence[NetworkLayer], steps: Steps
    ):
        self.through = through
        self.target = target
        self.score = math.nan
        self.passes = {layer.name: 0.0 for layer in layers}
        self.weights: dict[str, list[LayerGradient]] = {layer.name: [] for layer in layers}
        self.steps = steps

    def ask(self, region: Footprint, *, again: bool) -> None:
        """Ask about a region; the first one is M."""
        is_first = math.isnan(self.score)
        for found in self.weights.values():
            found.append(LayerGradient())

        def on_gradient(name: str, gradient: torch.Tensor, maps: torch.Tensor) -> None:
            self.weights[name][-1].add_sums(*(one[0] for one in sums(gradient)))
            if is_first:
                # Half precision would not keep the digits of a sum.
                product = gradient.to(torch.promote_types(gradient.dtype, torch.float32)) * maps
                self.passes[name] = float(sums(product)[0].sum())
            self.steps(name)

        score = self.through.backward(region, self.target, on_gradient, again=again)
        if is_first:
            self.score = score

    def share(self, name: str) -> float:
        """Σ G·A of a network layer as a share of the score."""
        return self.passes[name] / self.score if self.score else math.nan


class _References:
    """What heatmaps are compared with, on the image grid."""

    def __init__(self, explainer: Explainer, region: Footprint, target: int):
        network = explainer.network
        image = channels_first(explainer.image, explainer.axes, network.axes, network.channels)
        self.edges = image_gradients(image, network.axes)
        self.logits = explainer.logits[target]
        self.mask = explainer.prediction == target
        self.region = np.asarray(region.on(explainer.image_shape) != 0)


def _rows(
    explainer: Explainer, asked: _Passages, layers: Sequence[NetworkLayer], cancel: Cancel | None
) -> Iterator[LayerFacts]:
    references = _References(explainer, asked.through.region, asked.target)
    for layer in layers:
        stop_if(cancel)
        heatmaps = heatmaps_of(explainer, asked.through, layer, asked.weights[layer.name])
        yield _facts(heatmaps, asked.passes[layer.name], asked.share(layer.name), references)
        asked.steps(layer.name)


def _facts(
    heatmaps: Sequence[Heatmap], passes: float, share: float, references: _References
) -> LayerFacts:
    """Numbers about one network layer.

    Parameters
    ----------
    heatmaps
        For M, and for another region if there is one.
    passes, share, references
        What goes with them.
    """
    own, layer = heatmaps[0], heatmaps[0].layer
    signed = own.resized(signed=True)
    heat = np.maximum(signed, 0)
    return LayerFacts(
        name=layer.name,
        role=layer.role,
        level=layer.level,
        channels=layer.channels,
        resolution=own.signed.shape,
        passes=passes,
        share=share,
        sparsity=gini(own.heatmap),
        empty=own.empty,
        mask_echo=pearson(heat, references.mask),
        logit_echo=pearson(signed, references.logits),
        edge_echo=pearson(heat, references.edges),
        blindness=pearson(own.heatmap, heatmaps[1].heatmap) if heatmaps[1:] else math.nan,
        inside=share_inside(heat, references.region),
    )
