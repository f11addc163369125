"""How a question is computed: which passes run, and over what part of the image.

Weights need the gradient of the score, which is zero beyond the reach of M: for a network that
sees locally, passes forward and backward over crops around M give it exactly. Maps need the
feature maps of the whole image, which are the same for every question and kept. Where crops would
cost more than the whole image, or can't stand for it, one forward and one backward pass over
the whole image give both.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.images import PreparedImage
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.running import cancellable, channels_last
from .activations import Activations
from .capture import Capture, OnGradient, Run
from .convolutions import CutConvolutions, SizeMatters
from .crops import Crop, CropPlanner
from .reach import mark_not_local, reach_of, same_logits
from .scores import OutputRegion, on_output, score
from .seg_grad_cam import LayerAnswer, LayerWeights

Progress = Callable[[int, int, str], None]
Cancel = Callable[[], bool]

# A pass backward to feature maps costs about as much as the pass forward.
_BACKWARD = 1.0

_SIZE_MATTERS = (
    "The logits of a crop differ from those of the whole image, so that the network has to see "
    "all of it."
)


@dataclass(frozen=True)
class Found:
    """What the passes gave.

    Attributes
    ----------
    answers
        Weights and signed map by name of the network layer.
    target
        The class c.
    score
        S on the whole image.
    region
        M on the output.
    where
        What ran, in words.
    seconds
        Until all weights were there, and until all maps were.
    """

    answers: dict[str, LayerAnswer]
    target: int
    score: float
    region: OutputRegion
    where: str
    seconds: tuple[float, float]


class Passes:
    """Passes of one network over one image.

    Parameters
    ----------
    network
        Use everything here with its lock held, inside `as_found`, with gradients enabled.
    prepared
        The image as the network sees it.
    activations
        What is kept of it.
    """

    def __init__(self, network: Network, prepared: PreparedImage, activations: Activations):
        self._network = network
        self._prepared = prepared
        self._activations = activations

    def ask(
        self,
        mask: NDArray[np.bool_],
        target: Callable[[], int],
        needs_prediction: bool,
        layers: Sequence[NetworkLayer],
        progress: Progress,
        cancel: Cancel | None,
    ) -> Found:
        """Weights and maps of network layers for a region.

        Parameters
        ----------
        mask
            M on the image grid.
        target
            Gives the class.
        needs_prediction
            Whether the logits have to be there for that.
        layers
            Network layers that are asked about.
        progress, cancel
            As for `Explainer.explain`.
        """
        grid = self._network.output_grid(self._prepared)
        region = on_output(mask, grid)
        question = _Question(region, target, needs_prediction, tuple(layers), progress, cancel)
        crops, why_whole = self._plan(question)
        if crops:
            try:
                return self._on_crops(question, crops)
            except SizeMatters:
                mark_not_local(self._network, _SIZE_MATTERS)
                why_whole = _SIZE_MATTERS
        return self._on_whole(question, why_whole)

    def _plan(self, question: "_Question") -> tuple[list[Crop], str]:
        """Crops to run, or none and why."""
        reach = reach_of(self._network)
        if reach.axes is None:
            return [], reach.why_not
        shape = self._prepared.tensor.shape[2:]
        most = self._activations.budget // self._bytes_per_pixel()
        planner = CropPlanner(reach.axes, self._network.rules, shape, most)
        crops, whole = planner.plan(question.region), math.prod(shape)
        forward = 0 if self._activations.are_kept(question.layers) else whole
        cost = forward + (1 + _BACKWARD) * planner.cost(crops)
        if whole <= most and (1 + _BACKWARD) * whole <= cost:
            return [], "Most of the image matters to the region."
        return crops, ""

    def _bytes_per_pixel(self) -> int:
        """What autograd keeps of a pass, per input pixel: about all feature maps."""
        values = sum(layer.channels / math.prod(layer.stride) for layer in self._network.layers)
        return max(1, round(4 * values))

    def _on_crops(self, question: "_Question", crops: Sequence[Crop]) -> Found:
        started = time.perf_counter()
        kept, names = self._activations, [layer.name for layer in question.layers]
        forward = 0 if kept.are_kept(question.layers) else len(names)
        steps = _Steps(question.progress, forward + len(crops) * len(names))
        # Where nothing is kept, maps are read when the weights are there, in one run.
        if not kept.once or kept.has_logits or question.needs_prediction:
            kept.prepare(question.layers, steps.step, question.cancel)
        target = question.target()
        weights = {name: LayerWeights() for name in names}

        def on_gradient(name: str, gradient: torch.Tensor) -> None:
            weights[name].add(gradient)
            steps.step(name)

        logits = [self._run_crop(crop, question, target, on_gradient) for crop in crops]
        weighted = time.perf_counter()
        answers: dict[str, LayerAnswer] = {}

        def on_maps(name: str, maps: torch.Tensor) -> None:
            answers[name] = weights[name].answer(maps)

        kept.visit(question.layers, on_maps, question.cancel)
        for crop, theirs in zip(crops, logits, strict=True):
            if not same_logits(theirs, kept.logits[:, :, *crop.outputs], kept.largest_logit):
                raise SizeMatters
        pixels = sum(crop.pixels for crop in crops) / self._prepared.tensor[0, 0].numel()
        count = "1 crop" if len(crops) == 1 else f"{len(crops)} crops"
        return Found(
            answers,
            target,
            float(score(kept.logits, target, question.region)),
            question.region,
            f"{count}, {pixels:.1%} of the image",
            (weighted - started, time.perf_counter() - started),
        )

    def _run_crop(
        self,
        crop: Crop,
        question: "_Question",
        target: int,
        on_gradient: OnGradient,
    ) -> torch.Tensor:
        """Visit the gradients of a part of M; returns the logits of the box around it."""
        replay = self._activations.replay(question.layers, [crop.window])
        if replay is not None:
            total = score(replay.logits, target, crop.region)
            replay.backward(total, on_gradient, question.cancel)
            return replay.logits.detach()[:, :, *crop.region.box]
        capture = Capture(self._network.module, question.layers, lambda name: None)
        tensor = channels_last(self._activations.input[:, :, *crop.window])
        shape = self._activations.input.shape[2:]
        kept = self._activations.convolutions
        convolve = CutConvolutions(kept, shape, [crop.window], [crop.centre])
        logits = self._forward(capture, tensor, question.cancel, convolve)
        capture.backward(score(logits, target, crop.region), on_gradient, question.cancel)
        return logits.detach()[:, :, *crop.region.box].clone()

    def _on_whole(self, question: "_Question", why: str) -> Found:
        started = time.perf_counter()
        names = [layer.name for layer in question.layers]
        steps = _Steps(question.progress, 2 * len(names))
        capture = Capture(self._network.module, question.layers, steps.step)
        logits = self._forward(capture, self._activations.input, question.cancel)
        maps = {name: tensor.detach() for name, tensor in capture.maps.items()}
        self._activations.keep(logits.detach(), {} if self._activations.once else maps)
        target = question.target()
        weights = {name: LayerWeights() for name in names}

        def on_gradient(name: str, gradient: torch.Tensor) -> None:
            weights[name].add(gradient)
            steps.step(name)

        total = score(logits, target, question.region)
        capture.backward(total, on_gradient, question.cancel)
        weighted = time.perf_counter()
        answers = {name: weights[name].answer(maps[name]) for name in names}
        return Found(
            answers,
            target,
            float(total.detach()),
            question.region,
            f"the whole image. {why}",
            (weighted - started, time.perf_counter() - started),
        )

    def _forward(
        self,
        capture: Capture,
        tensor: torch.Tensor,
        cancel: Cancel | None,
        run: Run | None = None,
    ) -> torch.Tensor:
        """Logits with the graph that the captured maps need."""
        network = self._network
        with capture, cancellable(network.module, cancel):
            logits = network.run(tensor, capture.calls(network.ndim, network.bypass, run))
        capture.check()
        return logits


@dataclass(frozen=True)
class _Question:
    region: OutputRegion
    target: Callable[[], int]
    needs_prediction: bool
    layers: tuple[NetworkLayer, ...]
    progress: Progress
    cancel: Cancel | None


class _Steps:
    """Counts steps for whoever watches.

    Parameters
    ----------
    progress
        Called with steps done, steps in all and a name.
    total
        Steps in all.
    """

    def __init__(self, progress: Progress, total: int):
        self._progress = progress
        self._total = total
        self._done = 0

    def step(self, name: str) -> None:
        """One more is done."""
        self._done += 1
        self._progress(self._done, self._total, name)
