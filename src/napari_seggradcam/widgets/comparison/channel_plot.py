"""Which channels a region uses most: bars, signed by colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from .plot import NEGATIVE, POSITIVE, Plot

_BAR = 17  # pixels
_AROUND = 46
_SHARED = "●"


@dataclass(frozen=True, eq=False)
class Channels:
    """What the plot shows.

    Attributes
    ----------
    numbers : tuple of int
        Of the channels, the most important first.
    weights : tuple of float
        Their weights, signed.
    shared : frozenset of int
        Channels that other regions use as well.
    """

    numbers: tuple[int, ...]
    weights: tuple[float, ...]
    shared: frozenset[int]


class ChannelPlot(Plot):
    """One bar per channel.

    Signals
    -------
    channel_clicked(int)
        Number of the channel.
    """

    channel_clicked = Signal(int)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Most important channels of the region", parent)
        self._shown: Channels | None = None
        self._marked: int | None = None
        self._bars: Any = ()

    def show_channels(self, shown: Channels) -> None:
        """Draw these; none is marked."""
        self._shown, self._marked = shown, None
        self.set_height(_AROUND + _BAR * max(1, len(shown.numbers)))
        self.redraw()

    def mark_channel(self, number: int) -> None:
        """Show which channel's feature map is in the viewer."""
        self._marked = number
        self._mark()

    def draw(self, figure: Figure) -> None:
        """Draw the bars."""
        shown = self._shown
        if shown is None:
            return
        axes = figure.subplots()
        places = np.arange(len(shown.numbers))
        colours = [POSITIVE if weight > 0 else NEGATIVE for weight in shown.weights]
        self._bars = axes.barh(places, shown.weights, 0.72, color=colours, linewidth=1.2)
        marks = [_SHARED if number in shown.shared else "  " for number in shown.numbers]
        names = [f"{number} {mark}" for number, mark in zip(shown.numbers, marks, strict=True)]
        axes.set_yticks(places, names)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.axvline(0, color=self.text_colour, linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3), useMathText=True)
        axes.set_xlabel("weight α")
        self._mark()

    def _mark(self) -> None:
        numbers = () if self._shown is None else self._shown.numbers
        for number, bar in zip(numbers, self._bars, strict=True):
            bar.set_edgecolor(self.text_colour if number == self._marked else "none")
        self.canvas.draw_idle()

    def on_click(self, axes: Axes, x: float, y: float) -> None:
        """Emit which channel it is."""
        place = self._place(y)
        if place is not None and self._shown is not None:
            self.channel_clicked.emit(self._shown.numbers[place])

    def describe(self, axes: Axes, x: float, y: float) -> str:
        """Channel, weight, and whether it is shared."""
        place = self._place(y)
        if place is None or self._shown is None:
            return ""
        number = self._shown.numbers[place]
        shared = ", used by other regions too" if number in self._shown.shared else ""
        return f"channel {number}: weight {self._shown.weights[place]:.3g}{shared}"

    def _place(self, y: float) -> int | None:
        place = round(y)
        inside = self._shown is not None and 0 <= place < len(self._shown.numbers)
        return place if inside else None
