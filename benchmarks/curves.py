"""How the cost of heatmaps grows: with the image, with the regions, and with the network layers.

Usage: python benchmarks/curves.py [--most 120] [--repeats 3] [--threads 2] [--base-width 32]
    [--sizes 256 512 1024 2048] [--size 512] [--table FILE] [--figure FILE]

The reference network. Beside the libraries that can make the maps, and the same by hand:

image size      one disc of 32 pixels across, nine network layers, growing images
regions         1 … 32 discs and squares of one image, each for itself, nine network layers
network layers  one disc of one image, 1 … 9 network layers, spread over the network's depth

Two curves are ours: a new image, and an image that was asked about before. A peer's curve ends
before a point that would take longer than ``--most`` seconds on the clock. All maps are compared.
Writes a table of processor time, and draws it.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cases import Case
from contestants import PEERS, Maps, by_hand, by_hand_each, installed, ours, ours_each, warm_up
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from measuring import Measured, check, in_seconds, markdown, write

import napari_seggradcam as sgc

DOCS = Path(__file__).parents[1] / "docs"
REGIONS = (1, 2, 4, 8, 16, 32)
LAYERS = (1, 2, 3, 5, 7, 9)
NEW, KEPT, HAND = "ours, new image", "ours, kept image", "by hand, new image"
# Okabe and Ito's colours, which also those see apart who see fewer; and a marker for each.
STYLES = {
    NEW: ("#0072B2", "o"),
    KEPT: ("#56B4E9", "s"),
    HAND: ("#000000", "x"),
    "torch-cam": ("#009E73", "^"),
    "captum": ("#E69F00", "D"),
    "pytorch-grad-cam": ("#D55E00", "v"),
}


@dataclass
class Curves:
    """One panel of the figure.

    Attributes
    ----------
    what
        What grows.
    values
        How far.
    power
        The work of a pass grows with the value to the power of this.
    seconds
        Processor time by contestant and value.
    """

    what: str
    values: Sequence[int]
    power: int = 1
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)


class Program:
    """Runs the points of all curves.

    Parameters
    ----------
    peers
        Libraries, by name.
    repeats
        Runs of everyone but the libraries, which run once.
    most
        Seconds on the clock that a point of a library may take.
    """

    def __init__(self, peers: list[str], repeats: int, most: float):
        self._peers = peers
        self._repeats = repeats
        self._most = most

    def run(self, curves: Curves, case_of: Callable[[int], Case], regions: bool = False) -> None:
        """Measure every point of a panel.

        Parameters
        ----------
        curves
            Takes the figures.
        case_of
            Gives network, image size and network layers for a value.
        regions
            Whether the value is the number of regions.
        """
        going = list(self._peers)
        for number, value in enumerate(curves.values):
            print(f"{curves.what}: {value}", flush=True)
            case = case_of(value)
            image, labels = case.image(), case.instances(value if regions else 1)
            masks = [labels == label for label in range(1, labels.max() + 1)]
            mine = self._quick(curves, value, case, image, labels)
            for peer in list(going):
                measured = Measured()
                call = partial(_each, peer, case, image, masks)
                check(peer, measured.run(call, weighed=False), mine)
                curves.seconds.setdefault(peer, {})[value] = measured.seconds
                if number + 1 < len(curves.values):
                    growth = (curves.values[number + 1] / value) ** curves.power
                    if growth * measured.wall_seconds > self._most:
                        going.remove(peer)

    def _quick(
        self, curves: Curves, value: int, case: Case, image: np.ndarray, labels: np.ndarray
    ) -> list[Maps]:
        """Points of those who take no minutes; our maps."""
        results = {name: Measured() for name in (NEW, KEPT, HAND)}
        for _ in range(self._repeats):
            mine = results[NEW].run(partial(_ours_new, case, image, labels), weighed=False)
            call = partial(_by_hand_new, case, image, labels)
            check("by hand", results[HAND].run(call, weighed=False), mine)
            explainer = sgc.Explainer(case.network, image)
            ours(case, explainer, case.region())
            call = partial(ours_each, case, explainer, labels)
            check(KEPT, results[KEPT].run(call, weighed=False), mine)
            del explainer, call  # and with them what is kept
        for name, measured in results.items():
            curves.seconds.setdefault(name, {})[value] = measured.seconds
        return mine


def _ours_new(case: Case, image: np.ndarray, labels: np.ndarray) -> list[Maps]:
    once = labels.max() == 1
    return ours_each(case, sgc.Explainer(case.network, image, once=once), labels)


def _by_hand_new(case: Case, image: np.ndarray, labels: np.ndarray) -> list[Maps]:
    if labels.max() == 1:
        return [by_hand(case, image, labels == 1)]
    return by_hand_each(case, image, labels)


def _each(peer: str, case: Case, image: np.ndarray, masks: Sequence[np.ndarray]) -> list[Maps]:
    return [PEERS[peer](case, image, mask) for mask in masks]


def table(panels: Sequence[Curves]) -> str:
    """All figures."""
    names = [name for name in STYLES if any(name in panel.seconds for panel in panels)]
    rows = [
        [f"{panel.what}: {value}", *(_cell(panel, name, value) for name in names)]
        for panel in panels
        for value in panel.values
    ]
    return markdown(["", *names], rows)


def _cell(panel: Curves, name: str, value: int) -> str:
    seconds = panel.seconds.get(name, {}).get(value)
    return "" if seconds is None else in_seconds(seconds)


def draw(panels: Sequence[Curves], size: int) -> Figure:
    """The panels side by side, with one scale of seconds."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    titles = (
        "one region, nine network layers",
        f"one image of {size}², nine network layers",
        f"one region, one image of {size}²",
    )
    every = figure.subplots(1, 3, sharey=True)
    for axes, panel, title in zip(every, panels, titles, strict=True):
        _draw_panel(axes, panel, title)
    every[0].set_ylabel("processor time in seconds", fontsize=12)
    handles, names = every[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    return figure


def _draw_panel(axes: Axes, panel: Curves, title: str) -> None:
    for name, (colour, marker) in STYLES.items():
        points = panel.seconds.get(name, {})
        axes.plot(
            list(points),
            list(points.values()),
            color=colour,
            marker=marker,
            label=name,
            linewidth=2.5 if name in (NEW, KEPT) else 1.5,
            linestyle="--" if name == HAND else "-",
        )
    axes.set(xscale="log", yscale="log", xticks=panel.values)
    axes.set_xlabel(panel.what, fontsize=12)
    axes.set_title(title, fontsize=11)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.tick_params(labelsize=11)
    axes.grid(color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--size", type=int, default=512, help="of the image, where others grow")
    parser.add_argument("--most", type=float, default=120, help="seconds for a point of a library")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--base-width", type=int, default=32, help="less: to try the program")
    parser.add_argument("--table", type=Path, default=DOCS / "figures" / "cost-curves.md")
    parser.add_argument("--figure", type=Path, default=DOCS / "images" / "cost-curves.png")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    peers = installed(given.peers)
    case = Case.reference(given.size, base_width=given.base_width)
    warm_up(case, peers)
    program = Program(peers, given.repeats, given.most)
    size = Curves("pixels along a side of the image", given.sizes, power=2)
    program.run(size, case.with_size)
    regions = Curves("regions", REGIONS)
    program.run(regions, lambda value: case, regions=True)
    layers = Curves("network layers", LAYERS)
    program.run(layers, case.with_layers)
    panels = (size, regions, layers)
    write(given.table, table(panels))
    draw(panels, given.size).savefig(given.figure, dpi=150)


if __name__ == "__main__":
    main()
