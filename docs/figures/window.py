"""The picture at the top of README: napari with the nuclei sample as ``seggradcam demo`` shows it.

Usage: python docs/figures/window.py [FILE]

Needs a screen, or a virtual one: ``xvfb-run -a -s "-screen 0 1600x1200x24" python …``.
Everything in the picture is computed in this run, through the clicks that a person makes.
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
from qtpy.QtTest import QTest
from skimage.io import imsave

from napari_seggradcam.cli.window import open_demo

PICTURE = Path(__file__).parents[1] / "images" / "window.png"
SIZE = (1560, 1080)
SECONDS = 300


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Run the event loop until something has happened."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            sys.exit(f"{what} took longer than {SECONDS} s")
        QTest.qWait(50)


def settle() -> None:
    """Let napari draw what has changed; the zoom is right only after some turns."""
    for _ in range(20):
        QTest.qWait(50)


def main(path: Path) -> None:
    """Open the demo, wait for its heatmaps side by side, and save the window's picture."""
    viewer = napari.Viewer(title="napari-seggradcam", show=True)
    viewer.window.resize(*SIZE)
    settle()
    clicks = open_demo(viewer, "nuclei")
    # The names are the last layer that is added when all cells are there.
    wait_until(lambda: clicks.done and "mosaic · names" in viewer.layers, "The demo")
    settle()
    viewer.reset_view()
    settle()
    pixels = np.asarray(viewer.screenshot(canvas_only=False, flash=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels[..., :3], check_contrast=False)
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
