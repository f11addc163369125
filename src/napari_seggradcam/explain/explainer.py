"""Asking questions: one image, one network, any number of regions."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..networks.network import Network, check_network
from ..networks.progress import Cancel, Progress, silent
from ..networks.running import as_found, stop_if
from . import scores
from .explanation import Explanation
from .finding import find
from .fitting import default_budget
from .heatmaps import heatmap_of
from .jobs import Found
from .methods.cams import SegGradCam
from .options import check_count
from .questions import AnswerFacts, ImageFacts, Question, record_of
from .regions.region import Footprint, Region
from .regions.sets import each_label, everywhere, label
from .views import View, Views, patch_facts


class Explainer:
    """Answers questions about one image.

    What the network computes on the image is computed once and kept. A question about a region
    then costs a pass over what the region can see, forward and backward; where the network is not
    local, or the region is most of the image, over the whole image.

    A network with a patch (`Network.patch`) is explained on the one of its own inference that has
    the most of the region, about its middle; of what does not fit a warning tells.

    What is kept is forgotten when the network's parameters or buffers change. Changes through
    ``.data`` are the exception, of which torch takes no notice: make a new explainer after them.

    Parameters
    ----------
    network
        The network that is explained.
    image
        Raw values; the network's normalisation and padding are applied here.
    axes
        One letter an axis: the spatial axes ``Z``, ``Y``, ``X`` and ``C`` for channels, such as
        ``"YX"`` or ``"YXC"``. None: the spatial axes alone, or the network's own axes, whichever
        has as many axes as the image.
    channel_names
        What the channels of the image are, for the record; None: it says nothing of it.
    memory
        Bytes that feature maps kept for the next question may take; None: a quarter of what is
        free. What does not fit is computed again for every question.
    once
        Whether there will be one question only, so that nothing is kept for the next.
    gradients
        Whether gradients are kept as well, so that another method or extent of the question that
        was asked last needs no pass. Those of a method that needs them are kept anyway.

    Raises
    ------
    ShapeError
        If axes or channels do not fit the network.
    ImageError
        If the image has values that are not finite.
    NetworkError
        If what is given as network is none.
    OptionError
        If the memory is no number of bytes.
    """

    def __init__(
        self,
        network: Network,
        image: ArrayLike,
        axes: str | None = None,
        *,
        channel_names: Sequence[str] | None = None,
        memory: int | None = None,
        once: bool = False,
        gradients: bool = False,
    ):
        check_network(network)
        self.network = network
        self.image = np.asarray(image)
        self.axes = axes
        self.channel_names = channel_names
        self._prepared = network.prepare(image, axes)
        budget = default_budget(network.device) if memory is None else memory
        check_count("memory (bytes)", budget, least=0)
        # Comparisons, which run passes of their own, look at the image through it, too.
        self.views = Views(network, self._prepared, budget, once, gradients)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Spatial shape of the image."""
        return self._prepared.shape

    @property
    def memory(self) -> int:
        """Bytes that kept feature maps may take; can be set."""
        return self.views.budget

    @memory.setter
    def memory(self, budget: int) -> None:
        check_count("memory (bytes)", budget, least=0)
        self.views.budget = budget

    @property
    def memory_used(self) -> int:
        """Bytes that kept feature maps take."""
        return self.views.used

    def needs_no_pass(self, layers: str | Iterable[str]) -> bool:
        """Whether another method or extent of the last question about network layers is at hand.

        That is so where the feature maps and gradients of all of them are kept (`gradients`), and
        for methods that need nothing else.

        Parameters
        ----------
        layers
            As for `explain`.
        """
        return self.views.keep_all_of(self.network.select_layers(layers))

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits of shape (classes, *spatial), on the image grid; computed once."""
        with self.network.lock, as_found(self.network.module):
            return self.views.logits()

    @property
    def prediction(self) -> NDArray[np.intp]:
        """Class with the largest logit at every pixel, of the image's spatial shape."""
        with self.network.lock, as_found(self.network.module):
            return self.views.prediction()

    def explain(
        self,
        region: Region | ArrayLike,
        target: int | str = "predicted",
        layers: str | Iterable[str] = "bottleneck",
        *,
        method: str = SegGradCam.name,
        score: str = scores.LOGIT,
        versus: int | str | None = None,
        reduce: str = scores.SUM,
        truncate: str | tuple[str, float] | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Explanation:
        """Explain the class logit in a region.

        Parameters
        ----------
        region
            The pixels M: a boolean array on the image grid, or a region such as
            `napari_seggradcam.pixel`. An array of floats says what every pixel counts.
        target
            Class by index or name; ``"predicted"``: the one predicted for most pixels of M.
        layers
            Preset (``"bottleneck"``, ``"levels"``, ``"all"``), name, module path, or a list.
        method
            What is made of feature maps and gradients: ``"seg-grad-cam"``, or another of
            `napari_seggradcam.explain.methods.known.METHODS`.
        score
            What is differentiated: ``"logit"``, S = Σ_M y_c, as published; ``"margin"``,
            ``"log-probability"`` or ``"probability"``; see `napari_seggradcam.explain.scores`.
        versus
            Of a margin, the class that is asked against, by index or name; None: all others.
        reduce
            ``"sum"`` over M, as published, or ``"mean"``.
        truncate
            Which extent the heatmaps keep: None, all of it; ``"support"``, positions with a
            gradient; ``("mass", q)``, the smallest set of positions with a share q of
            Σ |dS/dA_k A_k|; ``"distance"``, positions no further from M than the network sees.
        progress
            Called with steps done, steps in all and the network layer, in the calling thread.
        cancel
            Asked between modules of the forward pass and between gradients of the backward pass.
        **options
            Of the method, such as ``window`` of ``"seg-xres-cam"``.

        Returns
        -------
        Explanation

        Raises
        ------
        RegionError
            If the region is empty or does not fit the image.
        TargetError, LayerError, OptionError
            If class, network layer or option do not exist.
        NetworkError
            If the network fails on the image.
        ImageError
            If the image takes more memory than is free; see `explain_large`.
        OutOfMemory
            If memory ran out and the computation can't be divided further.
        Cancelled
            If ``cancel`` said so; nothing has changed then.
        """
        question = Question.of(
            self.network,
            region,
            target,
            layers,
            method=method,
            score=score,
            versus=versus,
            reduce=reduce,
            truncate=truncate,
            options=options,
        )
        stop_if(cancel)
        return self._answer([question], progress or silent, cancel)[0]

    def explain_each(
        self,
        labels: ArrayLike,
        target: int | str = "predicted",
        layers: str | Iterable[str] = "bottleneck",
        *,
        method: str = SegGradCam.name,
        score: str = scores.LOGIT,
        versus: int | str | None = None,
        reduce: str = scores.SUM,
        truncate: str | tuple[str, float] | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> dict[int, Explanation]:
        """Explain every label value but 0 on its own.

        What the network computes on the image is read once for all of them, and what labels of
        similar size can see runs together.

        Parameters
        ----------
        labels
            Whole numbers on the image grid.
        target, layers, method, score, versus, reduce, truncate, progress, cancel, **options
            As for `explain`.

        Returns
        -------
        dict of int to Explanation
            In order of the label values; empty if there is none but 0. What else is asked is
            checked all the same.

        Raises
        ------
        RegionError
            If the labels do not fit the image.
        TargetError, LayerError, OptionError, NetworkError, Cancelled
            As for `explain`.
        """
        regions = each_label(labels)
        label(labels, 0).extent(self.image_shape)  # also where there is no other value
        question = Question.of(
            self.network,
            everywhere(),
            target,
            layers,
            method=method,
            score=score,
            versus=versus,
            reduce=reduce,
            truncate=truncate,
            options=options,
        )
        questions = [replace(question, region=region) for region in regions.values()]
        stop_if(cancel)
        if not questions:
            return {}
        answers = self._answer(questions, progress or silent, cancel)
        return dict(zip(regions, answers, strict=True))

    def _answer(
        self, questions: Sequence[Question], progress: Progress, cancel: Cancel | None
    ) -> list[Explanation]:
        """Answers to questions about the same network layers."""
        started = time.perf_counter()
        answers: dict[int, Explanation] = {}
        with self.network.lock, as_found(self.network.module), torch.enable_grad():
            if self.network.patch is not None and any(map(_needs_prediction, questions)):
                self.views.logits(cancel)
            regions = [self.views.footprint_of(question.region) for question in questions]
            views = [self.views.number_for(region) for region in regions]
            for view in sorted(set(views)):
                here = [number for number, its in enumerate(views) if its == view]
                asked = [(questions[number], regions[number]) for number in here]
                found = self._answer_on(self.views.view(view), asked, progress, cancel)
                answers |= dict(zip(here, found, strict=True))
        seconds = round(time.perf_counter() - started, 3)
        for answer in answers.values():
            answer.record["seconds"] = seconds
            answer.record["asked_together"] = len(answers)
        return [answers[number] for number in range(len(questions))]

    def _answer_on(
        self,
        view: View,
        questions: Sequence[tuple[Question, Footprint]],
        progress: Progress,
        cancel: Cancel | None,
    ) -> list[Explanation]:
        """Answers to questions about one view of the image."""
        found = find(self.network, view, questions, self.views.class_of, progress, cancel)
        return [
            self._explanation(view, question, region, one)
            for (question, region), one in zip(questions, found, strict=True)
        ]

    def _explanation(
        self, view: View, question: Question, region: Footprint, found: Found
    ) -> Explanation:
        heatmaps = {
            layer.name: heatmap_of(self.network, view, question, layer, found, self.image_shape)
            for layer in question.layers
        }
        image = ImageFacts(
            self.image.shape,
            self.image.dtype,
            self.axes,
            self._prepared.before,
            self._prepared.after,
            patch_facts(view, region),
            self.channel_names,
        )
        answer = AnswerFacts(
            region.pixels, found.region.how, found.target, found.score, found.computed
        )
        return Explanation(
            heatmaps,
            region.on(self.image_shape),
            self.image,
            found.target,
            self.network.classes[found.target],
            found.score,
            record_of(self.network, image, question, answer),
        )


def explain(
    network: Network,
    image: ArrayLike,
    region: Region | ArrayLike,
    *,
    axes: str | None = None,
    channel_names: Sequence[str] | None = None,
    target: int | str = "predicted",
    layers: str | Iterable[str] = "bottleneck",
    **options: Any,
) -> Explanation:
    """Ask one question of one image.

    Parameters
    ----------
    network, image, axes, channel_names
        As for `Explainer`.
    region, target, layers, **options
        As for `Explainer.explain`.

    Returns
    -------
    Explanation

    See Also
    --------
    Explainer : keeps what the next question about the same image needs.
    """
    explainer = Explainer(network, image, axes, channel_names=channel_names, once=True)
    return explainer.explain(region, target, layers, **options)


def _needs_prediction(question: Question) -> bool:
    return question.target == "predicted" or question.region.depends_on_prediction
