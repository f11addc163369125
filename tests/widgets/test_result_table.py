"""The table of results: which heatmap is shown, by click and by slider."""

from typing import Any

import pytest
from qtpy.QtCore import Qt

from dock_fixtures import heatmap_layers, wait_idle
from napari_seggradcam.viewer.ownership import own_layers

BOTTLENECK = "bottleneck relu 2"


def click(qtbot: Any, dock: Any, name: str) -> None:
    """Click the row of a network layer."""
    table = dock.compare.table
    (item,) = table.findItems(name, Qt.MatchFlag.MatchExactly, 0)
    dock.scroll.ensureWidgetVisible(table)
    place = table.visualItemRect(item).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def marked(dock: Any) -> list[str]:
    """Names of the rows that are selected."""
    return [item.text(0) for item in dock.compare.table.selectedItems()]


def visible(viewer: Any) -> list[str]:
    return [name for name, layer in heatmap_layers(viewer).items() if layer.visible]


def test_a_second_click_shows_all(answered: Any, viewer: Any, qtbot: Any) -> None:
    every = list(heatmap_layers(viewer))
    assert marked(answered) == visible(viewer) == [BOTTLENECK]
    for name, other in (every[:2], every[2:4]):
        click(qtbot, answered, name)
        assert marked(answered) == visible(viewer) == [name]
        click(qtbot, answered, name)
        assert (marked(answered), visible(viewer)) == ([], every)
        click(qtbot, answered, name)
        click(qtbot, answered, other)
        assert marked(answered) == visible(viewer) == [other]


@pytest.fixture
def stacked(answered: Any, qtbot: Any) -> Any:
    answered.compare.modes["stack"].click()
    wait_idle(qtbot, answered)
    return answered


def test_stack_table_and_slider_go_together(stacked: Any, viewer: Any, qtbot: Any) -> None:
    names, text = list(heatmap_layers(viewer)), viewer.canvas.overlays.text
    assert viewer.dims.current_step[0] == names.index(BOTTLENECK)
    assert marked(stacked) == [BOTTLENECK]
    for step, name in enumerate(names):
        viewer.dims.set_current_step(0, step)
        assert marked(stacked) == [name]
    for name in reversed(names):
        click(qtbot, stacked, name)
        click(qtbot, stacked, name)  # a stack always shows one
        assert marked(stacked) == [name]
        assert viewer.dims.current_step[0] == names.index(name)
        assert text.text.startswith(name)
    viewer.dims.set_current_step(0, 1)
    stacked.compare.modes["overlay"].click()
    wait_idle(qtbot, stacked)
    assert marked(stacked) == visible(viewer) == [names[1]]


def test_a_stack_that_somebody_removes_takes_its_caption_with_it(
    stacked: Any, viewer: Any, qtbot: Any
) -> None:
    viewer.layers.remove(next(own_layers(viewer, "view")))
    assert not viewer.canvas.overlays.text.visible
    stacked.method.method.value = "layer-cam"
    wait_idle(qtbot, stacked)
    stacked.compare.modes["overlay"].click()
    assert visible(viewer) == [BOTTLENECK]
