"""Which regions use the same evidence: a matrix of similarities, and the tree beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QWidget

from ...viewer.plot_data import Join, joins_of, members_at, tick_step
from .plot import DIVERGING, Plot

_HEIGHTS = 290, 440  # pixels: of the narrowest dock, and the most
_LABEL = 11  # pixels of a line of labels
_NUMBER = 27  # pixels of a number in a cell
_MATRIX = 0.62  # of the width
_LEAST_MARK = 10  # pixels
_SETTLE_MS = 50


@dataclass(frozen=True, eq=False)
class Similarities:
    """What the plot shows.

    Attributes
    ----------
    names : tuple of str
        Of the n regions.
    matrix : (n, n) array
        Similarity of each pair, -1 to 1; NaN where a region has no weights.
    linkage : (m - 1, 4) array
        As scipy has it, of the m regions with weights.
    rows : tuple of int
        Of these regions in the matrix.
    order : tuple of int
        All rows in the order of the tree's leaves.
    measure : str
        What the similarity is.
    """

    names: tuple[str, ...]
    matrix: NDArray[Any]
    linkage: NDArray[Any]
    rows: tuple[int, ...]
    order: tuple[int, ...]
    measure: str


class SimilarityPlot(Plot):
    """The matrix in the order of the tree.

    Signals
    -------
    pair_clicked(int, int)
        Rows of the two regions of a cell.
    branch_clicked(object)
        Rows of the regions in a branch of the tree, a tuple of int.
    """

    tools = ("Home", "Zoom", "Save")
    pair_clicked = Signal(int, int)
    branch_clicked = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Similarity of the regions", parent)
        self._shown: Similarities | None = None
        self._joins: tuple[Join, ...] = ()
        self._marked: tuple[int, ...] = ()
        self._tree: Axes | None = None
        self._matrix: Axes | None = None
        self.set_height(_HEIGHTS[0])
        # There may be room for other labels; a frame that is dragged is resized many times.
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.setInterval(_SETTLE_MS)
        self._resized.timeout.connect(self.redraw)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the cells about square, as far as that does not fill the screen."""
        self.set_height(int(np.clip(event.size().width(), *_HEIGHTS)))
        super().resizeEvent(event)
        self._resized.start()

    def show_similarities(self, shown: Similarities) -> None:
        """Draw these; no region is marked."""
        self._shown, self._marked = shown, ()
        self._joins = joins_of(shown.linkage, shown.rows, shown.order)
        self.redraw()

    def mark_regions(self, rows: Sequence[int]) -> None:
        """Mark rows: of two the cell, of others their part of the diagonal."""
        self._marked = tuple(rows)
        self._mark()

    def draw(self, figure: Figure) -> None:
        """Draw tree, matrix and colour bar."""
        shown = self._shown
        if shown is None:
            return
        self._tree, self._matrix = figure.subplots(1, 2, sharey=True, width_ratios=(1, 4))
        picture = self._draw_matrix(shown)
        self._draw_tree()
        bar = figure.colorbar(
            picture, ax=[self._tree, self._matrix], location="bottom", aspect=30, pad=0.02
        )
        bar.set_label(shown.measure)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1])
        bar.outline.set_visible(False)
        self._mark()

    def _draw_matrix(self, shown: Similarities) -> Any:
        axes, order = self._matrix, list(shown.order)
        values = shown.matrix[np.ix_(order, order)]
        picture = axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.yaxis.tick_right()
        axes.tick_params(labelleft=False, labelright=True, labelbottom=False, labeltop=True)
        step = tick_step(len(order), int(_MATRIX * self.canvas.height() / _LABEL))
        places = range(0, len(order), step)
        axes.set_yticks(places, [shown.names[order[place]] for place in places])
        wide = max(len(name) for name in shown.names)
        step = max(step, tick_step(len(order), int(_MATRIX * self.width() / (4 + 6.2 * wide))))
        places = range(0, len(order), step)
        axes.set_xticks(places, [shown.names[order[place]] for place in places])
        if _MATRIX * self.width() >= _NUMBER * len(order):
            _write(axes, values)
        return picture

    def _mark(self) -> None:
        if self._shown is None or self._matrix is None:
            return
        order = self._shown.order
        places = sorted(order.index(row) for row in self._marked)
        if not places:
            self.show_marks([])
            return
        marks = []
        low, high = places[0], places[-1]
        pair = len(places) == 2
        # Of many regions a cell is a few pixels.
        side = max(1.0 if pair else high - low + 1, _LEAST_MARK * len(order) / self.width())
        for x, y in ((low, high), (high, low)) if pair else (((low + high) / 2,) * 2,):
            outline = Rectangle((x - side / 2, y - side / 2), side, side, fill=False, linewidth=1.2)
            outline.set_path_effects([withStroke(linewidth=3, foreground="#ffffff")])
            marks.append(self._matrix.add_patch(outline))
        self.show_marks(marks)

    def _draw_tree(self) -> None:
        axes = self._tree
        for join in self._joins:
            (low, high), (first, second) = join.positions, join.heights
            axes.plot(
                (first, join.height, join.height, second),
                (low, low, high, high),
                color=self.text_colour,
                linewidth=0.9,
                solid_joinstyle="miter",
            )
        axes.set_xlim(max((join.height for join in self._joins), default=1) * 1.05 or 1.0, 0)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelleft=False, labelbottom=False)

    def on_click(self, axes: Axes, x: float, y: float) -> None:
        """Emit which pair or branch it is."""
        pair = self._pair_at(axes, x, y)
        if pair is not None:
            self.pair_clicked.emit(*pair)
        elif axes is self._tree and self._shown is not None:
            self.branch_clicked.emit(members_at(self._joins, self._shown.order, y, x))

    def describe(self, axes: Axes, x: float, y: float) -> str:
        """Names and similarity of a pair, names of a branch."""
        shown, pair = self._shown, self._pair_at(axes, x, y)
        if shown is None:
            return ""
        if pair is not None:
            row, column = pair
            value = shown.matrix[row, column]
            said = "no weights to compare" if np.isnan(value) else f"{shown.measure} {value:z.3f}"
            return f"{shown.names[row]} and {shown.names[column]}: {said}"
        if axes is self._tree:
            rows = members_at(self._joins, shown.order, y, x)
            return ", ".join(shown.names[row] for row in rows)
        return ""

    def _pair_at(self, axes: Axes, x: float, y: float) -> tuple[int, int] | None:
        if axes is not self._matrix or self._shown is None:
            return None
        order = self._shown.order
        column, row = (int(np.clip(round(at), 0, len(order) - 1)) for at in (x, y))
        return order[row], order[column]


def _write(axes: Axes, values: NDArray[Any]) -> None:
    """Write few values into their cells, dark on light colours and light on dark ones."""
    for (row, column), value in np.ndenumerate(values):
        colour = "#ffffff" if abs(value) > 0.75 else "#1a1a1a"
        said = "–" if np.isnan(value) else f"{value:z.2f}"
        axes.text(column, row, said, ha="center", va="center", fontsize=7, color=colour)
