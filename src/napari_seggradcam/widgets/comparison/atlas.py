"""Section 3 of the comparison dock: which places of the image have like weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from ..fields import FieldGrid, combo
from ..message import Message
from ..run_row import RunRow
from ..section import Section

_GRIDS = (8, 12, 16, 24, 32, 64)
_CLUSTERS = range(2, 13)
_SWATCH = 12
_SHOWN = 8


class AtlasSection(Section):
    """Size of the grid, a button, and the clusters as a legend.

    Signals
    -------
    cluster_clicked(int)
        Number of the cluster, from 1; 0: none is chosen any more.
    """

    cluster_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(3, "Atlas", parent)
        self.grid = combo(
            "Grid",
            [(f"{count} cells a side", count) for count in _GRIDS],
            "Cells along the longest side of the image; for every cell the network is asked",
            _GRIDS[1],
        )
        self.clusters = combo(
            "Clusters",
            [("as many as fit best", 0), *((str(count), count) for count in _CLUSTERS)],
            "Groups of cells with like weights",
        )
        fields = FieldGrid()
        fields.add("Grid", self.grid.native)
        fields.add("Clusters", self.clusters.native)
        self.row = RunRow("Make atlas", "Compute the weights of cells all over the image")
        self.empty = Message(
            "A colour for every part of the image: like colours, like weights.", "hint"
        )
        self._build_legend()
        self.rows.addLayout(fields)
        self.question = Message()
        for widget in (self.row, self.empty, self.question, self.legend, self.hint):
            self.rows.addWidget(widget)
        self.clear()

    def _build_legend(self) -> None:
        self.legend = QTreeWidget()
        self.legend.setAccessibleName("Clusters of the atlas")
        self.legend.setHeaderLabels(["Cluster", "Cells"])
        self.legend.setRootIsDecorated(False)
        self.legend.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.legend.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.legend.setToolTip("Click a row to show that cluster alone, again to show all")
        header = self.legend.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.legend.itemClicked.connect(self._on_clicked)
        self.hint = Message(
            "Click a cluster here, or on the image while the layer of clusters is selected.",
            "hint",
        )
        self._marked = 0

    def show_question(self, class_name: str, network_layer: str) -> None:
        """Say what the atlas is of."""
        self.empty.hide()
        self.question.say(
            f"Weights for {class_name} at {network_layer}; choose the class in section 1."
        )

    def show_clusters(self, colours: Sequence[str], sizes: Sequence[int]) -> None:
        """Fill the legend.

        Parameters
        ----------
        colours : sequence of str
            Of every cluster, "#rrggbb".
        sizes : sequence of int
            Number of cells in each.
        """
        self.legend.clear()
        self._marked = 0
        for place, (colour, size) in enumerate(zip(colours, sizes, strict=True), start=1):
            item = QTreeWidgetItem(self.legend, [f"cluster {place}", f"{size:,}"])
            item.setIcon(0, _swatch(colour))
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        height = self.legend.sizeHintForRow(0) * min(len(colours), _SHOWN)
        self.legend.setFixedHeight(height + self.legend.header().sizeHint().height() + 6)
        self.empty.hide()
        self.legend.show()
        self.hint.show()

    def mark_cluster(self, cluster: int) -> None:
        """Select the row of a cluster without saying that it was clicked; 0: none."""
        self._marked = cluster
        self.legend.clearSelection()
        item = self.legend.topLevelItem(cluster - 1) if cluster else None
        if item is not None:
            self.legend.setCurrentItem(item)

    def clear(self) -> None:
        """Show no clusters."""
        self.legend.clear()
        self._marked = 0
        self.question.clear()
        self.legend.hide()
        self.hint.hide()
        self.empty.show()

    def _on_clicked(self, item: Any, _column: int) -> None:
        cluster = self.legend.indexOfTopLevelItem(item) + 1
        self.mark_cluster(0 if cluster == self._marked else cluster)
        self.cluster_clicked.emit(self._marked)


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor(colour))
    return QIcon(picture)
