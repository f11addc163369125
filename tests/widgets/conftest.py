"""Docks over a viewer without a window."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel

from dock_fixtures import data_folder, network_files, small_demos  # noqa: F401
from napari_seggradcam.widgets.dock import SegGradCamWidget


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def open_dock(qtbot: Any, small_demos: Path) -> Iterator[Callable[[Any], SegGradCamWidget]]:  # noqa: F811
    """Opens docks and closes them at the end."""
    docks: list[SegGradCamWidget] = []

    def open_one(viewer: Any) -> SegGradCamWidget:
        dock = SegGradCamWidget(viewer)
        qtbot.addWidget(dock)
        dock.resize(280, 900)
        dock.show()
        docks.append(dock)
        return dock

    yield open_one
    for dock in docks:
        dock.close()


@pytest.fixture
def dock(open_dock: Callable[[Any], SegGradCamWidget], viewer: ViewerModel) -> SegGradCamWidget:
    return open_dock(viewer)
