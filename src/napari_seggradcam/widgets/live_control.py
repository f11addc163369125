"""Another method, extent or kind of maps of the question whose answer is shown, without Run.

What the gradients of a question leave is kept, so that another method of the Grad-CAM
family needs no pass of the network. Where all else is still as it was asked, the
answer then takes a moment, and only values change in the viewer: no layer comes or
goes, so that all that are seen change in one turn of the event loop, and those that
are hidden in the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from ..errors import SegGradCamError
from ..viewer.prepared import Prepared
from .compare_control import CompareControl
from .job import Cancel, Job, Progress
from .method import NEEDS_RUN, MethodFields
from .question import Answer, ImageExplainer, Question, answer_at_once
from .run_control import RunControl, sentence


class LiveControl(QObject):
    """Asks again when a method, extent or kind of maps is chosen; the latest choice wins.

    Signals
    -------
    answered(object)
        The viewer shows this :class:`~.question.Answer`.
    """

    answered = Signal(object)

    def __init__(
        self,
        run: RunControl,
        compare: CompareControl,
        method: MethodFields,
        explainers: ImageExplainer,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._run = run
        self._compare = compare
        self._method = method
        self._explainers = explainers
        self._job: Job | None = None
        self._again = False
        self._told = ""
        method.changed.connect(self.ask)
        run.changed.connect(self._on_free)
        compare.changed.connect(self._on_free)
        compare.signed_chosen.connect(self.ask)

    @property
    def running(self) -> bool:
        """Whether an answer is being computed."""
        return self._job is not None

    def stop(self) -> None:
        """Give up; the dock is closing."""
        self._again = False
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def ask(self) -> None:
        """Ask what the fields say, if that needs no pass; else say what it needs."""
        asked = self._compare.answer
        if asked is None:
            return
        if self.running or self._run.running or self._compare.building:
            self._again = True
            return
        if self._method.how == asked.question.how:
            self._take_back(asked)
        elif not self._run.reason:
            self._ask_another(asked)
        if not self.running and self._compare.shows_other_maps:
            self._start(lambda _cancel: asked)

    def _ask_another(self, asked: Answer) -> None:
        """Ask by another method or for another extent, or say why that needs Run."""
        try:
            question = self._run.ask()
        except SegGradCamError as error:
            self._tell(str(error))
            return
        explainer = self._explainers.at_hand(question.opened.network, question.layers)
        why_not = _why_not(question, asked, self._method.at_once, explainer)
        if why_not:
            self._tell(why_not)
        else:
            self._start(lambda cancel: answer_at_once(question, asked, explainer, cancel))

    def _tell(self, why_not: str) -> None:
        """Say why what is chosen is not what is shown."""
        self._told = why_not
        self._run.say(why_not)

    def _take_back(self, asked: Answer) -> None:
        """Say what is shown, where it was said that something else was chosen."""
        if self._told and self._told == self._run.said:
            self._run.say(sentence(asked.explanation))
        self._told = ""

    def _start(self, make: Callable[[Cancel], Answer]) -> None:
        """Show an answer that a thread makes."""
        prepare = self._compare.prepare

        def work(_progress: Progress, cancel: Cancel) -> tuple[Answer, Prepared]:
            result = make(cancel)
            return result, prepare(result)

        self._job = Job("computing other maps", work)
        self._job.succeeded.connect(self._on_answer)
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start_and_wait()

    def _on_answer(self, made: tuple[Answer, Prepared]) -> None:
        # Of a newer question, which has everything that this one asked; or all was cleared.
        if self._run.running or self._compare.answer is None:
            return
        result, prepared = made
        is_new = result is not self._compare.answer
        if self._compare.show_values(result, prepared):
            if is_new:
                self._run.say(sentence(result.explanation))
                self.answered.emit(result)
        else:
            self._run.deliver(result)

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, SegGradCamError):
            raise error
        self._tell(str(error))

    def _on_ended(self) -> None:
        self._job = None
        self._on_free()

    def _on_free(self) -> None:
        if self._again and not (self._run.running or self._compare.building):
            self._again = False
            self.ask()


def _why_not(question: Question, asked: Answer, at_once: bool, explainer: Any) -> str:
    """Why a question has to be asked by Run; empty if it need not."""
    before = asked.question
    if not at_once:
        return NEEDS_RUN
    if question.keep:
        return "Previous heatmaps are kept: press Run for new ones."
    if question.opened is not before.opened:
        return "The network has changed: press Run."
    if question.target != before.target:
        return "The class has changed: press Run."
    if question.layers != before.layers:
        return "The network layers have changed: press Run."
    if not question.how.has_score_of(before.how):
        return "Another score needs another pass: press Run."
    if explainer is None:
        return "The gradients are not kept any more: press Run."
    return ""
