"""Docks over a viewer without a window."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel

from dock_fixtures import (
    add_sample,
    data_folder,  # noqa: F401
    network_files,  # noqa: F401
    open_docks,
    small_demos,  # noqa: F401
    wait_idle,
    wait_ready,
)
from napari_seggradcam.widgets.dock import SegGradCamWidget


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def open_dock(qtbot: Any, small_demos: Path) -> Iterator[Callable[[Any], SegGradCamWidget]]:  # noqa: F811
    """Opens docks and closes them at the end."""
    with open_docks(qtbot, SegGradCamWidget) as open_one:
        yield open_one


@pytest.fixture
def dock(open_dock: Callable[[Any], SegGradCamWidget], viewer: ViewerModel) -> SegGradCamWidget:
    return open_dock(viewer)


@pytest.fixture
def answered(dock: SegGradCamWidget, viewer: ViewerModel, qtbot: Any) -> SegGradCamWidget:
    """A dock that shows heatmaps of a sample in Overlay, whose layers take the least time."""
    add_sample(viewer)
    wait_ready(qtbot, dock)
    dock.compare.modes["overlay"].click()
    dock.run.button.click()
    wait_idle(qtbot, dock)
    return dock
