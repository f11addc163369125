"""How questions are computed: which passes run, and over what part of the image.

Weights need the gradient of the score, which is zero beyond the reach of M: for a network that
sees locally, passes forward and backward over crops around M give it exactly. Maps need the
feature maps of the whole image, which are the same for every question and kept. Where crops would
cost more than the whole image, or can't stand for it, one pass forward and one backward over the
whole image give both.

Several questions share what they can: crops of one shape run as a batch, one pass forward over the
whole image is enough for all, and every feature map is read once.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch

from ..errors import OutOfMemory
from ..networks.images import PreparedImage
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel, Progress
from ..networks.running import cancellable, channels_last, shortage_told
from .activations import Activations
from .agreement import same_logits
from .capture import Capture, OnGradient, Run
from .convolutions import CutConvolutions, SizeMatters
from .crops import Crop, CropPlanner
from .fitting import PIXELS_OF_A_BATCH, bytes_per_pixel
from .jobs import Asked, Found, Job, add_totals, answer
from .methods.gradient import sums
from .patches import Patch
from .reach import mark_not_local, reach_of

Backward = Callable[[torch.Tensor, OnGradient, Cancel | None], None]

# A pass backward to feature maps costs about as much as the pass forward.
_BACKWARD = 1.0

_SIZE_MATTERS = (
    "The logits of a crop differ from those of the whole image, so that the network has to see "
    "all of it."
)


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
        asked: Sequence[Asked],
        layers: Sequence[NetworkLayer],
        progress: Progress,
        cancel: Cancel | None,
    ) -> list[Found]:
        """Weights and maps of network layers, for every question.

        Parameters
        ----------
        asked
            The questions.
        layers
            Network layers that all of them are about.
        progress, cancel
            As for `Explainer.explain`.
        """
        run = _Run(tuple(layers), progress, cancel)
        while True:
            try:
                with shortage_told():
                    return self._ask(asked, layers, run)
            except OutOfMemory as error:
                told = str(error)
            # Outside of the handler, because the error's traceback holds what filled the memory.
            run.less_memory(self._activations.make_do(told))

    def _ask(
        self, asked: Sequence[Asked], layers: Sequence[NetworkLayer], run: "_Run"
    ) -> list[Found]:
        kept = self._activations
        jobs = [Job(number, one) for number, one in enumerate(asked)]
        new = [job for job in jobs if not self._is_known(job, layers)]
        if new:
            kept.gradients.clear()  # makes room
        why_whole = self._plan(new, layers)
        on_whole = [job for job in new if not job.crops]
        on_crops = [job for job in jobs if job not in on_whole]
        is_kept = kept.are_kept(layers) or self._reads_once(jobs)
        forward = bool(on_whole) or not is_kept
        run.expect(int(forward) + sum(len(job.crops) or 1 for job in new))
        found = self._on_whole(on_whole, run, why_whole)
        try:
            found |= self._on_crops(on_crops, run)
        except SizeMatters:
            mark_not_local(self._network, _SIZE_MATTERS)
            found |= self._on_whole(on_crops, run, _SIZE_MATTERS)
        if not kept.once:
            kept.gradients.clear()
            gradients = {job.key: job.gradients for job in jobs if job.keeps_gradients}
            kept.gradients.keep(gradients, kept.budget - kept.used)
        return [found[number] for number in range(len(asked))]

    def _is_known(self, job: Job, layers: Sequence[NetworkLayer]) -> bool:
        """Whether the gradients of a question are kept: another method or extent was asked."""
        kept = self._activations
        if not kept.has_logits:
            return False
        job.decide()
        if not kept.gradients.have(layers):
            return False
        gradients = kept.gradients.of(job.key, layers)
        job.gradients = gradients or {}
        return gradients is not None

    def _plan(self, jobs: Sequence[Job], layers: Sequence[NetworkLayer]) -> str:
        """Give every question the crops to run, or none; returns why it has none."""
        reach = reach_of(self._network, self._shape)
        if reach.axes is None:
            return reach.why_not
        planner = CropPlanner(reach.axes, self._network.rules, self._shape, self._most)
        whole = math.prod(self._shape)
        # One pass forward is there for all questions.
        forward = 0 if self._activations.are_kept(layers) else whole / max(1, len(jobs))
        for job in jobs:
            crops = planner.plan(job.asked.region)
            cost = forward + (1 + _BACKWARD) * planner.cost(crops)
            is_dear = whole <= self._most and (1 + _BACKWARD) * whole <= cost
            job.crops = [] if is_dear else crops
        return "Most of the image matters to the region."

    def _reads_once(self, jobs: "Sequence[Job]") -> bool:
        """Whether maps are read when the weights are there, in one run, and nothing is kept."""
        kept = self._activations
        needs_prediction = any(job.asked.needs_prediction for job in jobs)
        return kept.once and not kept.has_logits and not needs_prediction

    @property
    def _shape(self) -> tuple[int, ...]:
        """Spatial shape of the padded input."""
        return tuple(self._prepared.tensor.shape[2:])

    @property
    def _most(self) -> int:
        """Pixels that may run at once with a graph for the gradient."""
        by_budget = self._activations.budget // bytes_per_pixel(self._network)
        return min(by_budget, self._activations.most or by_budget)

    def _on_crops(self, jobs: "Sequence[Job]", run: "_Run") -> dict[int, Found]:
        if not jobs:
            return {}
        started = time.perf_counter()
        kept = self._activations
        if not self._reads_once(jobs) and any(job.crops for job in jobs):
            kept.prepare(run.layers, run.step, run.cancel)
        for job in jobs:
            job.decide()
            if job.crops:
                job.begin(run.layers, kept.gradients.every)
        logits: list[tuple[Crop, torch.Tensor]] = []
        for batch in _batches(jobs, self._most):
            logits += self._run_batch(batch, run)
        weighted = time.perf_counter()

        if kept.most is not None and any(job.needs_totals for job in jobs):
            kept.visit(run.layers, partial(add_totals, jobs), run.cancel)
        kept.visit(run.layers, partial(answer, jobs), run.cancel)
        for crop, theirs in logits:
            here, precision = kept.logits[:, :, *crop.outputs], self._network.precision
            if not same_logits(theirs, here, kept.largest_logit, precision):
                raise SizeMatters
        seconds = (weighted - started, time.perf_counter() - started)
        whole = math.prod(self._shape)
        return {job.number: job.found(kept.logits, job.words(whole), seconds) for job in jobs}

    def _run_batch(
        self, batch: "Sequence[tuple[Job, Crop]]", run: "_Run"
    ) -> list[tuple[Crop, torch.Tensor]]:
        """Add to weights what crops of one shape give; returns every crop's logits on its M."""
        reaches = reach_of(self._network, self._shape).layers

        def on_gradient(name: str, patch: Patch) -> None:
            totals, sizes = sums(patch.values)
            for item, (job, crop) in enumerate(batch):
                starts = [
                    axis.output_index(side.start)
                    for axis, side in zip(reaches[name], crop.window, strict=True)
                ]
                gradient = job.gradients[name]
                gradient.add_sums(totals[item], sizes[item])
                gradient.add_patch(patch.item(item, starts))
                run.step(name)

        crops = [crop for _, crop in batch]
        graph = self._activations.replay(run.layers, [crop.window for crop in crops])
        logits, backward = (
            self._run(crops, run) if graph is None else (graph.logits, graph.backward)
        )
        parts = [
            job.asked.score(logits[item : item + 1], job.target, crop.region)
            for item, (job, crop) in enumerate(batch)
        ]
        backward(torch.cat(parts).sum(), on_gradient, run.cancel)
        return [
            (crop, logits.detach()[item : item + 1, :, *crop.region.box].clone())
            for item, (_, crop) in enumerate(batch)
        ]

    def _run(self, crops: Sequence[Crop], run: "_Run") -> tuple[torch.Tensor, Backward]:
        """Run the network on crops; returns logits, and what visits gradients."""
        capture = Capture(self._network.module, run.layers, lambda name: None)
        whole = self._activations.input
        windows = [crop.window for crop in crops]
        tensor = channels_last(torch.cat([whole[:, :, *window] for window in windows]))
        kept, centres = self._activations.convolutions, [crop.centre for crop in crops]
        convolve = CutConvolutions(kept, whole.shape[2:], windows, centres)
        return self._forward(capture, tensor, run.cancel, convolve), capture.backward

    def _on_whole(self, jobs: "Sequence[Job]", run: "_Run", why: str) -> dict[int, Found]:
        if not jobs:
            return {}
        started = time.perf_counter()
        capture = Capture(self._network.module, run.layers, run.step)
        logits = self._forward(capture, self._activations.input, run.cancel)
        maps = {name: tensor.detach() for name, tensor in capture.maps.items()}
        self._activations.keep(logits.detach(), {} if self._activations.once else maps)
        for job in jobs:
            job.decide()
            job.begin(run.layers, self._activations.gradients.every)

            def on_gradient(name: str, patch: Patch, job: Job = job) -> None:
                job.gradients[name].add(patch)
                run.step(name)

            total = job.asked.score(logits, job.target, job.asked.region).sum()
            capture.backward(total, on_gradient, run.cancel, again=job is not jobs[-1])
        weighted = time.perf_counter()
        for layer in run.layers:
            answer(jobs, layer.name, maps[layer.name], None)
        seconds = (weighted - started, time.perf_counter() - started)
        whole = "image" if self._network.patch is None else "patch"
        where = f"the whole {whole}. {why}"
        return {job.number: job.found(logits.detach(), where, seconds) for job in jobs}

    def _forward(
        self,
        capture: Capture,
        tensor: torch.Tensor,
        cancel: Cancel | None,
        in_place_of: Run | None = None,
    ) -> torch.Tensor:
        """Logits with the graph that the captured maps need."""
        network = self._network
        with capture, cancellable(network.module, cancel):
            logits = network.run(tensor, capture.calls(network.ndim, network.bypass, in_place_of))
        capture.check()
        return logits


