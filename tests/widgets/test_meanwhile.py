"""What is chosen while layers are being added: in the end all shows what the fields say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dock_fixtures import heatmap_layers, wait, wait_idle
from napari_seggradcam.viewer.compare import Compare
from napari_seggradcam.viewer.ownership import METADATA_KEY, own_layers
from napari_seggradcam.viewer.results import ResultLayers

OTHER = "image"
"""Another source of the region: the whole image."""


def at_layer(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, number: int, act: Callable[[], object]
) -> None:
    """Do something once so many layers have been handed over."""
    plain, calls = getattr(owner, name), []

    def counted(self: Any, *args: Any) -> Any:
        found = plain(self, *args)
        calls.append(name)
        if len(calls) == number:
            act()
        return found

    monkeypatch.setattr(owner, name, counted)


def wait_done(qtbot: Any, dock: Any) -> None:
    """Wait until all that was chosen is shown."""
    wait_idle(qtbot, dock)
    wait(qtbot, lambda: not dock.live_control.running and not dock.run_control.running)
    wait_idle(qtbot, dock)


def choose(field: Any, value: Any) -> Callable[[], None]:
    def act() -> None:
        field.value = value

    return act


def assert_shows(dock: Any, viewer: Any, signed: bool) -> None:
    """All layers show the answer that the table is of, as heatmaps or signed maps."""
    answer = dock.compare_control.answer.explanation
    layers = heatmap_layers(viewer)
    assert layers.keys() == answer.keys()
    table = dock.compare.table
    for row, (name, one) in enumerate(answer.items()):
        layer = layers[name]
        values = one.signed if signed else one.heatmap
        np.testing.assert_array_equal(layer.data, values)
        furthest = float(np.abs(values).max())
        assert layer.contrast_limits == pytest.approx([-furthest if signed else 0, furthest])
        assert layer.colormap.name == dock.compare.colormap.value
        assert table.topLevelItem(row).text(1) == ("±" if signed else "") + f"{furthest:.3g}"
        assert layer.metadata[METADATA_KEY]["region_size"] == answer.region_size
    views = {one.metadata[METADATA_KEY]["key"]: one for one in own_layers(viewer, "view")}
    mode = dock.compare_control.modes.mode
    assert mode == dock.compare.mode
    if mode == "overlay":
        assert not views
    elif mode == "stack":
        maps = np.stack([one.resized(signed) for one in answer.values()])
        np.testing.assert_array_equal(np.asarray(views["stack"].data), maps)
    else:
        for name, one in answer.items():
            layer = views[f"heatmap · {name}"]
            np.testing.assert_array_equal(layer.data, one.signed if signed else one.heatmap)
            assert layer.colormap.name == dock.compare.colormap.value


@pytest.mark.parametrize("mode", ["overlay", "grid", "stack"])
@pytest.mark.parametrize("number", [1, 3])
def test_signed_maps_while_a_run_adds_its_layers(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, mode: str, number: int
) -> None:
    answered.compare.modes[mode].click()
    wait_done(qtbot, answered)
    before = answered.compare_control.answer.explanation
    answered.region.first.what.value = OTHER
    wait(qtbot, answered.run.button.isEnabled)
    signed = choose(answered.compare.signed, True)
    at_layer(monkeypatch, ResultLayers, "add_heatmap", number, signed)
    answered.run.button.click()
    wait_done(qtbot, answered)
    assert answered.compare_control.answer.explanation.region_size > before.region_size
    assert_shows(answered, viewer, signed=True)


@pytest.mark.parametrize("mode", ["grid", "stack"])
@pytest.mark.parametrize("signed", [True, False])
def test_other_maps_while_a_mode_is_built(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, mode: str, signed: bool
) -> None:
    answered.compare.signed.value = not signed
    wait_done(qtbot, answered)
    at_layer(monkeypatch, Compare, "_insert", 1, choose(answered.compare.signed, signed))
    answered.compare.modes[mode].click()
    wait_done(qtbot, answered)
    assert_shows(answered, viewer, signed)


def test_another_mode_and_other_maps_while_a_mode_is_built(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        answered.compare.signed.value = True
        answered.compare.modes["stack"].click()

    at_layer(monkeypatch, Compare, "_insert", 2, act)
    answered.compare.modes["grid"].click()
    wait_done(qtbot, answered)
    assert answered.compare_control.modes.mode == "stack"
    assert_shows(answered, viewer, signed=True)


def test_colours_while_a_mode_is_built(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_layer(monkeypatch, Compare, "_insert", 3, choose(answered.compare.colormap, "viridis"))
    answered.compare.modes["grid"].click()
    wait_done(qtbot, answered)
    assert_shows(answered, viewer, signed=False)


@pytest.mark.parametrize("mode", ["overlay", "grid"])
def test_signed_maps_where_a_layer_is_gone(
    answered: Any, viewer: Any, qtbot: Any, mode: str
) -> None:
    answered.compare.modes[mode].click()
    wait_done(qtbot, answered)
    viewer.layers.remove(next(iter(heatmap_layers(viewer).values())))
    for signed in (True, False):
        answered.compare.signed.value = signed
        wait_done(qtbot, answered)
        assert_shows(answered, viewer, signed)


def test_signed_maps_where_a_layer_of_a_mode_is_gone(
    answered: Any, viewer: Any, qtbot: Any
) -> None:
    answered.compare.modes["grid"].click()
    wait_done(qtbot, answered)
    viewer.layers.remove(next(own_layers(viewer, "view")))
    answered.compare.signed.value = True
    wait_done(qtbot, answered)
    assert_shows(answered, viewer, signed=True)


def test_kept_heatmaps_stay_where_signed_maps_need_new_layers(
    answered: Any, viewer: Any, qtbot: Any
) -> None:
    answered.run.keep.value = True
    answered.run.button.click()
    wait_done(qtbot, answered)
    count = len(list(own_layers(viewer, "heatmap")))
    viewer.layers.remove(heatmap_layers(viewer)["bottleneck relu 2"])
    answered.compare.signed.value = True
    wait_done(qtbot, answered)
    assert len(list(own_layers(viewer, "heatmap"))) == count


def test_clear_while_a_run_adds_its_layers(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_layer(monkeypatch, ResultLayers, "add_heatmap", 3, answered.compare.clear_button.click)
    answered.run.button.click()
    wait_done(qtbot, answered)
    assert not list(own_layers(viewer))
    assert not answered.compare.has_results
    assert answered.run.note.text() == ""
    answered.run.button.click()
    wait_done(qtbot, answered)
    assert_shows(answered, viewer, signed=False)


def test_an_error_goes_with_what_was_asked(answered: Any, qtbot: Any) -> None:
    note = answered.run.note
    answered.region.target.value = 1
    answered.method.score.value = "margin"
    answered.method.versus.value = 1
    answered.run.button.click()
    wait_done(qtbot, answered)
    assert note.level == "error"
    answered.region.target.value = "predicted"
    assert note.text() == ""


@pytest.mark.parametrize(
    ("given", "written"),
    [("a.png", "a.png"), ("b v1.2", "b v1.2.png"), ("c.pdf", "c.pdf"), ("d", "d.png")],
)
def test_a_figure_is_where_it_is_said_to_be(
    answered: Any, qtbot: Any, tmp_path: Path, given: str, written: str
) -> None:
    answered.compare_control.save_figure(tmp_path / given)
    wait(qtbot, lambda: answered.compare.problem.text() == f"Saved {tmp_path / written}")
    assert (tmp_path / written).stat().st_size > 1000


def test_all_stay_shown_in_the_next_run(answered: Any, viewer: Any, qtbot: Any) -> None:
    answered.compare.row_chosen.emit("")
    assert all(layer.visible for layer in heatmap_layers(viewer).values())
    answered.run.button.click()
    wait_done(qtbot, answered)
    assert all(layer.visible for layer in heatmap_layers(viewer).values())
