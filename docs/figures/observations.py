"""Draw what heatmaps resemble at every stage of the demo networks, and write it in words.

``python docs/figures/observations.py`` asks the demo networks all questions of
`napari_seggradcam.evaluate.demo_questions` (some minutes) and writes
``docs/images/observations.png`` and ``docs/figures/observations-measured.md``.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_seggradcam.evaluate.demo_questions import observe_demo_networks
from napari_seggradcam.evaluate.observation_report import report
from napari_seggradcam.evaluate.observations import (
    COMMON_GRID,
    HEATMAP,
    OWN_GRID,
    Observations,
)
from napari_seggradcam.evaluate.references import REFERENCES
from napari_seggradcam.scenes.samples import DATA

DOCS = Path(__file__).parents[1]
# Okabe and Ito's blue and vermilion: told apart by every kind of colour vision, and in grey.
STYLES = {
    OWN_GRID: {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    COMMON_GRID: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}
LABELS = {
    OWN_GRID: "each stage on its own grid",
    COMMON_GRID: "all stages on one grid, the bottleneck's",
}
GREY = "#555555"
# Below the smallest correlation: how many heatmaps of each stage are empty and have none.
EMPTY_ROW = -1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, default=DATA, help="folder of the demo networks")
    arguments = parser.parse_args()
    observed = observe_demo_networks(tell, arguments.networks)
    draw(observed).savefig(DOCS / "images" / "observations.png", dpi=150)
    words = "\n".join(report(one) for one in observed)
    (DOCS / "figures" / "observations-measured.md").write_text(words, encoding="utf-8")
    print(words)


def tell(done: int, total: int, what: str) -> None:
    print(f"{done} of {total}: {what}", flush=True)


def draw(observed: list[Observations]) -> Figure:
    """One row for each network, one column for each reference."""
    figure = Figure(figsize=(12, 3.55 * len(observed) + 0.9), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.1)
    grid = figure.subplots(len(observed), len(REFERENCES), sharey=True, squeeze=False)
    for row, one in zip(grid, observed, strict=True):
        for axes, reference in zip(row, REFERENCES, strict=True):
            draw_panel(axes, one, reference)
        row[0].set_ylabel("Spearman's rank correlation")
        row[0].annotate(
            f"{one.network}  ({len(one.questions)} questions)",
            (0, 1),
            (0, 26),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=13,
            fontweight="bold",
        )
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(
        "What heatmaps resemble, from the first stage to the last (median and quartiles)",
        fontsize=14,
    )
    return figure


def draw_panel(axes: Axes, observed: Observations, reference: str) -> None:
    depth = np.arange(len(observed.stages))
    for grid, style in STYLES.items():
        found = [observed.summary(stage, reference, HEATMAP, grid) for stage in observed.stages]
        axes.fill_between(
            depth,
            [one.lower for one in found],
            [one.upper for one in found],
            color=style["color"],
            alpha=0.16,
            linewidth=0,
        )
        medians = [one.median for one in found]
        axes.plot(depth, medians, **style, markersize=5, linewidth=1.8, label=LABELS[grid])
    axes.vlines(observed.stages.index("bottleneck"), -1, 1, GREY, linestyles=":", linewidth=0.8)
    axes.set_title(f"with the {reference}", loc="left", fontsize=11)
    axes.set_xticks(depth, observed.stages, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_ylim(EMPTY_ROW - 0.13, 1.1)
    ticks = (-1, -0.5, 0, 0.5, 1)
    axes.set_yticks([EMPTY_ROW, *ticks], ["empty", *(f"{tick:g}" for tick in ticks)])
    axes.set_xlim(-0.5, len(depth) - 0.5)
    for tick in ticks:
        axes.axhline(tick, color=GREY if tick == 0 else "#dddddd", linewidth=0.8, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    for place, stage in zip(depth, observed.stages, strict=True):
        count = sum(observed.empty_heatmaps(stage).values())
        weight = "bold" if count else "normal"
        axes.text(
            place,
            EMPTY_ROW,
            str(count),
            color=GREY,
            fontsize=8.5,
            fontweight=weight,
            ha="center",
            va="center",
        )


if __name__ == "__main__":
    main()
