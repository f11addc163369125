"""A question, frozen at the moment when it was asked, and how a thread answers it.

Nothing here touches the viewer: what a person does while the thread computes, does
not change what is computed. The thread is the only one that uses the explainer that
is kept between questions about one image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import Dims
from numpy.typing import NDArray

from ..errors import SegGradCamError, TargetError
from ..viewer.inputs import ImageInput, InputPlan
from .how import How
from .network_opening import OpenedNetwork
from .region_source import Drawn, RegionChoice

# Up to this many pixels a copy takes less than 50 ms and is made when Run is clicked.
_COPIED_AT_ONCE = 2**22

Progress = Callable[[int, int, str], None]
Cancel = Callable[[], bool]


class Outdated(SegGradCamError):
    """Something else was asked about than what the dock shows now."""


@dataclass(frozen=True, eq=False)
class Question:
    """Everything that an answer depends on.

    Attributes
    ----------
    run_id : str
        New for every question.
    opened : OpenedNetwork
        The network.
    plan : InputPlan
        Where the image's pixels come from and lie; with the pixels, an ``ImageInput``.
    choice : RegionChoice
        What the region is made of.
    mask : ndarray of bool or float32, or None
        What every pixel counts, where the region was drawn when the question was asked.
    dims : napari.components.Dims
        The sliders at that moment.
    target : int or str
        Class index or "predicted".
    layers : str or list of str
        Preset or names.
    how : How
        Method, score and extent.
    keep : bool
        Whether earlier heatmaps stay.
    """

    run_id: str
    opened: OpenedNetwork
    plan: InputPlan
    choice: RegionChoice
    mask: Drawn | None
    dims: Dims
    target: int | str
    layers: str | list[str]
    how: How
    keep: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """What came out of a question.

    Attributes
    ----------
    question : Question
        What was asked.
    image : ImageInput
        The pixels that the network saw.
    explanation : napari_seggradcam.Explanation
        The heatmaps.
    prediction : ndarray of int or None
        Predicted class of every pixel, where the region needed it.
    """

    question: Question
    image: ImageInput
    explanation: Any
    prediction: NDArray[Any] | None


def freeze(plan: InputPlan, choice: RegionChoice, dims: Dims) -> tuple[InputPlan, Drawn | None]:
    """Copy image and region at once where that is quick.

    Parameters
    ----------
    plan : InputPlan
        Of the image.
    choice : RegionChoice
        Of the region.
    dims : napari.components.Dims
        A copy of the sliders.

    Returns
    -------
    tuple of InputPlan and (ndarray or None)
        The plan with its pixels and the region. Large images, arrays on disk and
        regions that need the prediction are left to the thread: the plan as it was,
        and None.

    Raises
    ------
    RegionError
        If the region is drawn and empty.
    """
    arrays = [plane.data for plane in plan.planes]
    arrays += [source.layer.data for source in choice.sources if source.layer is not None]
    small = int(np.prod(plan.shape)) <= _COPIED_AT_ONCE
    # Shapes have lists of vertices, Points small arrays; dask and zarr are neither.
    if not small or not all(isinstance(array, np.ndarray | list) for array in arrays):
        return plan, None
    mask = None if choice.needs_prediction else choice.draw(plan, dims, None)
    return plan.read(), mask


@dataclass(frozen=True)
class Kept:
    """What is kept for the next question.

    Attributes
    ----------
    image : str
        Name of the image layer that it belongs to, or names of several.
    used, budget : int
        Bytes that kept feature maps take, and may take.
    """

    image: str
    used: int
    budget: int


class ImageExplainer:
    """Keeps the explainer of the last image, with the image as prepared and the prediction.

    Parameters
    ----------
    memory : int or None
        Bytes that kept feature maps may take; None: a quarter of what is free.
    """

    def __init__(self, memory: int | None = None) -> None:
        self.memory = memory
        self._in_force = memory
        self._key: tuple[Any, ...] | None = None
        self._explainer: Any = None
        self._image = ""

    def forget(self) -> None:
        """Free what is kept."""
        self._key = self._explainer = None

    @property
    def kept(self) -> Kept | None:
        """What is kept; None where nothing was asked. Ask while no thread computes."""
        explainer = self._explainer
        if explainer is None:
            return None
        return Kept(self._image, explainer.memory_used, explainer.memory)

    def hold_to_memory(self) -> None:
        """Let a changed `memory` be in force; forget what is more than it allows.

        Call it while no thread computes; threads do so before they use what is kept.
        """
        explainer, memory = self._explainer, self.memory
        if explainer is None or memory == self._in_force:
            return
        from ..explain.fitting import default_budget

        budget = default_budget(explainer.network.device) if memory is None else memory
        if explainer.memory_used > budget:
            self.forget()
        else:
            explainer.memory, self._in_force = budget, memory

    def of(self, network: Any, image: ImageInput) -> Any:
        """Return the explainer of a network and an image; call it in a thread only."""
        key = (id(network), str(network.device), image.axes, image.channel_names)
        self.hold_to_memory()
        if key != self._key or not same_pixels(image.array, self._explainer.image):
            from ..explain.explainer import Explainer

            self.forget()
            memory = self._in_force = self.memory
            self._explainer = Explainer(
                network,
                image.array,
                axes=image.axes,
                channel_names=image.channel_names,
                memory=memory,
                gradients=True,
            )
            self._key = key
        self._image = image.name
        return self._explainer

    def at_hand(self, network: Any, layers: str | list[str]) -> Any:
        """Return what is kept if another method needs no pass of a network; None otherwise."""
        explainer, key = self._explainer, (id(network), str(network.device))
        if self._key is None or self._key[:2] != key:
            return None
        return explainer if explainer.needs_no_pass(layers) else None


def same_pixels(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two arrays have the same values, of the same type."""
    return first is second or (first.dtype == second.dtype and np.array_equal(first, second))


