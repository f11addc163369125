"""Memory for the next question: measured, shown, set and freed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from dock_fixtures import add_sample, heatmap_layers, wait_idle, wait_ready
from napari_seggradcam.explain.reach import mark_not_local
from napari_seggradcam.widgets.memory import in_units, kept_in_words, memory_of
from napari_seggradcam.widgets.question import ImageExplainer, Kept

GIB = 2**30


@pytest.fixture
def dock(dock: Any) -> Any:
    """In Overlay, whose layers take the least time."""
    dock.compare.modes["overlay"].click()
    return dock


def run(qtbot: Any, dock: Any) -> None:
    qtbot.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    wait_idle(qtbot, dock)


def explainer_of(dock: Any) -> Any:
    return dock._explainers._explainer


def test_after_an_answer_the_dock_says_what_is_kept(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    assert not dock.run.kept.isVisible()
    assert not dock.run.forget_button.isVisible()
    run(qtbot, dock)
    kept = explainer_of(dock)
    assert kept.memory_used > 0
    said = f"Kept {in_units(kept.memory_used)} of {in_units(kept.memory)} for the next question"
    assert dock.run.kept.text() == f"{said} about cells."
    assert dock.run.kept.isVisible()
    assert dock.run.forget_button.isEnabled()


def test_forget_frees_it_and_the_next_answer_is_the_same(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    before = {name: layer.data.copy() for name, layer in heatmap_layers(viewer).items()}
    qtbot.mouseClick(dock.run.forget_button, Qt.MouseButton.LeftButton)
    assert explainer_of(dock) is None
    assert dock.run.kept.text() == ""
    assert not dock.run.forget_button.isVisible()
    run(qtbot, dock)
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_array_equal(layer.data, before[name])


def test_a_budget_that_is_set_is_in_force_at_once(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    first = explainer_of(dock)
    dock.run.memory.value = 1.5
    assert explainer_of(dock) is first
    assert first.memory == 1.5 * GIB
    assert " of 1.5 GiB " in dock.run.kept.text()
    dock.run.memory.value = 0.0
    assert first.memory not in (0, 1.5 * GIB)


def test_what_is_more_than_a_new_budget_is_forgotten(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer, (300, 400))  # some MiB of feature maps
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    assert explainer_of(dock).memory_used > 0.01 * GIB
    dock.run.memory.value = 0.01
    assert explainer_of(dock) is None
    run(qtbot, dock)
    kept = explainer_of(dock)
    assert kept.memory == memory_of(0.01)
    assert kept.memory_used <= kept.memory
    assert " of 10.2 MiB " in dock.run.kept.text()
    assert len(heatmap_layers(viewer)) == 5


def test_a_budget_set_while_it_computes_waits_for_the_end(
    dock: Any, viewer: Any, qtbot: Any
) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    first = explainer_of(dock)
    dock.run.button.click()
    assert not dock.run.forget_button.isEnabled()
    dock.run.memory.value = 2.0
    wait_idle(qtbot, dock)
    assert explainer_of(dock) is first
    assert first.memory == 2 * GIB
    assert " of 2.0 GiB " in dock.run.kept.text()


def test_another_network_frees_what_was_kept(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer)
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    qtbot.mouseClick(dock.network.unload_button, Qt.MouseButton.LeftButton)
    assert dock.run.kept.text() == ""
    assert not dock.run.forget_button.isVisible()


def test_the_budget_of_the_preferences_is_the_first(
    open_dock: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = SimpleNamespace(computing=SimpleNamespace(memory=0.25))
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda _name: stored, raising=False)
    dock = open_dock(viewer)
    assert dock.run.memory.value == 0.25
    assert dock.run.memory.native.text() == "0.25 GiB"
    add_sample(viewer)
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    assert explainer_of(dock).memory == GIB // 4


def test_by_default_a_quarter_of_what_is_free_is_taken(dock: Any) -> None:
    assert dock.run.memory.native.text() == "automatic"
    assert memory_of(dock.run.memory.value) is None


def test_the_words() -> None:
    assert kept_in_words(None) == ""
    assert kept_in_words(Kept("nuclei", 215 * 2**20, round(5.4 * GIB))) == (
        "Kept 215 MiB of 5.4 GiB for the next question about nuclei."
    )
    assert "Nothing of nuclei is kept" in kept_in_words(Kept("nuclei", 0, 10 * 2**20))
    sizes = [0, 2**19, 999 * 2**20, 1023 * 2**20, GIB, 128 * GIB]
    said = ["0 MiB", "0.5 MiB", "999 MiB", "1.0 GiB", "1.0 GiB", "128.0 GiB"]
    assert [in_units(size) for size in sizes] == said


def test_nothing_is_measured_before_a_question() -> None:
    explainers = ImageExplainer(GIB)
    explainers.memory = 2 * GIB
    explainers.hold_to_memory()
    assert explainers.kept is None


def test_why_the_whole_image_had_to_be_computed_is_said(dock: Any, viewer: Any, qtbot: Any) -> None:
    add_sample(viewer, (300, 400))
    wait_ready(qtbot, dock)
    run(qtbot, dock)
    assert dock.run.note.text().startswith("5 heatmaps for ")
    assert "Computed on" not in dock.run.note.text()
    why = "The network sees the whole image at once, first in encoder 0 norm 1."
    mark_not_local(dock.network_control.opened.network, why)
    dock.run.forget_button.click()  # what is kept needs no pass
    run(qtbot, dock)
    assert dock.run.note.text().startswith("5 heatmaps for ")
    assert dock.run.note.text().endswith(f" Computed on the whole image. {why}")
    assert dock.run.note.level == "hint"
