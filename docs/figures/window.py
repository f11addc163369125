"""The picture at the top of README: napari with the nuclei sample after one click on Run.

Usage: python docs/figures/window.py [FILE]

Needs a screen, or a virtual one: ``xvfb-run -a -s "-screen 0 1600x1200x24" python …``.
Everything in the picture is computed in this run, through the same clicks that a person makes.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The picture shows the plugin's defaults, not the settings of whoever makes it.
os.environ["NAPARI_CONFIG"] = ""

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from skimage.io import imsave

PLUGIN = "napari-seggradcam"
PICTURE = Path(__file__).parents[1] / "images" / "window.png"
SIZE = (1560, 1060)


def wait_until(done: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Run the event loop until something has happened."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"{what} took longer than {seconds:g} s")
        QTest.qWait(50)


def settle() -> None:
    """Let napari draw what has changed; the zoom is right only after a few turns."""
    for _ in range(10):
        QApplication.processEvents()
        QTest.qWait(30)


def main(path: Path) -> None:
    """Open the sample, click Run, compare in a grid, and save the window's picture."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample(PLUGIN, "nuclei")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Seg-Grad-CAM")
    wait_until(lambda: dock.run.button.isEnabled(), "Opening the network")
    QTest.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    wait_until(lambda: dock.compare.table.topLevelItemCount() > 0, "Computing the heatmaps")
    settle()
    QTest.mouseClick(dock.compare.modes["grid"], Qt.MouseButton.LeftButton)
    wait_until(lambda: viewer.canvas.grid.enabled, "The grid")
    settle()
    viewer.reset_view()
    settle()
    pixels = np.asarray(viewer.screenshot(canvas_only=False, flash=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels[..., :3], check_contrast=False)
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