def read_image(plan: InputPlan) -> ImageInput:
    """Return the plan with its pixels, reading them if it has none yet."""
    return plan if isinstance(plan, ImageInput) else plan.read()


def region_of(question: Question, explainer: Any) -> Drawn:
    """Return what every pixel counts, drawing the region if that was left to the thread."""
    if question.mask is not None:
        return question.mask
    prediction = explainer.prediction if question.choice.needs_prediction else None
    return question.choice.draw(question.plan, question.dims, prediction)


@contextmanager
def _in_words_of_the_dock(question: Question) -> Iterator[None]:
    """Name class and field where a class is asked against itself.

    Which class is predicted is known too late to say so before.
    """
    try:
        yield
    except TargetError as error:
        if question.how.versus is None:
            raise
        name = question.opened.card.classes[question.how.versus]
        raise TargetError(
            f"The margin of {name} is asked against {name} itself."
            " Choose another class under Against in section 4, or under Class in section 3."
        ) from error


def answer(
    question: Question,
    explainers: ImageExplainer,
    progress: Progress,
    cancel: Cancel,
) -> Answer:
    """Answer a question; runs in a thread.

    Parameters
    ----------
    question : Question
        What is asked.
    explainers : ImageExplainer
        Keeps the prepared image for the next question.
    progress, cancel : callable
        As :class:`~.job.Job` passes them.

    Raises
    ------
    SegGradCamError
        If the question can't be answered, or was cancelled.
    """
    progress(0, 0, "The network runs on the image")
    image = read_image(question.plan)
    explainer = explainers.of(question.opened.network, image)
    mask = region_of(question, explainer)
    with _in_words_of_the_dock(question):
        explanation = explainer.explain(
            mask,
            target=question.target,
            layers=question.layers,
            progress=progress,
            cancel=cancel,
            **question.how.arguments,
        )
    prediction = explainer.prediction if question.choice.needs_prediction else None
    return Answer(question, image, explanation, prediction)


def answer_at_once(question: Question, asked: Answer, explainer: Any, cancel: Cancel) -> Answer:
    """Answer a question that differs from one that was answered in method and extent alone.

    Parameters
    ----------
    question : Question
        What is asked.
    asked : Answer
        To the question before, whose gradients `explainer` keeps.
    explainer : napari_seggradcam.Explainer
        As `ImageExplainer.at_hand` gave it.
    cancel : callable
        As :class:`~.job.Job` passes it.

    Raises
    ------
    Outdated
        If image or region are others than those that were asked about.
    SegGradCamError
        If the question can't be answered, or was cancelled.
    """
    image = read_image(question.plan)
    if not same_pixels(image.array, asked.image.array):
        raise Outdated("The image has changed: press Run.")
    if not np.array_equal(region_of(question, explainer), asked.explanation.region):
        raise Outdated("The region has changed: press Run.")
    explanation = explainer.explain(
        asked.explanation.region,
        target=question.target,
        layers=question.layers,
        cancel=cancel,
        **question.how.arguments,
    )
    return Answer(question, asked.image, explanation, asked.prediction)
