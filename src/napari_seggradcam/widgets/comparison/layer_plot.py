"""Network layers compared: how much of the score passes each, and what its heatmap repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from ...viewer.plot_data import stage_runs
from .plot import NEGATIVE, POSITIVE, Plot
from .row_words import row_in_words

_ROW = 14  # pixels
_AROUND = 84
_ECHOES = (
    ("mask_echo", "mask", "o", "#e69f00"),
    ("edge_echo", "edges", "s", "#56b4e9"),
    ("blindness", "other region", "^", "#cc79a7"),
)


class LayerPlot(Plot):
    """A row per network layer, stages on alternating ground.

    On the left the share of the score that passes; on the right correlations of the heatmap with
    the predicted mask, the image's edges and another region's heatmap.

    Signals
    -------
    layer_clicked(str)
        Name of the network layer.
    """

    layer_clicked = Signal(str)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Network layers compared", parent)
        self._rows: tuple[Any, ...] = ()
        self._marked = ""

    def show_rows(self, rows: Sequence[Any]) -> None:
        """Draw rows of a `LayerComparison`."""
        self._rows, self._marked = tuple(rows), ""
        self.set_height(_AROUND + _ROW * len(self._rows))
        self.redraw()

    def mark_layer(self, name: str) -> None:
        """Mark the row of a network layer."""
        self._marked = name
        self._mark()

    def draw(self, figure: Figure) -> None:
        """Draw both panels."""
        if not self._rows:
            return
        shares, echoes = figure.subplots(1, 2, sharey=True)
        self._draw_shares(shares)
        self._draw_echoes(echoes)
        for axes in (shares, echoes):
            axes.set_ylim(len(self._rows) - 0.5, -0.5)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.axvline(0, color=self.text_colour, linewidth=0.6)
            self._draw_ground(axes)
        self._mark()

    def _draw_shares(self, axes: Axes) -> None:
        shares = np.array([100 * row.share for row in self._rows])
        places = np.arange(len(shares))
        known = np.nan_to_num(shares)
        colours = [POSITIVE if share > 0 else NEGATIVE for share in known]
        axes.barh(places, known, 0.7, color=colours)
        axes.set_yticks(places, [row.name for row in self._rows])
        for label, row in zip(axes.get_yticklabels(), self._rows, strict=True):
            label.set_fontweight("bold" if row.recommended else "normal")
            label.set_alpha(0.5 if row.empty else 1)
        axes.locator_params(axis="x", nbins=2)
        axes.set_xlabel("% of score")

    def _draw_echoes(self, axes: Axes) -> None:
        places = np.arange(len(self._rows))
        for attribute, name, marker, colour in _ECHOES:
            values = [getattr(row, attribute) for row in self._rows]
            axes.plot(values, places, marker, color=colour, markersize=4, label=name, clip_on=False)
        low = min((getattr(row, one[0]) for row in self._rows for one in _ECHOES), default=0)
        axes.set_xlim(-1 if low < -0.25 else -0.25, 1)
        # In a narrow dock there is room for no more.
        axes.set_xticks([-1, 0, 1] if low < -0.25 else [0, 1])
        axes.xaxis.set_major_formatter("{x:z.0f}")
        axes.set_xlabel("correlation")
        axes.figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside upper right",
            ncols=3,
            handletextpad=0.1,
            columnspacing=0.8,
        )

    def _draw_ground(self, axes: Axes) -> None:
        for number, (first, last) in enumerate(stage_runs([_stage(row) for row in self._rows])):
            if number % 2 == 0:
                axes.axhspan(first - 0.5, last + 0.5, color=self.text_colour, alpha=0.07, lw=0)

    def _mark(self) -> None:
        places = [place for place, row in enumerate(self._rows) if row.name == self._marked]
        marks = [
            axes.axhspan(place - 0.5, place + 0.5, color=self.text_colour, alpha=0.25, lw=0)
            for place in places
            for axes in self.figure.axes
        ]
        self.show_marks(marks)

    def on_click(self, axes: Axes, x: float, y: float) -> None:
        """Emit which network layer it is."""
        row = self._row_at(y)
        if row is not None:
            self.layer_clicked.emit(row.name)

    def describe(self, axes: Axes, x: float, y: float) -> str:
        """The row's numbers in words."""
        row = self._row_at(y)
        return "" if row is None else row_in_words(row)

    def _row_at(self, y: float) -> Any:
        place = round(y)
        return self._rows[place] if 0 <= place < len(self._rows) else None


class CutPlot(Plot):
    """What of the score passes the bottleneck and every skip, and what is left over.

    Signals
    -------
    layer_clicked(str)
        Name of the network layer.
    """

    layer_clicked = Signal(str)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Shares of the score at the cut", parent)
        self._names: tuple[str, ...] = ()
        self._shares: tuple[float, ...] = ()
        self._rest = 0.0

    def show_cut(self, names: Sequence[str], shares: Sequence[float], rest: float) -> None:
        """Draw shares.

        Parameters
        ----------
        names : sequence of str
            Of the network layers of the cut.
        shares : sequence of float
            Of the score, 1 is all of it.
        rest : float
            What is missing to all of it: biases behind the cut.
        """
        self._names, self._shares, self._rest = tuple(names), tuple(shares), rest
        self.set_height(52 + 16 * (len(self._names) + 1))
        self.redraw()

    def draw(self, figure: Figure) -> None:
        """Draw the bars with their numbers."""
        if not self._names:
            return
        axes = figure.subplots()
        values = np.array([*self._shares, self._rest]) * 100
        places = np.arange(len(values))
        colours = [POSITIVE if value > 0 else NEGATIVE for value in values[:-1]]
        bars = axes.barh(places, values, 0.7, color=[*colours, "#8c8c8c"])
        axes.bar_label(bars, [f"{value:z.0f}" for value in values], padding=2, fontsize=7)
        axes.set_yticks(places, [*self._names, "rest"])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.margins(x=0.14)
        axes.axvline(0, color=self.text_colour, linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("% of the score")

    def on_click(self, axes: Axes, x: float, y: float) -> None:
        """Emit which network layer it is."""
        place = round(y)
        if 0 <= place < len(self._names):
            self.layer_clicked.emit(self._names[place])

    def describe(self, axes: Axes, x: float, y: float) -> str:
        """Name and share."""
        place = round(y)
        if 0 <= place < len(self._names):
            return f"{self._names[place]}: {self._shares[place]:.1%} of the score"
        return f"The rest: biases, and what is not linear: {self._rest:.1%} of the score"


def _stage(row: Any) -> str:
    return f"{row.role} {row.level}"
