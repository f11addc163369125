"""How long the window of the dock does not answer while heatmaps are computed and added.

Usage: python benchmarks/responsiveness.py [RUNS]

Needs a screen, or a virtual one: ``xvfb-run -a -s "-screen 0 1600x1200x24" python …``. A timer
of 5 ms beats in the GUI thread of a real napari window while Run is clicked on the nuclei sample
with the shipped network. Printed is the longest time between two beats, on the clock and as
processor time of the GUI thread: at rest, from the click to the last gradient, and while the
layers are added to the viewer (which draws them, in software where there is no graphics card).
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ["NAPARI_CONFIG"] = ""

import napari
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

PLUGIN = "napari-seggradcam"
SECONDS = 120


@dataclass
class Gaps:
    """Longest time between two turns of the event loop, in seconds: on the clock, and worked."""

    clock: float = 0.0
    work: float = 0.0


class Heartbeat:
    """Beats in the GUI thread and remembers the longest gap."""

    def __init__(self) -> None:
        self._gaps = Gaps()
        self._last = self._now()
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def take(self) -> Gaps:
        """Gaps since the last call."""
        self._beat()
        gaps, self._gaps = self._gaps, Gaps()
        return gaps

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def _beat(self) -> None:
        now, last = self._now(), self._last
        self._gaps.clock = max(self._gaps.clock, now[0] - last[0])
        self._gaps.work = max(self._gaps.work, now[1] - last[1])
        self._last = now


def turn_until(done: Callable[[], bool]) -> None:
    """Run the event loop until something has happened."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            sys.exit(f"Nothing happened for {SECONDS} s.")
        QTest.qWait(2)


def measure(dock: object, mode: str, runs: int) -> dict[str, list[Gaps]]:
    """Click Run some times in one comparison mode."""
    found: dict[str, list[Gaps]] = {"at rest": [], "computing": [], "adding layers": []}
    dock.compare.modes[mode].click()
    heartbeat = Heartbeat()
    delivering: list[bool] = []
    dock.run_control.delivering.connect(lambda: delivering.append(True))
    for _ in range(runs):
        QTest.qWait(1000)
        heartbeat.take()
        QTest.qWait(2000)
        found["at rest"].append(heartbeat.take())
        delivering.clear()
        QTimer.singleShot(0, dock.run.button.click)
        turn_until(lambda: bool(delivering))
        found["computing"].append(heartbeat.take())
        turn_until(lambda: not dock.run_control.running and not dock.compare_control.building)
        found["adding layers"].append(heartbeat.take())
    return found


def main(runs: int) -> None:
    """Open the window, measure every mode, and print a table."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 1000)
    viewer.open_sample(PLUGIN, "nuclei")
    _frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM")
    turn_until(lambda: not dock.run_control.reason)
    print(f"longest gap in ms, median (largest) of {runs} runs")
    print(f"{'mode':10}{'':16}{'on the clock':>18}{'GUI thread worked':>22}")
    for mode in dock.compare.modes:
        for phase, gaps in measure(dock, mode, runs).items():
            columns = ([1000 * g.clock for g in gaps], [1000 * g.work for g in gaps])
            words = [f"{statistics.median(c):.0f} ({max(c):.0f})" for c in columns]
            print(f"{mode:10}{phase:16}{words[0]:>18}{words[1]:>22}", flush=True)
    dock.detach()
    viewer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
