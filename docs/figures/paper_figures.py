"""Draw the paper's two figures on a generated street, with the shipped network.

``python docs/figures/paper_figures.py`` asks the bottleneck (a) about one pixel, class flat, and
(b) about every pixel of the image, class sky. It writes ``docs/images/paper-pixel.png``,
``docs/images/paper-everywhere.png`` and, in numbers, ``docs/figures/paper-measured.md``.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

import napari_seggradcam as sgc
from napari_seggradcam.evaluate.class_heat import area_by_class, heat_by_class
from napari_seggradcam.scenes.samples import DATA, Sample, open_sample

DOCS = Path(__file__).parents[1]
COLORMAP = "inferno"
MOST_OPAQUE = 0.85
GREY = "#555555"


@dataclass(frozen=True)
class Answer:
    """One of the two figures: what was asked and what came out."""

    file: str
    title: str
    heatmap: sgc.Heatmap
    heat: dict[str, float]
    pixel: tuple[int, int] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, default=DATA, help="folder of the demo networks")
    folder = parser.parse_args().networks
    sample = open_sample("streets")
    explainer = sgc.Explainer(
        sgc.open_network(folder / "streets.safetensors"), sample.image, sample.axes
    )
    words = []
    for answer in (ask_pixel(explainer, sample), ask_everywhere(explainer, sample)):
        draw(answer, sample).savefig(DOCS / "images" / f"{answer.file}.png", dpi=150)
        words.append(measured(answer, sample))
    (DOCS / "figures" / "paper-measured.md").write_text("\n".join(words), encoding="utf-8")
    print("\n".join(words))


def ask_pixel(explainer: sgc.Explainer, sample: Sample) -> Answer:
    """Ask for the class flat in the pixel that lies deepest in the road."""
    y, x = deepest(sample.labels == sample.classes.index("flat"))
    explanation = explainer.explain(sgc.pixel(y, x), "flat", "bottleneck")
    title = "M = one pixel (white dot), class flat"
    return answer("paper-pixel", title, explanation, sample, (y, x))


def ask_everywhere(explainer: sgc.Explainer, sample: Sample) -> Answer:
    """Ask for the class sky in the whole image."""
    explanation = explainer.explain(sgc.everywhere(), "sky", "bottleneck")
    return answer("paper-everywhere", "M = every pixel, class sky", explanation, sample)


def answer(
    file: str,
    title: str,
    explanation: sgc.Explanation,
    sample: Sample,
    pixel: tuple[int, int] | None = None,
) -> Answer:
    (heatmap,) = explanation.values()
    heat = heat_by_class(heatmap.resized(), sample.labels, sample.classes)
    return Answer(file, title, heatmap, heat, pixel)


def deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixel of a mask that is farthest from the mask's border and from the image's."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y), int(x)


def measured(one: Answer, sample: Sample) -> str:
    """Table in Markdown: the share of heat and of the image for every class."""
    area = area_by_class(sample.labels, sample.classes)
    lines = [f"| {one.title} | share of heat | share of the image |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {one.heat[name]:.1%} | {area[name]:.1%} |" for name in sample.classes]
    if one.heatmap.empty:
        lines += ["", one.heatmap.empty]
    return "\n".join([*lines, ""])


def draw(one: Answer, sample: Sample) -> Figure:
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    (image, overlay), (truth, bars) = figure.subplots(2, 2)
    figure.suptitle(
        f"{one.title}, at {one.heatmap.name}", fontsize=14, fontweight="bold", x=0.012, ha="left"
    )
    draw_picture(image, sample.image, "Image", one.pixel)
    draw_heatmap(overlay, one, sample)
    colours = ListedColormap(sample.colours)
    draw_picture(truth, sample.labels, "True classes", one.pixel, colours, len(colours.colors))
    draw_shares(bars, one, sample)
    return figure


def draw_picture(
    axes: Axes,
    values: NDArray[np.generic],
    title: str,
    pixel: tuple[int, int] | None,
    colormap: ListedColormap | None = None,
    count: int = 0,
) -> None:
    axes.imshow(values, cmap=colormap, vmin=-0.5, vmax=count - 0.5, interpolation="nearest")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_axis_off()
    if pixel is not None:
        axes.plot(pixel[1], pixel[0], "o", color="white", markersize=8, markeredgecolor="black")


def draw_heatmap(axes: Axes, one: Answer, sample: Sample) -> None:
    draw_picture(axes, sample.image, "Heatmap on the image", one.pixel)
    heat = one.heatmap.resized()
    top = float(heat.max()) or 1.0
    shown = axes.imshow(heat, cmap=COLORMAP, vmin=0, vmax=top, alpha=MOST_OPAQUE * heat / top)
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02)
    bar.solids.set_alpha(1)
    bar.ax.tick_params(labelsize=8)
    bar.formatter.set_powerlimits((-2, 3))
    if pixel := one.pixel:
        axes.plot(pixel[1], pixel[0], "o", color="white", markersize=8, markeredgecolor="black")
    if one.heatmap.empty:
        axes.text(0.5, 0.5, one.heatmap.empty, transform=axes.transAxes, ha="center", wrap=True)


def draw_shares(axes: Axes, one: Answer, sample: Sample) -> None:
    """Bars: the share of heat on each class; lines: what heat spread evenly would give."""
    area = area_by_class(sample.labels, sample.classes)
    places = np.arange(len(sample.classes))
    heat = [one.heat[name] for name in sample.classes]
    longest = max(*heat, *area.values())
    axes.barh(places, heat, color=sample.colours, height=0.68)
    for place, name, share in zip(places, sample.classes, heat, strict=True):
        line = [area[name]] * 2, [place - 0.42, place + 0.42]
        axes.plot(*line, color="white", linewidth=4.5)  # seen on dark bars too
        axes.plot(*line, color="black", linewidth=2)
        axes.text(
            max(share, area[name]) + 0.02 * longest,
            place,
            f"{share:.1%}",
            va="center",
            fontsize=10,
        )
    axes.set_yticks(places, sample.classes)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * longest)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("Share of heat by true class", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=GREY), Line2D([], [], color="black", linewidth=2)]
    axes.legend(
        handles,
        ["heat", "area of the image"],
        loc="lower right",
        bbox_to_anchor=(1, 0.98),
        ncols=2,
        frameon=False,
    )


if __name__ == "__main__":
    main()
