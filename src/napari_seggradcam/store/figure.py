"""One picture of an explanation: the image, and every network layer's heatmap on it.

Drawn with matplotlib's Figure and the Agg canvas, so that it needs no screen and touches
no global state. Every axes is placed in inches, so that nothing can overlap however many
network layers there are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExplanationFileError
from .overlay import PlacedMap, fullest_plane, outline_of, overlay, under

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORMAP = "inferno"
MOST_OPAQUE = 0.85
"""Opacity of the heatmap's highest value; 0 stays transparent."""

_CONTOUR = "#00e5ff"
_GREY = "#5a5a5a"
_DPI = 150
# Inches. A cell holds title, picture and colour bar side by side.
_LONG_SIDE = 2.3
_FEW = 3  # cells; they are twice as large, as heatmaps of the input need it
_LEAST_WIDTH = 1.2
_TITLE, _BAR, _GAP, _MARGIN = 0.42, 0.52, 0.1, 0.2
_HEADER_LINE = 0.26
_WIDEST = 16 / 10
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class _Layout:
    """Where the cells lie, in inches from the upper left corner."""

    columns: int
    rows: int
    picture: tuple[float, float]  # width, height
    header: float

    @property
    def cell(self) -> tuple[float, float]:
        return max(self.picture[0], _LEAST_WIDTH) + _BAR + _GAP, self.picture[1] + _TITLE + _GAP

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.cell
        return (
            2 * _MARGIN + self.columns * width,
            2 * _MARGIN + self.header + self.rows * height,
        )

    def box(self, number: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a cell's picture, as fractions of the figure."""
        row, column = divmod(number, self.columns)
        width, height = self.size
        left = _MARGIN + column * self.cell[0]
        top = _MARGIN + self.header + row * self.cell[1] + _TITLE
        return (
            left / width,
            1 - (top + self.picture[1]) / height,
            self.picture[0] / width,
            self.picture[1] / height,
        )


def save_figure(
    path: str | Path,
    image: NDArray[Any] | None,
    region: NDArray[np.bool_],
    maps: Sequence[PlacedMap],
    title: str,
    *,
    subtitle: str = "",
) -> Path:
    """Draw all heatmaps over the image and save the picture.

    The first cell is the image with the region's outline, then comes one cell per network
    layer: image, heatmap (bilinear between its pixel centres, transparent where it is zero
    and where the network layer does not reach), outline, and a colour bar of its own in
    raw units, because weights are not comparable across network layers. A cell whose
    heatmap is zero everywhere says why. Of a volume the plane with the most pixels of the
    region is drawn.

    Parameters
    ----------
    path : path-like
        File to write; its ending says the format, PNG where it has none.
    image : ndarray or None
        Grey, or with a channel axis first or last: 3 or 4 channels are drawn as colours,
        of any other number the first channel. None leaves the ground grey.
    region : ndarray of bool, spatial shape of the image
    maps : sequence of PlacedMap
    title : str
        What was asked, in bold on top.
    subtitle : str, optional
        A line in grey below.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ExplanationFileError
        If the file can't be written.
    """
    figure = draw_figure(image, region, maps, title, subtitle=subtitle)
    target = Path(path)
    if not target.suffix:
        target = target.with_suffix(".png")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise ExplanationFileError(
            f"The figure can't be written to {target} ({error}). "
            "Choose a name that ends in .png in a folder that you may write to."
        ) from error
    return target


def draw_figure(
    image: NDArray[Any] | None,
    region: NDArray[np.bool_],
    maps: Sequence[PlacedMap],
    title: str,
    *,
    subtitle: str = "",
) -> "Figure":
    """Draw what `save_figure` saves; parameters as there."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plane = fullest_plane(region)
    outline = region if plane is None else region[plane]
    ground = under(image, region.shape, plane)
    height, width = outline.shape
    layout = _layout(len(maps) + 1, width / height, subtitle)
    figure = Figure(figsize=layout.size, facecolor="white")
    FigureCanvasAgg(figure)
    _draw_header(figure, title, subtitle)
    lines = outline_of(outline)
    axes = _picture(figure, layout.box(0), ground)
    _draw_outline(axes, outline, lines)
    size = f"{height} × {width}" if plane is None else f"plane {plane} of {len(region)}"
    _caption(figure, axes, "image and region", size)
    for number, placed in enumerate(maps, start=1):
        axes = _picture(figure, layout.box(number), ground)
        shape = " × ".join(str(n) for n in placed.heatmap.shape)
        channels = len(placed.weights)
        detail = f"{shape}, {channels} channel{'s' if channels != 1 else ''}"
        if placed.kept is not None:
            detail += f", {np.mean(placed.kept):.1%} kept"
        _caption(figure, axes, placed.name, detail)
        _draw_heatmap(figure, axes, placed, outline.shape, plane)
        _draw_outline(axes, outline, lines)
    return figure


def _layout(cells: int, aspect: float, subtitle: str) -> _Layout:
    """Choose the number of columns that comes nearest to a screen's shape, few cells empty."""
    side = _LONG_SIDE * (2 if cells <= _FEW else 1)
    picture = (side * min(1, aspect), side * min(1, 1 / aspect))
    header = _HEADER_LINE * (2 if subtitle else 1)

    def cost(layout: _Layout) -> float:
        width, height = layout.size
        empty = layout.columns * layout.rows - cells
        return abs(math.log(width / height / _WIDEST)) + 1.5 * empty / cells

    choices = [
        _Layout(columns, math.ceil(cells / columns), picture, header)
        for columns in range(1, min(cells, _MOST_COLUMNS) + 1)
    ]
    return min(choices, key=cost)


def _draw_header(figure: "Figure", title: str, subtitle: str) -> None:
    """Write title and subtitle."""
    width, height = figure.get_size_inches()
    for number, (text, size, weight, colour) in enumerate(
        ((title, 12.0, "bold", "black"), (subtitle, 9.0, "normal", _GREY))
    ):
        bottom = height - _MARGIN - number * _HEADER_LINE - size / 72
        place = (_MARGIN / width, bottom / height)
        _write(figure, place, text, size, weight, colour, width - 2 * _MARGIN)


def _write(
    figure: "Figure",
    place: tuple[float, float],
    text: str,
    size: float,
    weight: str,
    colour: str,
    width: float,
) -> None:
    """Write a line from its lower left corner, smaller where it is wider than `width` inches."""
    drawn = figure.text(*place, text, fontsize=size, fontweight=weight, color=colour, va="bottom")
    wide = drawn.get_window_extent().width / figure.dpi
    if wide > width:
        drawn.set_fontsize(size * width / wide)


def _picture(
    figure: "Figure",
    box: tuple[float, float, float, float],
    ground: NDArray[np.float32],
) -> "Axes":
    """Add one cell with the image."""
    axes = figure.add_axes(box)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.imshow(ground, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation_stage="data")
    return axes


def _draw_heatmap(
    figure: "Figure",
    axes: "Axes",
    placed: PlacedMap,
    shape: tuple[int, ...],
    plane: int | None,
) -> None:
    """Lay the heatmap over a cell and put its colour bar beside it."""
    from matplotlib import colormaps

    top = float(placed.heatmap.max(initial=0.0))
    if placed.empty or top <= 0:
        _write_reason(figure, axes, placed.empty or "The heatmap is zero everywhere.")
        return
    values = np.nan_to_num(overlay(placed, shape, plane) / top)
    colours = colormaps[COLORMAP](values)
    colours[..., 3] = MOST_OPAQUE * np.clip(values, 0, 1) ** 0.5
    axes.imshow(colours, aspect="auto")
    _draw_bar(figure, axes, top)


def _draw_bar(figure: "Figure", axes: "Axes", top: float) -> None:
    """Draw the colour bar: 0 to the highest value, in raw units."""
    width, _ = figure.get_size_inches()
    box = axes.get_position()
    bar = figure.add_axes((box.x1 + 0.06 / width, box.y0, 0.09 / width, box.height))
    ramp = np.linspace(0, 1, 128)[:, None]
    bar.imshow(ramp, cmap=COLORMAP, origin="lower", aspect="auto", extent=(0, 1, 0, 1))
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.set_yticks((0, 0.5, 1), ["0", _number(top / 2), _number(top)], fontsize=6.5)
    bar.tick_params(length=2, width=0.5, pad=1.5, colors=_GREY)
    # Labels at the ends stay within the bar's height, or they would touch the next cell.
    low, _, high = bar.get_yticklabels()
    low.set_verticalalignment("bottom")
    high.set_verticalalignment("top")
    for spine in bar.spines.values():
        spine.set_linewidth(0.4)


def _number(value: float) -> str:
    """Write a number with two digits in little space: 170, 0.23, 3.4e-5."""
    if 0.001 <= value < 1e5:
        return f"{float(f'{value:.2g}'):g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _draw_outline(axes: "Axes", region: NDArray[np.bool_], lines: list[NDArray[Any]]) -> None:
    """Draw the region's outline; a few pixels alone get a dot, or they would not be seen."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    shadow = [withStroke(linewidth=2.0, foreground="#00000090")]
    axes.add_collection(
        LineCollection(lines, colors=_CONTOUR, linewidths=0.9, path_effects=shadow),
        autolim=False,
    )
    if 0 < region.sum() <= max(4, 1e-4 * region.size):
        y, x = np.argwhere(region).mean(axis=0)
        axes.plot(x, y, "o", markersize=4.5, color="white", markeredgecolor="black", mew=0.7)


def _caption(figure: "Figure", axes: "Axes", name: str, detail: str) -> None:
    """Write a cell's two title lines."""
    box = axes.get_position()
    whole_width, height = figure.get_size_inches()
    width = max(box.width * whole_width, _LEAST_WIDTH) + _BAR
    for text, above, size, weight, colour in (
        (name, 0.2, 8.5, "bold", "black"),
        (detail, 0.06, 7.0, "normal", _GREY),
    ):
        _write(figure, (box.x0, box.y1 + above / height), text, size, weight, colour, width)


def _write_reason(figure: "Figure", axes: "Axes", reason: str) -> None:
    """Say in the cell why there is nothing to see."""
    import textwrap

    width = axes.get_position().width * figure.get_size_inches()[0]
    text = "\n".join(textwrap.wrap(reason, max(int(width * 13), 10)))
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=7,
        color="white",
        bbox={"facecolor": "black", "alpha": 0.65, "edgecolor": "none", "pad": 4},
    )
