"""Section 4 of the comparison dock: which network layers to look at, and why."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..fields import FieldGrid, combo
from ..message import Message
from ..run_row import RunRow
from ..section import Section
from .plots import make_plots, why_no_plots
from .row_words import percent, repeated_most

_CHOICES = (("One per stage", "levels"), ("All", "all"))
_COLUMNS = (
    ("Network layer", "Bold: recommended"),
    ("%", "Percent of the score that pass this network layer"),
    (
        "Like",
        "What its map is most like, by correlation: the predicted mask, the logits,"
        " the image's edges, or the heatmap of another region",
    ),
)
_SHOWN = 12


class LayerComparisonSection(Section):
    """A button, the recommendation in words, a table and plots.

    Signals
    -------
    layer_clicked(str)
        Name of a network layer, in table or plot.
    """

    layer_clicked = Signal(str)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(4, "Network layers", parent)
        self._viewer = viewer
        self.plot: Any = None
        self.cut: Any = None
        self.preset = combo("Network layers", _CHOICES, "Which network layers are compared")
        self.row = RunRow(
            "Compare network layers",
            "Ask the question of the main dock, its region and class, of every network layer",
        )
        grid = FieldGrid()
        grid.add("Layers", self.preset.native)
        self.empty = Message(
            "Which network layers' heatmaps to look at for the main dock's region, and why.", "hint"
        )
        self.fields = QWidget()
        self._column = QVBoxLayout(self.fields)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(5)
        self.question = Message()
        self.recommendation = Message()
        self._build_table()
        self.why = Message(level="hint")
        self.cut_note = Message(level="hint")
        self.no_plots = Message(level="hint")
        for widget in (self.question, self.recommendation, self.table, self.why, self.no_plots):
            self._column.addWidget(widget)
        self.rows.addLayout(grid)
        for widget in (self.row, self.empty, self.fields):
            self.rows.addWidget(widget)
        self.fields.hide()

    def _build_table(self) -> None:
        self.table = QTreeWidget()
        self.table.setAccessibleName("Network layers compared")
        self.table.setHeaderLabels([name for name, _tooltip in _COLUMNS])
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for column, (_name, tooltip) in enumerate(_COLUMNS):
            self.table.headerItem().setToolTip(column, tooltip)
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(_COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemClicked.connect(lambda item, _column: self.layer_clicked.emit(item.text(0)))

    @property
    def plots(self) -> tuple[Any, ...]:
        """The plots, as far as there are any."""
        return () if self.plot is None else (self.plot, self.cut)

    def show_comparison(self, comparison: Any, region_size: int) -> None:
        """Show a `LayerComparison`.

        Parameters
        ----------
        comparison : LayerComparison
            What was found.
        region_size : int
            Pixels of the region.
        """
        self.question.say(
            f"{comparison.class_name} in {region_size:,} px, score {comparison.score:.4g}"
        )
        self.recommendation.say(recommendation_in_words(comparison.recommended))
        self._fill(comparison.rows)
        self.why.say("Click a row: its numbers in words, and its heatmap.", "hint")
        self.no_plots.say(why_no_plots(), "warning")
        if not why_no_plots():
            self._draw(comparison)
        self.empty.hide()
        self.fields.show()

    def mark_layer(self, name: str, words: str) -> None:
        """Mark the rows of a network layer, and say what is known of it."""
        for item in self.table.findItems(name, Qt.MatchFlag.MatchExactly, 0):
            self.table.setCurrentItem(item)
        self.why.say(words)
        if self.plot is not None:
            self.plot.mark_layer(name)

    def follow_theme(self) -> None:
        """Let the plots follow the viewer's theme."""
        for plot in self.plots:
            plot.follow_theme()

    def let_go(self) -> None:
        """Let the plots follow the viewer's theme no longer."""
        for plot in self.plots:
            plot.let_go()

    def _fill(self, rows: Any) -> None:
        self.table.clear()
        for row in rows:
            item = QTreeWidgetItem(self.table, [row.name, percent(row.share), repeated_most(row)])
            for column in range(1, len(_COLUMNS)):
                item.setTextAlignment(
                    column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
            item.setToolTip(0, f"{row.name}: {row.why}")
            if row.recommended:
                bold = QFont(item.font(0))
                bold.setBold(True)
                item.setFont(0, bold)
        height = self.table.sizeHintForRow(0) * min(len(rows), _SHOWN)
        self.table.setFixedHeight(height + self.table.header().sizeHint().height() + 6)

    def _draw(self, comparison: Any) -> None:
        if self.plot is None:
            self.plot, self.cut = make_plots(self._viewer, "LayerPlot", "CutPlot")
            self.cut.caption.say("Share of the score through bottleneck and skips", "hint")
            for plot in self.plots:
                plot.layer_clicked.connect(self.layer_clicked)
                self._column.addWidget(plot)
            self._column.addWidget(self.cut_note)
        self.plot.caption.say(f"Other region: {comparison.other_region}.", "hint")
        self.plot.show_rows(comparison.rows)
        self.cut.setVisible(bool(comparison.cut))
        self.cut_note.say(comparison.no_cut, "hint")
        if comparison.cut:
            names = [one.name for one in comparison.cut]
            self.cut.show_cut(names, [one.share for one in comparison.cut], comparison.residual)


def recommendation_in_words(recommended: Any) -> str:
    """Say which network layers to look at, and why; the first of many."""
    if not recommended:
        return "No network layer is recommended: something speaks against each of them."
    first, *others = recommended
    sentence = f"Look at {first.name}: {first.why}."
    if others:
        sentence += f" Also {', '.join(row.name for row in others)}."
    return sentence
