"""How long it takes from the choice of another method to the updated layers, without Run.

Usage: python benchmarks/switching.py [ROUNDS]

Needs a screen, or a virtual one: ``xvfb-run -a -s "-screen 0 1600x1200x24" python …``. In a real
napari window the nuclei sample (512 x 512 pixels) is asked about once with the shipped network,
for a network layer per stage. Then method, truncation and display are changed in turn, in every
comparison mode. Printed is the time in ms from the change of the field to the moment when all
layers show it; of it what the GUI thread has worked; and the time to the end of the drawing that
follows (in software where there is no graphics card). At the end come the modes themselves, which
add layers to napari and remove them.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat

os.environ["NAPARI_CONFIG"] = ""

import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-seggradcam"
SECONDS = 120
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
        turn_until(lambda: not (self._dock.live_control.running or self._dock.run_control.running))
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


def row(name: str, taken: list[tuple[float, float, float]]) -> str:
    """A line of the table."""
    columns = [[1000 * times[i] for times in taken] for i in range(3)]
    words = [f"{statistics.median(c):.0f} ({max(c):.0f})" for c in columns]
    return f"  {name:24}{words[0]:>14}{words[1]:>14}{words[2]:>14}"


def main(rounds: int) -> None:
    """Open the window, measure every mode, and print a table."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 1000)
    viewer.open_sample(PLUGIN, "nuclei")
    _frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM")
    turn_until(lambda: not dock.run_control.reason)
    dock.run.button.click()
    turn_until(lambda: dock.compare.has_results)
    idle = lambda: not dock.run_control.running and not dock.compare_control.building  # noqa: E731
    turn_until(idle)
    stopwatch = Stopwatch(dock)
    print(f"ms, median (largest) of {rounds} rounds; {len(dock.layers.names)} network layers")
    print(f"{'':26}{'layers':>14}{'GUI worked':>14}{'drawn':>14}")
    for mode in dock.compare.modes:
        dock.compare.modes[mode].click()
        turn_until(idle)
        taken: dict[str, list[tuple[float, float, float]]] = {}
        for name, change in in_order(changes(dock, rounds), rounds):
            taken.setdefault(name, []).append(stopwatch.take(change))
        for signed in [True, False] * rounds:
            times = stopwatch.take(choose(dock.compare.signed, signed))
            taken.setdefault("signed maps", []).append(times)
        for name, change in displays(dock, 2 * rounds):
            taken.setdefault(name, []).append(stopwatch.take_at_once(change))
        print(mode)
        for name, times in taken.items():
            print(row(name, times), flush=True)
        print(row("all", list(chain.from_iterable(taken.values()))), flush=True)
    print_modes(dock, rounds, idle)
    dock.detach()
    viewer.close()


def print_modes(dock: object, rounds: int, idle: Callable[[], bool]) -> None:
    """Print how long it takes to enter a mode from *Overlay*, and to leave it."""
    modes, taken = dock.compare.modes, {}
    for mode in ["overlay", *(("grid", "overlay", "stack", "overlay") * rounds)]:
        before, started = dock.compare_control.modes.mode, time.perf_counter()
        modes[mode].click()
        turn_until(idle)
        taken.setdefault(f"{before} to {mode}", []).append(1000 * (time.perf_counter() - started))
        QTest.qWait(300)
    print("modes, until all layers are there")
    for name, times in taken.items():
        print(f"  {name:24}{statistics.median(times):8.0f} ({max(times):.0f})", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
