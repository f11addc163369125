"""Compare, save, figure, Copy as Python, and the Preferences page."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

import napari_seggradcam as sgc
from dock_fixtures import heatmap_layers, run_script, wait, wait_idle
from napari_seggradcam.errors import ExplanationFileError
from napari_seggradcam.widgets.compare import ResultRow
from napari_seggradcam.widgets.settings import Settings, read_settings
from napari_seggradcam.widgets.theme import style_sheet


@pytest.mark.parametrize("own", [False, True])
def test_the_copied_script_makes_the_same_arrays(
    answered: Any, qtbot: Any, tmp_path: Path, own: bool
) -> None:
    if own:
        answered.region.first.what.value = "class"
        answered.region.operation.value = "intersection"
        answered.region.second.what.value = "image"
        network = answered.network_control.opened.network
        image = answered.image_control.layer.data
        answered.region.first.predicted.value = int(network.predict(image).argmax(0)[0, 0])
        answered.region.target.value = 1
        stage = answered.layers.tree.topLevelItem(0)
        stage.setCheckState(0, stage.checkState(0).Checked)
        wait(qtbot, answered.run.button.isEnabled)
        answered.run.button.click()
        wait_idle(qtbot, answered)
    answered.run.script_button.click()
    wait(qtbot, lambda: "Script copied" in answered.run.note.text())
    made = run_script(QApplication.clipboard().text(), tmp_path / "made.npz")
    shown = answered.compare_control._answer.explanation
    assert list(made) == list(shown.layers)
    for name, signed in made.items():
        np.testing.assert_array_equal(signed, shown[name].signed)


def test_saving_writes_what_can_be_opened(answered: Any, qtbot: Any, tmp_path: Path) -> None:
    answered.compare_control.save(tmp_path / "mine.zarr")
    wait(qtbot, lambda: "Saved" in answered.compare.problem.text())
    again = sgc.open_explanation(tmp_path / "mine.sgc.zarr")
    shown = answered.compare_control._answer.explanation
    assert again.layers == shown.layers
    np.testing.assert_array_equal(again.region, shown.region)


@pytest.mark.parametrize("fails", [False, True])
def test_a_file_is_written_whatever_is_shown_meanwhile(
    answered: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    save, opened = sgc.Explanation.save, threading.Event()

    def late(explanation: Any, path: Path) -> None:
        opened.wait(30)
        if fails:
            raise ExplanationFileError("The disk is full.")
        save(explanation, path)

    monkeypatch.setattr(sgc.Explanation, "save", late)
    answered.compare_control.save(tmp_path / "first.sgc.zarr")
    for mode in ("grid", "stack", "overlay", "stack"):
        answered.compare.modes[mode].click()
    wait_idle(qtbot, answered)
    assert answered.compare_control.modes.mode == "stack"
    assert answered.compare.problem.text() == "Writing first.sgc.zarr…"
    assert not answered.compare.save_button.isEnabled()
    answered.compare.clear_button.click()
    opened.set()
    said = "The disk is full." if fails else f"Saved {tmp_path / 'first.sgc.zarr'}"
    wait(qtbot, lambda: answered.compare.problem.text() == said)
    assert answered.compare.save_button.isEnabled()
    assert (tmp_path / "first.sgc.zarr").exists() != fails


def test_a_file_is_written_when_the_dock_closes_meanwhile(
    answered: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, opened = sgc.Explanation.save, threading.Event()
    monkeypatch.setattr(
        sgc.Explanation, "save", lambda one, path: (opened.wait(30), save(one, path))
    )
    layers = answered.compare_control.answer.explanation.layers
    answered.compare_control.save(tmp_path / "last.sgc.zarr")
    answered.close()
    opened.set()
    QThreadPool.globalInstance().waitForDone(30_000)
    qtbot.wait(50)
    assert sgc.open_explanation(tmp_path / "last.sgc.zarr").layers == layers


def test_one_file_is_written_at_a_time(answered: Any, qtbot: Any, tmp_path: Path) -> None:
    answered.compare_control.save(tmp_path / "first")
    answered.compare_control.save_figure(tmp_path / "second")
    assert "A file is being written" in answered.compare.problem.text()
    wait(qtbot, lambda: "Saved" in answered.compare.problem.text())
    assert not (tmp_path / "second.png").exists()


def test_a_folder_that_is_not_ours_is_not_overwritten(
    answered: Any, qtbot: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "thesis.sgc.zarr"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    answered.compare_control.save(folder)
    wait(qtbot, lambda: answered.compare.problem.level == "error")
    assert (folder / "chapter.txt").read_text() == "years of work"


def test_a_figure_is_drawn(answered: Any, qtbot: Any, tmp_path: Path) -> None:
    answered.compare_control.save_figure(tmp_path / "figure")
    wait(qtbot, lambda: "Saved" in answered.compare.problem.text())
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_overlay_shows_the_row_that_is_chosen(answered: Any, viewer: Any) -> None:
    def visible() -> list[str]:
        return [name for name, layer in heatmap_layers(viewer).items() if layer.visible]

    assert visible() == ["bottleneck relu 2"]
    answered.compare.table.setCurrentItem(answered.compare.table.topLevelItem(0))
    assert visible() == [answered.compare.table.topLevelItem(0).text(0)]


def test_looks_apply_to_all_heatmaps(answered: Any, viewer: Any, qtbot: Any) -> None:
    answered.compare.modes["grid"].click()
    wait_idle(qtbot, answered)
    answered.compare.colormap.value = "viridis"
    answered.compare.opacity.value = 0.25
    for layer in heatmap_layers(viewer).values():
        assert layer.colormap.name == "viridis"
        assert layer.opacity == 0.25
    answered.compare.modes["overlay"].click()
    wait_idle(qtbot, answered)
    answered.compare.outline.value = False
    outline = next(layer for layer in viewer.layers if layer.name.endswith("· region"))
    assert not outline.visible


def test_drawing_a_new_region_leaves_the_grid_until_the_next_run(
    answered: Any, viewer: Any, qtbot: Any
) -> None:
    answered.compare.modes["grid"].click()
    wait_idle(qtbot, answered)
    answered.region.new_button.click()
    assert answered.compare.mode == "overlay"
    assert viewer.layers["cells"].visible
    viewer.layers[-1].paint((10, 10), 1)
    wait(qtbot, lambda: "px" in answered.region.readout.text())
    answered.run.button.click()
    wait_idle(qtbot, answered)
    assert answered.compare.mode == "grid"


def test_an_empty_heatmap_says_why_once(dock: Any) -> None:
    reason = "no positive evidence"
    dock.compare.show_results(
        "nucleus", [ResultRow("a", 0, reason), ResultRow("b", 2.5, None), ResultRow("c", 0, reason)]
    )
    assert dock.compare.reasons.text() == f"a, c: {reason}"
    assert dock.compare.table.topLevelItem(0).text(1) == "empty"
    assert dock.compare.table.topLevelItem(1).text(1) == "2.5"


def test_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = SimpleNamespace(
        computing=SimpleNamespace(device="cpu", memory=2),
        explaining=SimpleNamespace(method="layer-cam", score="margin"),
        results=SimpleNamespace(colormap="viridis", opacity=1, keep_results=True),
    )
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda _name: stored, raising=False)
    assert read_settings() == Settings("cpu", 2.0, "layer-cam", "margin", "viridis", 1.0, True)


def test_without_the_preferences_page_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise KeyError("no such plugin")

    monkeypatch.setattr("napari.settings.get_plugin_settings", missing, raising=False)
    assert read_settings() == Settings()
    monkeypatch.delattr("napari.settings.get_plugin_settings")
    assert read_settings() == Settings()


def test_the_preferences_page_has_the_settings() -> None:
    from npe2 import PluginManifest

    pages = PluginManifest.from_distribution("napari-seggradcam").contributions.configurations
    offered = {name: page.properties for name, page in pages.items()}
    from napari_seggradcam.widgets.settings import _KEYS

    for field, (page, name) in _KEYS.items():
        assert offered[page][name].default == getattr(Settings(), field)


def relative_luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("level", ["hint", "warning", "error"])
def test_text_can_be_read_on_the_theme(name: str, level: str) -> None:
    from napari.utils.theme import get_theme

    rule = next(rule for rule in style_sheet(name).splitlines() if f'level="{level}"' in rule)
    colour = rule.split("color: ")[1].split(";")[0]
    red, green, blue = get_theme(name).background.as_rgb_tuple(alpha=False)
    ground = relative_luminance(f"#{red:02x}{green:02x}{blue:02x}")
    lighter, darker = sorted([relative_luminance(colour), ground], reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
