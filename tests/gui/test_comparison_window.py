"""The dock of comparisons in a real window: through the manifest, with the mouse."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from dock_fixtures import (
    add_sample,
    data_folder,  # noqa: F401
    network_files,  # noqa: F401
    settle,
    small_demos,  # noqa: F401
    wait,
    wait_ready,
)
from napari_seggradcam.viewer.comparison_layers import ATLAS, CLUSTERS, DIFFERENCE
from napari_seggradcam.viewer.ownership import own_layers

PLUGIN = "napari-seggradcam"
NAME = "Compare weights and layers"


@pytest.fixture
def window(
    make_napari_viewer_proxy: Any,
    qtbot: Any,
    small_demos: Path,  # noqa: F811
) -> Any:
    """A viewer with the dock of comparisons, which has opened the main dock."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1400, 1000)
    _frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    settle(qtbot)
    qtbot.mouseClick(dock.question.open_button, Qt.MouseButton.LeftButton)
    main = dock.main.dock
    add_sample(viewer)
    labels = np.zeros((48, 64), np.int32)
    labels[4:12, 4:14], labels[10:18, 30:40] = 3, 5
    viewer.add_labels(labels, name="two")
    wait_ready(qtbot, main)
    dock.parent().raise_()
    dock.question.source.value = next(layer for layer in viewer.layers if layer.name == "two")
    settle(qtbot)
    yield viewer, dock
    for one in (dock, main):
        with suppress(RuntimeError):
            one.detach()
            one.deleteLater()
    settle(qtbot)


def run(qtbot: Any, dock: Any, section: Any) -> None:
    section.row.button.click()
    wait(qtbot, lambda: not dock.runner.running)
    settle(qtbot)


def test_two_regions_and_their_difference_with_the_mouse(window: Any, qtbot: Any) -> None:
    viewer, dock = window
    assert dock.main.dock.parent() is not None
    run(qtbot, dock, dock.weights)
    plot = dock.weights.similarity
    dock.scroll.ensureWidgetVisible(plot)
    settle(qtbot)
    right, up = plot.figure.axes[1].transData.transform((1, 0)) / plot.canvas.device_pixel_ratio
    at = QPoint(round(right), round(plot.canvas.height() - up))
    qtbot.mouseClick(plot.canvas, Qt.MouseButton.LeftButton, pos=at)
    settle(qtbot)
    (difference,) = own_layers(viewer, DIFFERENCE)
    assert difference.visible
    canvas = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    # The image is grey; the colours are those of the difference and of the outlines.
    assert (np.abs(canvas[..., 0] - canvas[..., 2]) > 30).mean() > 0.01
    texts = [label.get_text() for label in plot.figure.axes[1].get_yticklabels()]
    assert sorted(texts) == ["3", "5"]


def test_nothing_is_wider_than_a_narrow_dock(window: Any, qtbot: Any) -> None:
    _viewer, dock = window
    for section in (dock.weights, dock.atlas, dock.layers):
        run(qtbot, dock, section)
    assert dock.minimumWidth() == 280
    assert dock.scroll.widget().minimumSizeHint().width() <= 280


def test_a_click_on_the_canvas_selects_a_cluster(window: Any, qtbot: Any) -> None:
    viewer, dock = window
    dock.atlas.clusters.value = 2
    run(qtbot, dock, dock.atlas)
    (atlas,), (clusters,) = own_layers(viewer, ATLAS), own_layers(viewer, CLUSTERS)
    atlas.visible, clusters.visible = False, True
    viewer.layers.selection.active = clusters
    settle(qtbot)
    clusters.selected_label = 77
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native  # plugins may not reach it
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    settle(qtbot)
    rows, columns = clusters.data.shape
    around = clusters.data[rows // 2 - 1 : rows // 2 + 1, columns // 2 - 1 : columns // 2 + 1]
    assert clusters.selected_label in around
    chosen = dock.atlas.legend.topLevelItem(clusters.selected_label - 1)
    assert dock.atlas.legend.selectedItems() == [chosen]


def test_closing_by_its_x_and_opening_again(window: Any, qtbot: Any) -> None:
    viewer, dock = window
    run(qtbot, dock, dock.weights)
    dock.parent().destroyOnClose()
    settle(qtbot)
    assert not dock.attached
    _frame, again = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    assert again is not dock
    assert again.main.dock is not None
    assert again.weights.row.button.isEnabled()
    again.detach()


def test_a_main_dock_that_is_closed_is_missed(window: Any, qtbot: Any) -> None:
    _viewer, dock = window
    dock.main.dock.parent().destroyOnClose()
    settle(qtbot)
    assert dock.main.dock is None
    assert dock.question.open_button.isVisible()


def test_opening_the_dock_is_instant(
    make_napari_viewer_proxy: Callable[..., Any],
    small_demos: Path,  # noqa: F811
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    taken = []
    for _attempt in range(3):
        begun = time.process_time()
        _frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
        taken.append(time.process_time() - begun)
        viewer.window.remove_dock_widget(dock)
    assert min(taken) < 0.3, taken
