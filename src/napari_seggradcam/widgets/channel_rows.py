"""Which image layer holds which channel of the network: a row for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .fields import LABEL_WIDTH, FieldGrid, combo, refill


class ChannelRows(QWidget):
    """One choice of a layer per channel; hidden where there is nothing to choose.

    Signals
    -------
    chosen()
        A person chose a layer for a channel.
    """

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._offered: list[Any] = []
        self._boxes: list[Any] = []
        self._grid = QWidget()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._grid)
        self.hide()

    @property
    def layers(self) -> tuple[Any, ...]:
        """The chosen layer of every channel; empty while the rows are hidden."""
        return tuple(box.value for box in self._boxes)

    @property
    def boxes(self) -> tuple[Any, ...]:
        """The choices, as magicgui widgets."""
        return tuple(self._boxes)

    def show_rows(
        self, names: Sequence[str], offered: Sequence[Any], layers: Sequence[Any]
    ) -> None:
        """Offer layers for every channel.

        Parameters
        ----------
        names : sequence of str
            What the network calls its channels.
        offered : sequence of napari.layers.Image
            Layers to choose from.
        layers : sequence of napari.layers.Image
            The choice for every channel, quietly; empty hides the rows.
        """
        self._offered = list(offered)
        shown = tuple(names) if layers else ()
        if shown != self._names:
            self._build(shown)
        for box, layer in zip(self._boxes, layers, strict=True):
            refill(box, layer)
        self.setVisible(bool(self._boxes))

    def _build(self, names: tuple[str, ...]) -> None:
        self._names, self._boxes = names, []
        self._column.removeWidget(self._grid)
        self._grid.deleteLater()
        self._grid = QWidget()
        rows = FieldGrid()
        for name in names:
            box = combo(
                f"Channel {name}",
                lambda _widget: [(layer.name, layer) for layer in self._offered],
                f"The image layer that is the network's channel {name}",
            )
            box.changed.connect(self._on_changed)
            label = rows.add(name, box.native)
            metrics = label.fontMetrics()
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setText(metrics.elidedText(name, Qt.TextElideMode.ElideRight, LABEL_WIDTH))
            label.setToolTip(name)
            self._boxes.append(box)
        self._grid.setLayout(rows)
        self._column.addWidget(self._grid)

    def _on_changed(self, _layer: Any) -> None:
        self.chosen.emit()
