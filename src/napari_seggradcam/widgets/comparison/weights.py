"""Section 2 of the comparison dock: which regions use the same channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QVBoxLayout, QWidget

from ..fields import beside, button
from ..message import Message
from ..run_row import RunRow
from ..section import Section
from .plots import make_plots

_MEASURES = (
    ("cosine", "Cosine", "Cosine of the angle between the weights of two regions"),
    ("rank", "Rank", "Spearman's correlation: only the order of the channels counts"),
)


class WeightsSection(Section):
    """A button, the matrix of similarities, and the channels of one region.

    Signals
    -------
    measure_changed()
        Cosine or rank.
    pair_clicked(int, int), branch_clicked(object)
        As of `SimilarityPlot`.
    channel_clicked(int)
        As of `ChannelPlot`.
    """

    measure_changed = Signal()
    pair_clicked = Signal(int, int)
    branch_clicked = Signal(object)
    channel_clicked = Signal(int)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(2, "Weights of regions", parent)
        self._viewer = viewer
        self.similarity: Any = None
        self.channels: Any = None
        self.row = RunRow("Compare weights", "Compute the weights of every region")
        self.empty = Message(
            "Regions with like weights use the same channels, and so the same evidence.", "hint"
        )
        self.fields = QWidget()
        self._column = QVBoxLayout(self.fields)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(5)
        self._group = QButtonGroup(self)
        self.measures = {}
        for word, text, tooltip in _MEASURES:
            choice = button(text, tooltip)
            choice.setCheckable(True)
            self._group.addButton(choice)
            self.measures[word] = choice
        self.measures["cosine"].setChecked(True)
        self._group.buttonToggled.connect(
            lambda _button, on: self.measure_changed.emit() if on else None
        )
        self.question = Message()
        self.chosen = Message()
        self._column.addWidget(self.question)
        self._column.addLayout(beside(*self.measures.values()))
        for widget in (self.row, self.empty, self.fields):
            self.rows.addWidget(widget)
        self.fields.hide()

    @property
    def measure(self) -> str:
        """The measure whose button is down: "cosine" or "rank"."""
        return next(word for word, choice in self.measures.items() if choice.isChecked())

    @property
    def plots(self) -> tuple[Any, ...]:
        """The plots, as far as there are any."""
        return () if self.similarity is None else (self.similarity, self.channels)

    def show_results(self, question: str) -> None:
        """Make room for results.

        Parameters
        ----------
        question : str
            What was compared, in a line.
        """
        if self.similarity is None:
            self._make_plots()
        self.question.say(question)
        self.empty.hide()
        self.fields.show()

    def show_chosen(self, text: str) -> None:
        """Say what is chosen in the matrix."""
        self.chosen.say(text)

    def clear(self) -> None:
        """Show no results."""
        self.fields.hide()
        self.empty.show()

    def follow_theme(self) -> None:
        """Let the plots follow the viewer's theme."""
        for plot in self.plots:
            plot.follow_theme()

    def let_go(self) -> None:
        """Let the plots follow the viewer's theme no longer."""
        for plot in self.plots:
            plot.let_go()

    def _make_plots(self) -> None:
        self.similarity, self.channels = make_plots(self._viewer, "SimilarityPlot", "ChannelPlot")
        self.similarity.caption.say("Click a cell, or a branch of the tree.", "hint")
        self.similarity.pair_clicked.connect(self.pair_clicked)
        self.similarity.branch_clicked.connect(self.branch_clicked)
        self.channels.channel_clicked.connect(self.channel_clicked)
        for widget in (self.similarity, self.chosen, self.channels):
            self._column.addWidget(widget)


def in_words(names: Sequence[str], most: int = 8) -> str:
    """Names in a row; of many the first ones and their number."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])}, … ({len(names)} in all)"
