"""Section 4: the network layers whose feature maps are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from .fields import FieldGrid, beside, button, combo, line
from .message import Message
from .section import Section

OWN = "own"
PRESETS = (
    ("One per stage", "levels"),
    ("Bottleneck", "bottleneck"),
    ("All", "all"),
    ("Own choice", OWN),
)
_NAME, _SHAPE, _STRIDE = range(3)


@dataclass(frozen=True)
class LayerRow:
    """What the tree shows of one network layer; plain values, no torch."""

    name: str
    stage: str
    channels: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    module: str | None


class NetworkLayersSection(Section):
    """A preset, and a tree by stage to choose from.

    Signals
    -------
    selection_changed()
        Other network layers are chosen.
    """

    selection_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(4, "Network layers and method", parent)
        self._presets: Mapping[str, frozenset[str]] = {}
        self._items: dict[str, QTreeWidgetItem] = {}
        self.preset = combo("Preset", PRESETS, "Which network layers get a heatmap each", "levels")
        self.preset.changed.connect(self._on_preset)
        self.choose_button = button("Choose", "Show the network layers to choose from")
        self.choose_button.setCheckable(True)
        self.choose_button.toggled.connect(self._on_tree_shown)
        self.summary = Message(level="hint")
        grid = FieldGrid()
        grid.add("Layers", self.preset.native)
        self.rows.addLayout(grid)
        self.rows.addLayout(beside(self.summary, self.choose_button, stretch=(1, 0)))
        self.search = line("Search", "Show the network layers whose name has this", "Search…")
        self.search.changed.connect(self._on_search)
        self.rows.addWidget(self.search.native)
        self._build_tree()
        self.show_network([], {})

    def _build_tree(self) -> None:
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Network layers by stage")
        self.tree.setColumnCount(3)
        self.tree.setHeaderLabels(["Layer", "Size", "Stride"])
        self.tree.setUniformRowHeights(True)
        self.tree.setIndentation(14)
        self.tree.setMinimumHeight(220)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.headerItem().setToolTip(_SHAPE, "Channels and size for the probe image")
        self.tree.headerItem().setToolTip(_STRIDE, "Image pixels from one position to the next")
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (_SHAPE, _STRIDE):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemChanged.connect(self._on_item_changed)
        self.rows.addWidget(self.tree)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the checked network layers, in order of execution."""
        return tuple(
            name
            for name, item in self._items.items()
            if item.checkState(_NAME) == Qt.CheckState.Checked
        )

    @property
    def selection(self) -> str | list[str]:
        """What to pass as ``layers``: the preset's word, or the names."""
        preset: str = self.preset.value
        return list(self.names) if preset == OWN else preset

    def show_network(
        self, layers: Sequence[LayerRow], presets: Mapping[str, Sequence[str]]
    ) -> None:
        """Fill the tree.

        Parameters
        ----------
        layers : sequence of LayerRow
            In order of execution; empty when no network is open.
        presets : mapping of str to names
            The network layers that each preset's word stands for.
        """
        self._presets = {word: frozenset(names) for word, names in presets.items()}
        self._items.clear()
        self.tree.blockSignals(True)
        self.tree.clear()
        stages: dict[str, QTreeWidgetItem] = {}
        for layer in layers:
            if layer.stage not in stages:
                stage = QTreeWidgetItem(self.tree, [layer.stage])
                stage.setFlags(stage.flags() | Qt.ItemFlag.ItemIsAutoTristate)
                stage.setFirstColumnSpanned(True)
                stages[layer.stage] = stage
            self._items[layer.name] = _row(stages[layer.stage], layer)
        self.tree.blockSignals(False)
        self.choose_button.setVisible(bool(layers))
        if not layers:
            self.choose_button.setChecked(False)
        self._on_tree_shown(self.choose_button.isChecked())
        with self.preset.changed.blocked():
            if layers and self.preset.value == OWN:
                self.preset.value = "levels"
            if layers and not self._presets[self.preset.value]:
                # A network that is all head has neither levels nor a bottleneck.
                self.preset.value = "all"
        self._on_preset(self.preset.value)

    def choose(self, name: str) -> None:
        """Choose one network layer, and no other."""
        with self.preset.changed.blocked():
            self.preset.value = OWN
        self._check(frozenset({name}))
        self._announce()

    def _on_preset(self, word: str) -> None:
        if word == OWN:
            self.choose_button.setChecked(bool(self._items))
        else:
            self._check(self._presets.get(word, frozenset()))
        self._announce()

    def _check(self, names: frozenset[str]) -> None:
        self.tree.blockSignals(True)
        for name, item in self._items.items():
            chosen = name in names
            item.setCheckState(_NAME, Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)
            if chosen:
                item.parent().setExpanded(True)
        self.tree.blockSignals(False)

    def _on_item_changed(self, _item: QTreeWidgetItem, _column: int) -> None:
        with self.preset.changed.blocked():
            self.preset.value = OWN
        self._announce()

    def _announce(self) -> None:
        chosen = len(self.names)
        text = f"{chosen} of {len(self._items)} network layers"
        self.summary.say(text if self._items else "Known when a network is open.", "hint")
        self.selection_changed.emit()

    def _on_tree_shown(self, shown: bool) -> None:
        self.tree.setVisible(shown)
        self.search.native.setVisible(shown)

    def _on_search(self, text: str) -> None:
        words = text.lower().split()
        for name, item in self._items.items():
            item.setHidden(not all(word in name.lower() for word in words))
        for index in range(self.tree.topLevelItemCount()):
            stage = self.tree.topLevelItem(index)
            hidden = [stage.child(row).isHidden() for row in range(stage.childCount())]
            stage.setHidden(all(hidden))
            if words and not all(hidden):
                stage.setExpanded(True)


def _row(stage: QTreeWidgetItem, layer: LayerRow) -> QTreeWidgetItem:
    square = len(set(layer.shape)) == 1
    # A side and its power are short enough for the column: 16 × 128² says 16 × 128 × 128.
    power = {2: "²", 3: "³"}[len(layer.shape)]
    size = f"{layer.shape[0]}{power}" if square else "×".join(map(str, layer.shape))
    same = len(set(layer.stride)) == 1
    stride = "×".join(f"{step:g}" for step in (layer.stride[:1] if same else layer.stride))
    # The stage stands above already; repeating it would push the rest out of sight.
    short = layer.name.removeprefix(layer.stage).strip() or layer.name
    item = QTreeWidgetItem(stage, [short, f"{layer.channels} × {size}", stride])
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(_NAME, Qt.CheckState.Unchecked)
    item.setToolTip(_NAME, f"{layer.name}\nmodule: {layer.module or 'none (a skip connection)'}")
    for column in (_SHAPE, _STRIDE):
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item
