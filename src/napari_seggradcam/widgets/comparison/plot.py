"""The base of the plots: a matplotlib figure in napari's colours that says what was clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.style as mplstyle
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from napari_matplotlib.base import BaseNapariMPLWidget
from napari_matplotlib.util import style_sheet_from_theme
from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...viewer.comparison_layers import MORE_FIRST, MORE_SECOND
from ..fields import beside
from ..message import Message

POSITIVE, NEGATIVE = MORE_FIRST, MORE_SECOND
DIVERGING = "coolwarm"

_ICON = 18


class Plot(BaseNapariMPLWidget):
    """A figure that is drawn again in the colours of every theme, and can be clicked.

    What it draws and what a click on it means is left to those that inherit from it: they have
    `draw` and `on_click`. It has no data of its own.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Has the theme.
    name : str
        Accessible name.
    parent : QWidget, optional
        Parent.

    Attributes
    ----------
    tools : tuple of str
        Of matplotlib's toolbar, what fits beside the caption and is of use.
    caption : Message
        A line above the figure, for what it shows.

    See Also
    --------
    napari_matplotlib.base.BaseNapariMPLWidget : canvas, toolbar and the theme's style sheet.
    """

    tools: tuple[str, ...] = ("Save",)

    def __init__(self, viewer: Any, name: str, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.canvas.setAccessibleName(name)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(0)
        self.caption = Message(level="hint")
        self._trim_toolbar()
        self.layout().insertLayout(0, beside(self.caption, self.toolbar, stretch=(1, 0)))
        # The dock is scrolled with the wheel, also where the pointer is on a plot.
        self.canvas.installEventFilter(self)
        self.canvas.setMinimumWidth(40)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.canvas.mpl_connect("button_press_event", self._on_press)
        self.canvas.mpl_connect("motion_notify_event", self._on_motion)
        self.canvas.mpl_connect("draw_event", self._on_drawn)
        self.canvas.mpl_connect("resize_event", self._on_resized)
        self._marks: list[Artist] = []

    def _trim_toolbar(self) -> None:
        self.toolbar.setIconSize(QSize(_ICON, _ICON))
        self.toolbar.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        for action in self.toolbar.actions():
            action.setVisible(action.text() in self.tools)

    def draw(self, figure: Figure) -> None:
        """Draw on an empty figure, in the style of the theme."""
        raise NotImplementedError

    def on_click(self, axes: Axes, x: float, y: float) -> None:
        """Act on a click; x and y are data coordinates."""
        raise NotImplementedError

    def describe(self, axes: Axes, x: float, y: float) -> str:
        """Say what is at a place, for the tooltip."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw everything again."""
        self._marks = []
        with mplstyle.context([self.napari_theme_style_sheet, self._own_style()]):
            self.figure.clear()
            self.figure.set_layout_engine("constrained")
            self.draw(self.figure)
        self.canvas.draw_idle()

    def show_marks(self, marks: Sequence[Artist]) -> None:
        """Show marks that were added to the axes in place of those of before."""
        for mark in self._marks:
            mark.remove()
        self._marks = list(marks)
        self.canvas.draw_idle()

    def set_height(self, pixels: int) -> None:
        """Set the canvas's height."""
        self.canvas.setFixedHeight(pixels)

    def follow_theme(self) -> None:
        """Take the viewer's theme, now and whenever it changes."""
        self.let_go()
        self.viewer.events.theme.connect(self._on_napari_theme_changed)
        self.napari_theme_style_sheet = style_sheet_from_theme(get_theme(self.viewer.theme))
        self._replace_toolbar_icons()
        self.redraw()

    def let_go(self) -> None:
        """Follow the viewer's theme no longer."""
        self.viewer.events.theme.disconnect(self._on_napari_theme_changed)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the wheel to whatever the plot lies in."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def _own_style(self) -> dict[str, Any]:
        """What napari-matplotlib leaves as matplotlib has it, and small text."""
        text = get_theme(self.viewer.theme).text.as_hex()
        return {
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "axes.linewidth": 0.6,
            "legend.frameon": False,
            "legend.labelcolor": text,
            "axes.titlecolor": text,
        }

    @property
    def text_colour(self) -> str:
        """Colour of the theme's text."""
        colour: str = get_theme(self.viewer.theme).text.as_hex()
        return colour

    def _on_napari_theme_changed(self, event: Any) -> None:
        super()._on_napari_theme_changed(event)
        self.redraw()

    def _on_drawn(self, _event: Any) -> None:
        # Laying out takes longer than drawing, and marks change nothing of it.
        self.figure.set_layout_engine("none")

    def _on_resized(self, _event: Any) -> None:
        self.figure.set_layout_engine("constrained")

    def _on_press(self, event: Any) -> None:
        if event.button == 1 and event.inaxes is not None and not self.toolbar.mode:
            self.on_click(event.inaxes, event.xdata, event.ydata)

    def _on_motion(self, event: Any) -> None:
        inside = event.inaxes is not None
        said = self.describe(event.inaxes, event.xdata, event.ydata) if inside else ""
        if said != self.canvas.toolTip():
            self.canvas.setToolTip(said)
