"""How long it takes from another choice about an answered question to the updated layers.

Usage: python benchmarks/switching.py [--rounds 3] [--sample NAME] [--region KIND] [--write FILE]

Needs a screen, or a virtual one: ``xvfb-run -a -s "-screen 0 1600x1200x24" python …``. In a real
napari window a sample (nuclei: 512 x 512 pixels) is asked about once with the shipped network, for
a network layer per stage: about one object, or about all that is predicted as a class, whose
gradients fill the feature maps. Then method, truncation and display are changed in turn, in every
comparison mode. Printed is the time in ms, median and largest, from the change of the field to the
moment when all layers that are seen show it; of it what the GUI thread has worked; and the time to
the end of the drawing that follows (in software where there is no graphics card), with the layers
that are hidden. At the end come the modes themselves, which add layers to napari and remove them.
The file gets the summary.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""

import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-seggradcam"
SECONDS = 120
LIMIT = 0.1
EXTENTS = ("support", "distance", "mass", "whole")


def turn_until(done: Callable[[], bool]) -> None:
    """Run the event loop until something has happened."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            sys.exit(f"Nothing happened for {SECONDS} s.")
        QTest.qWait(1)


class Stopwatch:
    """Takes the time from a change to the layers that show it."""

    def __init__(self, dock: object) -> None:
        self._dock = dock
        self._shown: list[tuple[float, float]] = []
        section = dock.compare
        fill = section.show_results

        def filled(*what: object) -> None:
            fill(*what)  # the last that an answer changes
            self._shown.append((time.perf_counter(), time.thread_time()))

        section.show_results = filled

    def take(self, change: Callable[[], None]) -> tuple[float, float, float]:
        """Seconds to the updated layers, of it worked in this thread, and to the drawing's end."""
        self._shown.clear()
        return self._timed(change, lambda: self._shown[0] if self._shown else None)

    def take_at_once(self, change: Callable[[], None]) -> tuple[float, float, float]:
        """The same of a change that is made when the field's own event ends."""
        return self._timed(change, lambda: (time.perf_counter(), time.thread_time()))

    def _timed(
        self, change: Callable[[], None], when: Callable[[], tuple[float, float] | None]
    ) -> tuple[float, float, float]:
        QTest.qWait(300)
        started, worked = time.perf_counter(), time.thread_time()
        change()
        turn_until(lambda: when() is not None)
        shown, done = when()
        QApplication.processEvents()
        drawn = time.perf_counter() - started
        controls = self._dock.live_control, self._dock.run_control
        turn_until(lambda: not any(control.running for control in controls))
        turn_until(lambda: not self._dock.compare_control.building)
        return shown - started, done - worked, drawn


def choose(box: object, value: object) -> Callable[[], None]:
    """Choose a value of a field as a person does."""

    def change() -> None:
        box.value = value

    return change


def changes(dock: object, rounds: int) -> dict[str, list[Callable[[], None]]]:
    """What is chosen, by what it is called in the table."""
    method, fields = dock.method.method, dock.method
    names = [name for name in method.choices if dock.method._methods[name].at_once]
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in [*names[1:], names[0]]:
            found[name].append(choose(method, name))
    cycle = chain.from_iterable(repeat(EXTENTS))
    found |= {f"extent: {word}": [] for word in EXTENTS}
    for word in islice(cycle, rounds * len(EXTENTS)):
        found[f"extent: {word}"].append(choose(fields.extent, word))
    return found


