"""Section 6: look at the heatmaps side by side, and keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .fields import FieldGrid, beside, button, combo, slider, switch
from .message import Message
from .section import Section
from .settings import Settings

COLORMAPS = ("inferno", "magma", "plasma", "viridis", "turbo", "hot")
_MODES = (
    ("overlay", "Overlay", "One heatmap at a time, over the image"),
    ("grid", "Grid", "A cell per network layer: image, heatmap and the region's outline"),
    ("stack", "Stack", "One layer with a slider that goes through the network layers"),
)


@dataclass(frozen=True)
class ResultRow:
    """What the table shows of one heatmap."""

    name: str
    maximum: float
    empty: str | None


class CompareSection(Section):
    """Modes, looks, the table of results, and saving.

    Signals
    -------
    mode_changed(str)
        "overlay", "grid" or "stack".
    looks_changed()
        Another colormap, opacity or outline.
    row_chosen(str)
        This network layer is to be shown.
    clear_requested(), save_requested(), figure_requested()
        The buttons.
    """

    mode_changed = Signal(str)
    looks_changed = Signal()
    row_chosen = Signal(str)
    clear_requested = Signal()
    save_requested = Signal()
    figure_requested = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(6, "Compare", parent)
        self.empty = Message("The heatmaps of a run are compared here.", "hint")
        self.rows.addWidget(self.empty)
        self.fields = QWidget()
        self._column = QVBoxLayout(self.fields)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(5)
        self._column.addLayout(self._build_modes())
        self._build_looks(settings)
        self._build_table()
        self._build_buttons()
        self.rows.addWidget(self.fields)
        self.problem = Message()
        self.rows.addWidget(self.problem)
        self.show_results("", [])

    def _build_modes(self) -> QHBoxLayout:
        self._group = QButtonGroup(self)
        self.modes = {}
        for word, text, tooltip in _MODES:
            mode = button(text, tooltip)
            mode.setCheckable(True)
            mode.toggled.connect(lambda on, word=word: self.mode_changed.emit(word) if on else None)
            self._group.addButton(mode)
            self.modes[word] = mode
        self.modes["grid"].setChecked(True)
        row = beside(*self.modes.values())
        row.setSpacing(1)
        return row

    def _build_looks(self, settings: Settings) -> None:
        names = list(COLORMAPS)
        if settings.colormap not in names:
            names.append(settings.colormap)
        self.colormap = combo("Colormap", names, "Colours of all heatmaps", settings.colormap)
        self.opacity = slider("Opacity", "Of all heatmaps over the image", settings.opacity)
        self.outline = switch("Outline of the region", "Show the region's outline", True)
        for field in (self.colormap, self.opacity, self.outline):
            field.changed.connect(lambda _value: self.looks_changed.emit())
        grid = FieldGrid()
        grid.add("Colours", self.colormap.native)
        grid.add("Opacity", self.opacity.native)
        grid.add("", self.outline.native)
        self._column.addLayout(grid)

    def _build_table(self) -> None:
        self.question = Message()
        self._column.addWidget(self.question)
        self.table = QTreeWidget()
        self.table.setAccessibleName("Heatmaps of the last run")
        self.table.setColumnCount(2)
        self.table.setHeaderLabels(["Network layer", "Maximum"])
        self.table.setRootIsDecorated(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setToolTip("Click a row to show that heatmap alone, again to show all")
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemSelectionChanged.connect(self._on_row)
        self._column.addWidget(self.table)
        self.reasons = Message(level="warning")
        self._column.addWidget(self.reasons)
        self._column.addWidget(
            Message("Each network layer has its own colour scale, from 0 to its maximum.", "hint")
        )

    def _build_buttons(self) -> None:
        self.save_button = button(
            "Save…", "Save the explanation as *.sgc.zarr (OME-Zarr)", self.save_requested.emit
        )
        self.figure_button = button(
            "Figure…", "Save a PNG of all heatmaps over the image", self.figure_requested.emit
        )
        self.clear_button = button(
            "Clear",
            "Remove the heatmaps; layers that you renamed or edited stay",
            self.clear_requested.emit,
        )
        self._column.addLayout(beside(self.save_button, self.figure_button, self.clear_button))

    @property
    def mode(self) -> str:
        """The mode whose button is down."""
        return next(word for word, mode in self.modes.items() if mode.isChecked())

    @property
    def has_results(self) -> bool:
        """Whether the table has rows."""
        return self.table.topLevelItemCount() > 0

    def show_mode(self, word: str) -> None:
        """Press a mode's button without asking for the mode."""
        self.blockSignals(True)
        self.modes[word].setChecked(True)
        self.blockSignals(False)

    def show_results(self, question: str, rows: Sequence[ResultRow]) -> None:
        """Fill the table; no rows show the empty state.

        Parameters
        ----------
        question : str
            Class, score and region in a line.
        rows : sequence of ResultRow
            In order of execution.
        """
        self.table.blockSignals(True)
        self.table.clear()
        for row in rows:
            shown = "empty" if row.empty else f"{row.maximum:.3g}"
            item = QTreeWidgetItem(self.table, [row.name, shown])
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column in (0, 1):
                item.setToolTip(column, row.empty or f"{row.name}: maximum {row.maximum:.6g}")
        self.table.blockSignals(False)
        height = self.table.sizeHintForRow(0) if rows else 0
        self.table.setFixedHeight(height * min(len(rows), 10) + self.table.header().height() + 6)
        self.question.say(question)
        self.reasons.say("\n".join(_reasons(rows)), "warning")
        self.empty.setVisible(not rows)
        self.fields.setVisible(bool(rows))

    def mark_row(self, name: str) -> None:
        """Select the row of a network layer without asking for it to be shown."""
        self.table.blockSignals(True)
        for item in self.table.findItems(name, Qt.MatchFlag.MatchExactly, 0):
            self.table.setCurrentItem(item)
        self.table.blockSignals(False)

    def _on_row(self) -> None:
        chosen: list[Any] = self.table.selectedItems()
        self.row_chosen.emit(chosen[0].text(0) if chosen else "")


def _reasons(rows: Sequence[ResultRow]) -> list[str]:
    """Return why heatmaps are empty, each reason once with the network layers it holds for."""
    layers: dict[str, list[str]] = {}
    for row in rows:
        if row.empty:
            layers.setdefault(row.empty, []).append(row.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in layers.items()]
