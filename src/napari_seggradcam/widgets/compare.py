"""Section 6: look at the heatmaps side by side, and keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QEvent, QItemSelectionModel, QModelIndex, Qt, Signal
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

from ..explain.words import share_in_words
from ..viewer.heatmaps import DIVERGING
from .fields import FieldGrid, beside, button, combo, refill, slider, switch
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
    """What the table shows of one heatmap.

    Attributes
    ----------
    name : str
        Network layer.
    maximum : float
        Largest value; of a signed map the one furthest from zero, without its sign.
    empty : str or None
        Why it is zero everywhere.
    kept : float or None
        Share of its positions that truncation has kept.
    note : str or None
        What is to be said of the truncation.
    signed : bool
        Whether the signed map is meant.
    """

    name: str
    maximum: float
    empty: str | None
    kept: float | None = None
    note: str | None = None
    signed: bool = False


class ChoiceTree(QTreeWidget):
    """Rows of which one or none is chosen: a click on the chosen one takes the choice back."""

    def selectionCommand(
        self, index: QModelIndex, event: QEvent | None = None
    ) -> QItemSelectionModel.SelectionFlag:
        """What a click or key does to the selection; Qt asks for it."""
        pressed = event is not None and event.type() == QEvent.Type.MouseButtonPress
        if pressed and self.selectionModel().isSelected(index):
            flags = QItemSelectionModel.SelectionFlag
            return flags.Deselect | flags.Rows
        return super().selectionCommand(index, event)


class CompareSection(Section):
    """Modes, looks, the table of results, and saving.

    Signals
    -------
    mode_changed(str)
        "overlay", "grid" or "stack".
    looks_changed()
        Another colormap, opacity or outline.
    signed_changed()
        Signed maps are to be shown instead of heatmaps, or heatmaps again.
    row_chosen(str)
        This network layer is to be shown.
    clear_requested(), save_requested(), figure_requested()
        The buttons.
    """

    mode_changed = Signal(str)
    looks_changed = Signal()
    signed_changed = Signal()
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
        self.signed = switch(
            "Signed maps",
            "Show the map before the ReLU: what speaks for the class above zero, what speaks"
            " against it below. Signed maps are never truncated.",
            False,
        )
        names = list(COLORMAPS)
        if settings.colormap not in names:
            names.append(settings.colormap)
        self._colours = {False: settings.colormap, True: DIVERGING[0]}
        self.colormap = combo(
            "Colormap",
            lambda _widget: list(DIVERGING) if self.signed.value else names,
            "Colours of all heatmaps",
            settings.colormap,
        )
        self.opacity = slider("Opacity", "Of all heatmaps over the image", settings.opacity)
        self.outline = switch("Outline of the region", "Show the region's outline", True)
        self.signed.changed.connect(self._on_signed)
        self.colormap.changed.connect(self._on_colormap)
        for field in (self.opacity, self.outline):
            field.changed.connect(lambda _value: self.looks_changed.emit())
        grid = FieldGrid()
        grid.add("Colours", self.colormap.native)
        grid.add("Opacity", self.opacity.native)
        grid.add("", self.signed.native)
        grid.add("", self.outline.native)
        self._column.addLayout(grid)

    def _build_table(self) -> None:
        self.question = Message()
        self._column.addWidget(self.question)
        self.table = ChoiceTree()
        self.table.setAccessibleName("Heatmaps of the last run")
        self.table.setColumnCount(3)
        self.table.setHeaderLabels(["Network layer", "Maximum", "Kept"])
        self.table.headerItem().setToolTip(2, "Share of the positions that truncation has kept")
        self.table.setRootIsDecorated(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setToolTip(
            "Overlay: click a row to show that heatmap alone, again to show all."
            " Stack: click a row to go to it."
        )
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemSelectionChanged.connect(self._on_row)
        self._column.addWidget(self.table)
        self.reasons = Message(level="warning")
        self._column.addWidget(self.reasons)
        self.notes = Message(level="hint")
        self._column.addWidget(self.notes)
        self.scale = Message(level="hint")
        self._column.addWidget(self.scale)
        self._say_scale()

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

    def show_writing(self, writing: bool) -> None:
        """Offer to save one file at a time."""
        for one in (self.save_button, self.figure_button):
            one.setEnabled(not writing)

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
            Method, score, class, region and truncation in a sentence.
        rows : sequence of ResultRow
            In order of execution.
        """
        self.table.blockSignals(True)
        items = [self.table.topLevelItem(i) for i in range(self.table.topLevelItemCount())]
        if [item.text(0) for item in items] != [row.name for row in rows]:
            self.table.clear()
            items = [QTreeWidgetItem(self.table, [row.name]) for row in rows]
            height = self.table.sizeHintForRow(0) if rows else 0
            header = self.table.header().height()
            self.table.setFixedHeight(height * min(len(rows), 10) + header + 6)
        for item, row in zip(items, rows, strict=True):
            _fill(item, row)
        self.table.setColumnHidden(2, all(row.kept is None for row in rows))
        self.table.blockSignals(False)
        self.question.say(question)
        self.reasons.say("\n".join(_reasons([(row.name, row.empty) for row in rows])), "warning")
        self.notes.say("\n".join(_reasons([(row.name, row.note) for row in rows])), "hint")
        self.empty.setVisible(not rows)
        self.fields.setVisible(bool(rows))

    def mark_row(self, name: str) -> None:
        """Select the row of a network layer without asking for it to be shown; "" selects none."""
        self.table.blockSignals(True)
        self.table.clearSelection()
        for item in self.table.findItems(name, Qt.MatchFlag.MatchExactly, 0):
            self.table.setCurrentItem(item)
        self.table.blockSignals(False)

    def _on_colormap(self, name: str) -> None:
        self._colours[bool(self.signed.value)] = name
        self.looks_changed.emit()

    def _on_signed(self, signed: bool) -> None:
        refill(self.colormap, self._colours[signed])
        self._say_scale()
        self.signed_changed.emit()

    def _say_scale(self) -> None:
        scale = "Each network layer has its own colour scale, "
        scale += "about 0. Nothing is truncated." if self.signed.value else "from 0 to its maximum."
        self.scale.say(scale, "hint")

    def _on_row(self) -> None:
        chosen: list[Any] = self.table.selectedItems()
        self.row_chosen.emit(chosen[0].text(0) if chosen else "")


def _fill(item: QTreeWidgetItem, row: ResultRow) -> None:
    kept = "" if row.kept is None else share_in_words(row.kept)
    sign = "±" if row.signed else ""
    item.setText(1, "empty" if row.empty else f"{sign}{row.maximum:.3g}")
    item.setText(2, kept.removeprefix("kept "))
    told = f"{row.name}: maximum {sign}{row.maximum:.6g}" + (f", {kept}" if kept else "")
    told = row.empty or told
    for column in range(3):
        item.setToolTip(column, told if row.note is None else f"{told}\n{row.note}")
    for column in (1, 2):
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


def _reasons(told: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return what is said of network layers, each sentence once with those it holds for."""
    layers: dict[str, list[str]] = {}
    for name, reason in told:
        if reason:
            layers.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in layers.items()]