def displays(dock: object, rounds: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is chosen below *Compare*, by what it is called in the table."""
    section = dock.compare
    names = list(dock.compare_control.answer.explanation)
    for turn in range(rounds):
        yield "colormap", choose(section.colormap, section.colormap.choices[turn % 2])
        yield "opacity", choose(section.opacity, 0.5 + 0.1 * (turn % 2))
        yield "outline", choose(section.outline, bool(turn % 2))
        if section.mode != "grid":  # which shows all of them
            yield "network layer", partial(section.row_chosen.emit, names[turn % len(names)])


def in_order(found: dict[str, list[Callable[[], None]]], rounds: int) -> list[tuple[str, Callable]]:
    """Methods after each other, then extents, so that every change is one."""
    methods = [name for name in found if not name.startswith("extent")]
    extents = [name for name in found if name.startswith("extent")]
    order = []
    for group in ([*methods[1:], methods[0]], extents):
        order += [(name, found[name][turn]) for turn in range(rounds) for name in group]
    return order


Times = tuple[float, float, float]


def words(taken: list[Times]) -> list[str]:
    """Columns of a row: median and largest, in ms."""
    columns = [[1000 * times[i] for times in taken] for i in range(3)]
    return [f"{statistics.median(c):.0f} ({max(c):.0f})" for c in columns]


def kind_of(name: str) -> str:
    """Which row of the summary a change belongs to."""
    if name in ("colormap", "opacity", "outline", "network layer", "signed maps"):
        return "display"
    return "extent" if name.startswith("extent") else "method"


def measure_mode(dock: object, stopwatch: Stopwatch, rounds: int) -> dict[str, list[Times]]:
    """Times of all changes in the mode that is on, by what they are called."""
    taken: dict[str, list[Times]] = {}
    for name, change in in_order(changes(dock, rounds), rounds):
        taken.setdefault(name, []).append(stopwatch.take(change))
    for signed in [True, False] * rounds:
        times = stopwatch.take(choose(dock.compare.signed, signed))
        taken.setdefault("signed maps", []).append(times)
    for name, change in displays(dock, 2 * rounds):
        taken.setdefault(name, []).append(stopwatch.take_at_once(change))
    return taken


def summary(mode: str, taken: dict[str, list[Times]]) -> list[str]:
    """Rows of the table in the pages."""
    rows = []
    for kind in ("method", "extent", "display"):
        times = [one for name, theirs in taken.items() if kind_of(name) == kind for one in theirs]
        rows.append(f"| {mode} | {kind} | {' | '.join(words(times))} |")
    return rows


def modes_taken(dock: object, rounds: int, idle: Callable[[], bool]) -> list[str]:
    """Rows of how long it takes to enter a mode from *Overlay*, and to leave it."""
    modes, taken = dock.compare.modes, {}
    for mode in ["overlay", *(("grid", "overlay", "stack", "overlay") * rounds)]:
        before, started = dock.compare_control.modes.mode, time.perf_counter()
        modes[mode].click()
        turn_until(idle)
        taken.setdefault((before, mode), []).append(1000 * (time.perf_counter() - started))
        QTest.qWait(300)
    return [
        f"| {before} | to {mode} | {statistics.median(times):.0f} ({max(times):.0f}) | | |"
        for (before, mode), times in taken.items()
        if "overlay" in (before, mode) and before != mode
    ]


def main() -> None:
    """Open the window, measure every mode, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", choices=["nuclei", "streets"], default="nuclei")
    parser.add_argument("--region", choices=["object", "class"], default="object")
    parser.add_argument("--write", type=Path, help="Markdown file for the summary")
    given = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 1000)
    viewer.open_sample(PLUGIN, given.sample)
    _frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM")
    turn_until(lambda: not dock.run_control.reason)
    if given.region == "class":
        dock.region.first.what.value = "class"
        turn_until(lambda: not dock.run_control.reason)
    dock.run.button.click()
    turn_until(lambda: dock.compare.has_results)
    idle = lambda: not dock.run_control.running and not dock.compare_control.building  # noqa: E731
    turn_until(idle)
    stopwatch, every = Stopwatch(dock), []
    lines = [
        "| mode | change | layers | GUI worked | drawn |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    print(f"{given.rounds} rounds, {len(dock.layers.names)} network layers", *lines, sep="\n")
    for mode in dock.compare.modes:
        dock.compare.modes[mode].click()
        turn_until(idle)
        taken = measure_mode(dock, stopwatch, given.rounds)
        every += chain.from_iterable(taken.values())
        for name, times in taken.items():
            print(f"| {mode} | {name} | {' | '.join(words(times))} |", flush=True)
        lines += summary(mode, taken)
    lines += modes_taken(dock, given.rounds, idle)
    slow = sum(one[0] >= LIMIT for one in every)
    counted = f"{slow} of {len(every)} changes took {1000 * LIMIT:.0f} ms or more"
    print("", *lines, "", counted, sep="\n")
    if given.write:
        given.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    dock.detach()
    viewer.close()


if __name__ == "__main__":
    main()
