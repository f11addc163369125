"""Asks questions and hands their answers to the viewer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from napari.utils import notifications
from qtpy.QtCore import QObject, Signal

from ..errors import ImageError, SegGradCamError
from ..viewer.results import ResultLayers, ResultSettings
from .image_control import ImageControl
from .job import Cancel, Delivery, Job, Progress
from .method import MethodFields
from .network_control import NetworkControl
from .network_layers import NetworkLayersSection
from .question import Answer, ImageExplainer, Question, answer, freeze
from .region import RegionSection
from .region_control import RegionControl, still
from .run import RunSection

log = logging.getLogger(__name__)


class RunControl(QObject):
    """The question that is computed, one at a time; the latest one wins.

    A run ends in one of four ways: its heatmaps are in the viewer, it was cancelled,
    it failed, or a newer question took its place. In each the section shows Run again.

    Signals
    -------
    answered(object)
        The heatmaps of this :class:`~.question.Answer` are in the viewer.
    delivering(object)
        The heatmaps of this answer are about to be added or updated.
    changed()
        A run has begun or ended.
    """

    answered = Signal(object)
    delivering = Signal(object)
    changed = Signal()

    def __init__(
        self,
        viewer: Any,
        section: RunSection,
        region_section: RegionSection,
        layers_section: NetworkLayersSection,
        method: MethodFields,
        controls: tuple[ImageControl, NetworkControl, RegionControl],
        explainers: ImageExplainer,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._section = section
        self._region_section = region_section
        self._layers_section = layers_section
        self._method = method
        self._image, self._network, self._region = controls
        self._explainers = explainers
        self._job: Job | None = None
        self._delivery: Delivery | None = None
        self._run_id = ""
        self._again = False
        self.results = ResultLayers(viewer)
        self.blocked_by = ""
        self.looks: Callable[[], ResultSettings] = ResultSettings
        section.run_requested.connect(self.run)
        section.cancel_requested.connect(self.cancel)
        layers_section.selection_changed.connect(self.refresh)
        for asked in (
            region_section.region_changed,
            region_section.target_changed,
            layers_section.selection_changed,
            method.changed,
        ):
            asked.connect(self._forget_error)
        for control in controls:
            control.changed.connect(self.refresh)

    @property
    def running(self) -> bool:
        """Whether something computes or is being added to the viewer."""
        return self._job is not None or self._delivery is not None

    @property
    def reason(self) -> str:
        """Why a question can't be asked now; empty if it can."""
        if self._image.layer is None:
            return "Open an image first."
        if self._network.opening:
            return "The network is being opened."
        if self._network.opened is None:
            return "Choose a network in section 2."
        if self._image.plan is None:
            return "The network does not fit the image; section 2 says why."
        if self._region.problem:
            return "The region can't be used; section 3 says why."
        if not self._layers_section.names:
            return "Choose at least one network layer in section 4."
        return self.blocked_by

    def refresh(self) -> None:
        """Offer Run or say why not, unless a run is on."""
        if not self.running:
            self._section.show_idle(self.reason)

    def ask(self) -> Question:
        """Freeze what the dock shows into a question.

        Raises
        ------
        SegGradCamError
            If image or region can't be used.
        """
        self._image.settle()
        plan, opened = self._image.plan, self._network.opened
        if plan is None or opened is None:
            raise ImageError(self.reason)
        choice, dims = self._region_section.choice, still(self._viewer.dims)
        frozen, mask = freeze(plan, choice, dims)
        return Question(
            run_id=uuid4().hex[:12],
            opened=opened,
            plan=frozen,
            choice=choice,
            mask=mask,
            dims=dims,
            target=self._region_section.target_value,
            layers=self._layers_section.selection,
            how=self._method.how,
            keep=bool(self._section.keep.value),
        )

    def run(self) -> None:
        """Ask now; a run that is on is given up for it."""
        if self.running:
            self._again = True
            self.cancel()
            return
        if self.reason:
            self.refresh()
            return
        try:
            question = self.ask()
        except SegGradCamError as error:
            self._section.note.say(str(error), "error")
            return
        explainers = self._explainers

        def work(progress: Progress, cancel: Cancel) -> Answer:
            return answer(question, explainers, progress, cancel)

        self._run_id = question.run_id
        job = self._job = Job("computing heatmaps", work)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_answer)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.ended.connect(self._on_job_ended)
        self._section.show_running(0, 0, "Starting")
        job.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Give up the run that is on; results that wait are not added."""
        if self._job is not None:
            self._job.cancel()
            self._section.show_cancelling()
        elif self._delivery is not None:
            self.results.finish(self._run_id)
            self._delivery.stop()

    def clear(self) -> None:
        """Add no more heatmaps of the last answer, and say nothing of it any more."""
        if self._delivery is not None:
            self._delivery.stop()
        self.say("")

    def stop(self) -> None:
        """Give everything up; the dock is closing."""
        self._again = False
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if self._delivery is not None:
            self._delivery.stop()
            self._delivery = None

    def _on_progress(self, done: int, total: int, what: str) -> None:
        if self._job is not None and not self._job.cancelling:
            self._section.show_running(done, total, what)

    def say(self, text: str) -> None:
        """Tell what came of a question, or why it has to be asked by Run."""
        if not self.running:
            self._section.note.say(text, "hint")

    @property
    def said(self) -> str:
        """What stands below Run."""
        return self._section.note.text()

    def deliver(self, result: Answer) -> None:
        """Hand an answer to the viewer in place of the last, a layer per turn of the event loop."""
        result = replace(result, question=replace(result.question, keep=False))
        self._run_id = result.question.run_id
        self._section.show_running(0, 0, "Starting")
        self._on_answer(result)
        self.changed.emit()

    def _on_answer(self, result: Answer) -> None:
        self.delivering.emit(result)
        # Heatmaps or signed maps, for all layers alike; other looks may change on the way.
        self._delivery = Delivery(self._steps(result, self.looks().signed), self)
        self._delivery.progressed.connect(self._on_delivered)
        self._delivery.failed.connect(self._on_failed)
        self._delivery.ended.connect(self._on_delivery_ended)
        self._delivery.start()

    def _steps(self, result: Answer, signed: bool) -> Iterator[tuple[int, int]]:
        """Add one napari layer per step."""
        question, explanation = result.question, result.explanation
        missing = [layer for layer in question.plan.layers if layer not in self._viewer.layers]
        if missing:
            raise ImageError(
                f"The image layer {missing[0].name!r} was removed while its heatmaps"
                " were computed; they were not added. Open the image and run again."
            )
        total = len(explanation.layers) + 1
        self.results.start(question.run_id, question.keep)
        yield 0, total
        for done, name in enumerate(explanation.layers, start=1):
            looks = replace(self.looks(), signed=signed)
            self.results.add_heatmap(explanation, name, result.image, question.run_id, looks)
            yield done, total
        self.results.add_region(explanation, result.image, question.run_id)
        yield total, total
        self.results.finish(question.run_id)
        self._section.note.say(sentence(explanation), "hint")
        self.answered.emit(result)

    def _on_delivered(self, state: tuple[int, int]) -> None:
        self._section.show_running(*state, "added to the viewer")

    def _on_failed(self, error: Exception) -> None:
        self._section.note.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            log.error("A run failed.", exc_info=error)
            notifications.show_error(f"The heatmaps could not be made: {error}")

    def _forget_error(self) -> None:
        """Take back what went wrong, where something else is asked now."""
        if self._section.note.level == "error":
            self.say("")

    def _on_cancelled(self) -> None:
        self._section.note.say("Cancelled; the viewer is as it was.", "hint")

    def _on_job_ended(self) -> None:
        self._job = None
        self._settle()

    def _on_delivery_ended(self) -> None:
        if self._delivery is not None:
            self._delivery.deleteLater()
        self._delivery = None
        self._settle()

    def _settle(self) -> None:
        if self.running:
            return
        note, level = self._section.note.text(), self._section.note.level
        self.refresh()
        self._section.note.say(note, level)
        self.changed.emit()
        if self._again:
            self._again = False
            self.run()


def sentence(explanation: Any) -> str:
    """Say what came out."""
    count = len(explanation.layers)
    heatmaps = "1 heatmap" if count == 1 else f"{count} heatmaps"
    said = (
        f"{heatmaps} for {explanation.class_name} in"
        f" {explanation.region_size:,} px; score {explanation.score:.4g}."
    )
    # Crops are quick and need no word; with the whole image comes why it had to be that.
    where: str = explanation.record["computed"]["on"]
    return f"{said} Computed on {where}" if where.startswith("the whole image") else said