class _Run:
    """What all passes of a call have in common, and how far they are.

    Parameters
    ----------
    layers
        The network layers.
    progress
        Called with steps done, steps in all and a name.
    cancel
        Asked on the way.
    """

    def __init__(self, layers: Sequence[NetworkLayer], progress: Progress, cancel: Cancel | None):
        self.layers = layers
        self.cancel = cancel
        self._progress = progress
        self._total = 0
        self._done = 0

    def expect(self, passes: int) -> None:
        """There will be so many passes over all network layers."""
        self._total = self._done + passes * len(self.layers)

    def less_memory(self, most: int) -> None:
        """Memory ran out, and the next try takes so many pixels at a time at most."""
        self._progress(self._done, max(self._total, self._done), f"again, by {most:,} pixels")

    def step(self, name: str) -> None:
        """One more is done."""
        self._done += 1
        self._total = max(self._total, self._done)
        self._progress(self._done, self._total, name)


def _batches(jobs: Sequence[Job], most: int) -> Iterator[list[tuple[Job, Crop]]]:
    """Crops of one shape together, as many as may run at once."""
    by_shape: dict[tuple[int, ...], list[tuple[Job, Crop]]] = {}
    for job in jobs:
        for crop in job.crops:
            shape = tuple(side.stop - side.start for side in crop.window)
            by_shape.setdefault(shape, []).append((job, crop))
    for shape, crops in by_shape.items():
        count = max(1, min(most, PIXELS_OF_A_BATCH) // math.prod(shape))
        for first in range(0, len(crops), count):
            yield crops[first : first + count]
