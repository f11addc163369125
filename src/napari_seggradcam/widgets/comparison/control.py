"""What the three comparisons of the dock have in common: a button that asks."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from ...errors import SegGradCamError
from .question_control import QuestionControl
from .runner import Runner
from .shown import Shown


class ComparisonControl(QObject):
    """Asks when the button of a section is pressed; a subclass is one comparison.

    Parameters
    ----------
    section : Section
        With a `RunRow` as its ``row``.
    question : QuestionControl
        What all comparisons of the dock are about.
    runner : Runner
        Runs the work.
    shown : Shown
        The layers that comparisons have made.
    parent : QObject, optional
        Parent.
    """

    def __init__(
        self,
        section: Any,
        question: QuestionControl,
        runner: Runner,
        shown: Shown,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._question = question
        self._runner = runner
        self._shown = shown
        section.row.run_requested.connect(self.run)
        section.row.cancel_requested.connect(runner.cancel)
        question.changed.connect(self._refresh)

    def run(self) -> None:
        """Ask now, or say below the button why that can't be asked."""
        try:
            self._ask()
        except SegGradCamError as error:
            self._section.row.note.say(str(error), "error")

    def _ask(self) -> None:
        """Start the work with what is chosen now."""
        raise NotImplementedError

    @property
    def _reason(self) -> str:
        """Why it can't be asked; empty if it can."""
        return self._question.reason

    def _refresh(self) -> None:
        self._runner.refresh(self._section.row, self._reason)
