"""Whether a napari window can be opened here; where not, why, and what to do.

Qt ends the whole process when it finds no screen or misses a library, so that is tried in a
process of its own.
"""

import importlib.util
import os
import subprocess
import sys

_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
_WITHOUT_SCREEN = ("offscreen", "minimal", "vnc")
_TRY = """
from qtpy.QtGui import QGuiApplication, QOpenGLContext
application = QGuiApplication([])
context = QOpenGLContext()
if not context.create():
    raise SystemExit("OpenGL can't be used on this screen")
"""
# What PyQt6 misses on a bare Debian or Ubuntu.
_APT = (
    "sudo apt-get install -y libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0"
)


def why_no_window() -> str | None:
    """Say why no window can be opened and what to do, in sentences; None where one can.

    Takes a second, because Qt is started once.
    """
    if not any(importlib.util.find_spec(name) for name in _BINDINGS):
        return 'Qt is not installed. To see the window: pip install "napari-seggradcam[qt]".'
    platform = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform in _WITHOUT_SCREEN:
        return (
            f"QT_QPA_PLATFORM={platform} draws no window. To see the window: unset QT_QPA_PLATFORM."
        )
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return (
            "There is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set). To see the window: "
            "run it on a desktop, or under a virtual screen with xvfb-run -a."
        )
    problem = _try_qt()
    if problem is None:
        return None
    remedy = f"On Debian and Ubuntu the libraries come with: {_APT}" if on_linux else ""
    return f"Qt can't open a window here: {problem}. {remedy}".strip()


def _try_qt() -> str | None:
    """Start Qt in a process of its own; return what it complained about, if it did."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return "it did not answer within two minutes"
    if done.returncode == 0:
        return None
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # Qt's first complaint is the cause; an exception of Python stands in the last line.
    by_qt = [line for line in said if "qt.qpa" in line]
    told = (by_qt[:1] or said[-1:] or [f"exit status {done.returncode}"])[0]
    return told.rstrip(".")
