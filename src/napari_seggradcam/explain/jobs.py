"""A question on its way to the answer."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from ..networks.layers import NetworkLayer
from .crops import Crop
from .kept_gradients import Key
from .methods.answering import LayerAnswer, Weights, fill
from .methods.gradient import LayerGradient
from .methods.weighting import GradientMethod, LayerShape, Totals
from .regions.output import OutputRegion
from .regions.region import Box
from .scores import Score
from .tiled_run import Part
from .truncation import MASS, Truncation


@dataclass(frozen=True, eq=False)
class Asked:
    """One question, as far as the passes need to know it.

    Attributes
    ----------
    region
        M on the output, as its score takes it.
    target
        Gives the class c.
    needs_prediction
        Whether the logits have to be there for that.
    score
        What is differentiated.
    method
        What is made of feature maps and gradients.
    truncate
        Which extent the maps keep.
    """

    region: OutputRegion
    target: Callable[[], int]
    needs_prediction: bool
    score: Score
    method: GradientMethod
    truncate: Truncation | None = None

    @property
    def needs_gradient(self) -> bool:
        """Whether the gradient itself is needed, and not its sums alone."""
        truncated = self.truncate is not None and self.truncate.needs_gradient
        return self.method.needs_gradient or truncated


@dataclass(frozen=True)
class Found:
    """What the passes gave for one question.

    Attributes
    ----------
    answers
        Weights and signed map by name of the network layer.
    gradients
        dS/dA_k by name of the network layer.
    target
        The class c.
    score
        S on the whole image.
    region
        M on the output.
    computed
        What ran, in words, and seconds until all weights and until all maps were there, for the
        questions that were computed together.
    layers
        Network layers whose maps lie elsewhere than theirs, by name.
    seen
        The part of the padded input that the maps are of; None: all.
    """

    answers: dict[str, LayerAnswer]
    gradients: dict[str, LayerGradient]
    target: int
    score: float
    region: OutputRegion
    computed: dict[str, Any]
    layers: dict[str, NetworkLayer] = field(default_factory=dict)
    seen: Box | None = None


@dataclass(eq=False)
class Job:
    """A question on its way to the answer.

    Attributes
    ----------
    number
        Of the question, among those that are asked together.
    asked
        The question.
    crops
        Passes to run for it.
    target
        The class c, once it is decided.
    gradients, answers
        By name of the network layer, as far as they are known.
    """

    number: int
    asked: Asked
    crops: list[Crop] = field(default_factory=list)
    target: int = -1
    gradients: dict[str, LayerGradient] = field(default_factory=dict)
    answers: dict[str, LayerAnswer] = field(default_factory=dict)
    _weights: dict[str, Weights] = field(default_factory=dict)
    _totals: dict[str, Totals] = field(default_factory=dict)

    def decide(self) -> None:
        """Know the class."""
        if self.target < 0:
            self.target = self.asked.target()

    def begin(self, layers: Sequence[NetworkLayer], keeps: bool) -> None:
        """Begin with no gradients.

        Parameters
        ----------
        layers
            The network layers.
        keeps
            Whether gradients are kept for the next question even if this one needs their sums only.
        """
        keeps = keeps or self.asked.needs_gradient
        self.gradients = {layer.name: LayerGradient(keeps) for layer in layers}
        self.answers, self._weights, self._totals = {}, {}, {}

    @property
    def keeps_gradients(self) -> bool:
        """Whether its gradients are there, and not their sums alone."""
        return all(gradient.keeps for gradient in self.gradients.values())

    @cached_property
    def key(self) -> Key:
        """What its gradients depend on, once the class is decided."""
        region = self.asked.region
        digest = hashlib.blake2b(region.weights.tobytes(), digest_size=16).hexdigest()
        return region.first, region.weights.shape, digest, self.target, self.asked.score

    def words(self, whole: int) -> str:
        """Which crops ran, of an image of so many pixels."""
        if not self.crops:
            return "the gradients that the question before has left"
        pixels = sum(crop.pixels for crop in self.crops) / whole
        count = "1 crop" if len(self.crops) == 1 else f"{len(self.crops)} crops"
        return f"{count}, {pixels:.1%} of the image"

    @property
    def needs_totals(self) -> bool:
        """Whether maps have to be looked at before there are weights."""
        return self.asked.method.needs_totals

    def add_totals(self, name: str, maps: torch.Tensor, part: Part) -> None:
        """Look at a part of a network layer's maps before there are weights."""
        first = tuple(side.start for side in part.box)
        found = Totals.of(self.gradients[name], maps, first)
        known = self._totals.get(name)
        self._totals[name] = found if known is None else known + found

    def find_totals(self, name: str, maps: torch.Tensor, part: Part) -> None:
        """Look at all of a network layer's maps, unless another method has done so."""
        gradient = self.gradients[name]
        if gradient.totals is None:
            self.add_totals(name, maps, part)
            gradient.totals = self._totals[name]
        self._totals[name] = gradient.totals

    def weigh(self, name: str, maps: torch.Tensor, part: Part) -> Weights:
        """Weights of a network layer, whose gradients are all there."""
        if name not in self._weights:
            shape = LayerShape(name, maps.shape[1], part.shape, maps.dtype)
            weights = self.asked.method.weigh(self.gradients[name], shape, self._totals.get(name))
            truncate = self.asked.truncate
            with_mass = truncate is not None and truncate.extent == MASS
            self._weights[name] = weights
            self.answers[name] = LayerAnswer.blank(weights, shape, with_mass)
        return self._weights[name]

    def found(self, logits: torch.Tensor, where: str, seconds: tuple[float, float]) -> Found:
        """The answer, with the whole image's logits for the score."""
        computed = {
            "on": where,
            "seconds_to_weights": round(seconds[0], 4),
            "seconds_to_maps": round(seconds[1], 4),
        }
        region = self.asked.region
        total = float(self.asked.score(logits, self.target, region))
        return Found(self.answers, self.gradients, self.target, total, region, computed)


def add_totals(jobs: Sequence[Job], name: str, maps: torch.Tensor, part: Part | None) -> None:
    """Look at a part of a network layer's maps, for the methods that need it; as for `answer`."""
    if part is not None:  # what is there as a whole is looked at when it is answered
        for job in jobs:
            if job.needs_totals:
                job.add_totals(name, maps, part)


def answer(jobs: Sequence[Job], name: str, maps: torch.Tensor, part: Part | None) -> None:
    """Answer questions about a network layer as far as its feature maps are there.

    Parameters
    ----------
    jobs
        Whose gradients are there.
    name
        The network layer.
    maps
        A_k, (1, channels, *box).
    part
        Which part of them; None: all. Methods that need it have seen all parts before.
    """
    if part is None:
        part = whole_of(maps)
        for job in jobs:
            if job.needs_totals:
                job.find_totals(name, maps, part)
    weights = [job.weigh(name, maps, part) for job in jobs]
    answers = [job.answers[name] for job in jobs]
    fill(answers, weights, [job.gradients[name] for job in jobs], maps, part.box)


def whole_of(maps: torch.Tensor) -> Part:
    """All of a network layer's feature maps."""
    shape = tuple(maps.shape[2:])
    return Part(tuple(slice(0, size) for size in shape), shape)
