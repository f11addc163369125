"""Settings that every test shares."""

import os
import shutil
import sys
from pathlib import Path

# Threads that spin between small operations cost more than they give on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# napari must neither read nor write the settings of the person who runs the tests.
os.environ["NAPARI_CONFIG"] = ""

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# torchvision, which smp and timm import, comes built for CUDA and then misses two operations of
# its own on the CPU. The library has to stay alive.
_tv = torch.library.Library("torchvision", "FRAGMENT")
for op in ("nms", "qnms"):
    _tv.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

# A busy machine is slow, not wrong; CI tries the same examples every time.
settings.register_profile("seggradcam", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("seggradcam")

_WINDOW_TESTS = Path(__file__).parent / "gui"
_HAS_SCREEN = (
    sys.platform != "linux" or bool(os.environ.get("DISPLAY")) or shutil.which("Xvfb") is not None
)
if not _HAS_SCREEN:
    # Enough for widgets on their own; without it Qt would abort all of pytest.
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that open napari's window, which needs OpenGL and so a screen."""
    no_screen = pytest.mark.skip(reason="no screen: run scripts/install-display-libraries")
    for item in items:
        if _WINDOW_TESTS in item.path.parents:
            item.add_marker(pytest.mark.gui)
            if not _HAS_SCREEN:
                item.add_marker(no_screen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set nothing may be skipped: a skip is a piece of set-up that is missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped") if reporter else None
    if os.environ.get("CI") and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
