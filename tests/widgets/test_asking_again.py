"""Method, score and extent in the dock: what is asked, what needs Run, and what is said of it."""

import threading
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

import napari_seggradcam as sgc
from dock_fixtures import a_region, heatmap_layers, run_script, wait, wait_idle
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.scores import REDUCTIONS, SCORES
from napari_seggradcam.viewer.ownership import own_layers
from napari_seggradcam.widgets import live_control
from napari_seggradcam.widgets import method as method_fields


class Passes:
    """Counts how often the network runs, forward or backward."""

    def __init__(self, dock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        network = dock.network_control.opened.network
        network.module.register_forward_pre_hook(self._on_pass)
        from napari_seggradcam.explain.passes import Passes as Engine

        run_batch = Engine._run_batch

        def counted(*args: Any) -> Any:
            self.count += 1
            return run_batch(*args)

        monkeypatch.setattr(Engine, "_run_batch", counted)

    def _on_pass(self, *_args: Any) -> None:
        self.count += 1


def wait_live(qtbot: Any, dock: Any, method: str) -> None:
    """Wait until the answer that is shown is one of a method."""

    def shown() -> bool:
        question = dock.compare_control.answer.explanation.record["question"]
        return question["method"] == method and not dock.live_control.running

    wait(qtbot, shown)


def expected(dock: Any, **how: Any) -> Any:
    image = dock.image_control.layer.data
    network = dock.network_control.opened.network
    return sgc.explain(network, image, a_region() > 0, layers="levels", **how)


def run_for(qtbot: Any, dock: Any) -> Any:
    """Run, and return the answer."""
    wait(qtbot, dock.run.button.isEnabled)
    dock.run.button.click()
    wait_idle(qtbot, dock)
    return dock.compare_control.answer.explanation


def test_all_methods_scores_and_reductions_are_offered(answered: Any) -> None:
    assert list(answered.method.method.choices) == list(METHODS)
    assert [word for _, word, _ in method_fields.SCORES] == list(SCORES)
    assert [word for _, word, _ in method_fields.REDUCTIONS] == list(REDUCTIONS)


def test_only_the_options_of_the_method_are_shown(answered: Any) -> None:
    fields = answered.method
    fields.header.click()
    fields.method.value = "seg-xres-cam"
    assert set(fields.how.options) == {"window", "pool"}
    fields._options["seg-xres-cam"]["window"].value = 2
    assert fields._options["seg-xres-cam"]["window"].native.isVisible()
    assert not fields._options["seg-grad-cam"]["weights"].native.isVisible()
    fields.method.value = "layer-cam"
    assert fields.how.options == {}
    fields.method.value = "seg-xres-cam"
    assert fields.how.options["window"] == 2


def test_folded_the_choice_is_one_line(dock: Any) -> None:
    assert dock.method.summary.text() == "Seg-Grad-CAM of the logit"
    dock.method.score.value = "margin"
    dock.method.reduce.value = "mean"
    dock.method.extent.value = "mass"
    assert dock.method.summary.text() == (
        "Seg-Grad-CAM of the mean margin, truncated to 95 % of the mass"
    )


@pytest.mark.parametrize("mode", ["overlay", "grid", "stack"])
def test_another_method_needs_neither_run_nor_a_pass(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    answered.compare.modes[mode].click()
    wait_idle(qtbot, answered)
    layers, passes = list(viewer.layers), Passes(answered, monkeypatch)
    answered.method.method.value = "seg-hires-grad-cam"
    wait_live(qtbot, answered, "seg-hires-grad-cam")
    answered.method.extent.value = "support"
    name = "encoder 0 relu 2"
    wait(qtbot, lambda: answered.compare_control.answer.explanation[name].kept is not None)
    wait(qtbot, lambda: not answered.live_control.running)
    wait_idle(qtbot, answered)  # layers that are hidden change in the next turn
    assert passes.count == 0
    assert list(viewer.layers) == layers
    again = expected(answered, method="seg-hires-grad-cam", truncate="support")
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_allclose(
            layer.data, again[name].heatmap, rtol=0, atol=1e-5 * again[name].heatmap.max()
        )
        assert layer.metadata["napari_seggradcam"]["record"]["question"]["truncate"] == "support"
        assert layer.contrast_limits[1] == pytest.approx(float(layer.data.max() or 1))
    assert answered.compare_control.modes.mode == mode


def test_another_method_is_seen_in_the_mode_that_is_on(
    answered: Any, viewer: Any, qtbot: Any
) -> None:
    answered.compare.modes["stack"].click()
    wait_idle(qtbot, answered)
    (stack,) = own_layers(viewer, "view")
    answered.method.method.value = "layer-cam"
    wait_live(qtbot, answered, "layer-cam")
    maps = answered.compare_control.answer.explanation.values()
    np.testing.assert_array_equal(stack.data, np.stack([one.resized() for one in maps]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda dock, _viewer: setattr(dock.region.target, "value", 1), "class has changed"),
        (lambda _dock, viewer: viewer.layers["drawn"].paint((30, 40), 1), "region has changed"),
        (lambda dock, _viewer: setattr(dock.layers.preset, "value", "all"), "layers have changed"),
        (lambda dock, _viewer: setattr(dock.run.keep, "value", True), "heatmaps are kept"),
        (lambda dock, _viewer: dock.run.forget_button.click(), "not kept any more"),
        (lambda _dock, viewer: _brighten(viewer.layers["cells"]), "image has changed"),
    ],
)
def test_what_has_changed_is_asked_by_run(
    answered: Any, viewer: Any, qtbot: Any, change: Any, said: str
) -> None:
    before = answered.compare_control.answer
    change(answered, viewer)
    answered.method.method.value = "layer-cam"
    wait(qtbot, lambda: said in answered.run.note.text() and not answered.live_control.running)
    assert "press Run" in answered.run.note.text()
    assert answered.compare_control.answer is before
    assert run_for(qtbot, answered).record["question"]["method"] == "layer-cam"


def _brighten(layer: Any) -> None:
    layer.data = layer.data + 1


def test_another_score_is_asked_by_run(answered: Any, qtbot: Any) -> None:
    fields = answered.method
    fields.score.value = "margin"
    assert "Another score needs another pass" in answered.run.note.text()
    fields.versus.value = 1
    answered.region.target.value = 0
    fields.reduce.value = "mean"
    explanation = run_for(qtbot, answered)
    again = expected(answered, target=0, score="margin", versus=1, reduce="mean")
    assert explanation.score == pytest.approx(again.score)
    assert "mean margin against nucleus" in answered.compare.question.text()


@pytest.mark.parametrize("target", [0, "predicted"])
def test_a_class_against_itself_is_named_as_the_dock_names_it(
    answered: Any, qtbot: Any, target: int | str
) -> None:
    fields, shown = answered.method, answered.compare_control.answer
    answered.region.target.value = target
    fields.score.value = "margin"
    fields.versus.value = shown.explanation.target if target == "predicted" else target
    run_for(qtbot, answered)
    name = answered.network_control.opened.card.classes[fields.versus.value]
    note = answered.run.note
    assert note.level == "error"
    assert note.text().startswith(f"The margin of {name} is asked against {name} itself.")
    assert "under Against" in note.text()


@pytest.mark.parametrize(
    ("field", "other", "said"),
    [
        ("method", "sobel", "not made of the kept gradients"),
        ("score", "margin", "Another score"),
        ("reduce", "mean", "Another score"),
    ],
)
def test_what_is_shown_is_said_again_when_it_is_chosen_again(
    answered: Any, field: str, other: str, said: str
) -> None:
    note, box = answered.run.note, getattr(answered.method, field)
    before, chosen = note.text(), box.value
    box.value = other
    assert said in note.text()
    box.value = chosen
    assert note.text() == before
    note.say("Script copied", "hint")
    answered.method.changed.emit()
    assert note.text() == "Script copied"


def test_a_choice_while_it_computes_is_answered_when_that_is_done(
    answered: Any, qtbot: Any
) -> None:
    answered.run.button.click()
    answered.method.method.value = "layer-cam"
    answered.method.method.value = "grad-cam++"
    wait_live(qtbot, answered, "grad-cam++")


def test_what_is_kept_stands_in_the_table(answered: Any, qtbot: Any) -> None:
    table = answered.compare.table
    assert table.isColumnHidden(2)
    answered.method.share.value = 50
    answered.method.extent.value = "mass"
    wait(qtbot, lambda: not table.isColumnHidden(2))
    shown = answered.compare_control.answer.explanation
    item = table.topLevelItem(0)
    assert item.text(2) == f"{100 * shown[item.text(0)].kept_share:.1f} %"
    assert "50 % of the mass" in answered.compare.question.text()


def _some_negative(viewer: Any) -> bool:
    return any((layer.data < 0).any() for layer in heatmap_layers(viewer).values())


def test_signed_maps_take_the_place_of_heatmaps_and_go_again(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered.compare.modes["grid"].click()
    wait_idle(qtbot, answered)
    passes = Passes(answered, monkeypatch)
    shown = answered.compare_control.answer.explanation
    before = {name: layer.data.copy() for name, layer in heatmap_layers(viewer).items()}
    answered.compare.signed.value = True
    wait(qtbot, lambda: _some_negative(viewer))
    wait_idle(qtbot, answered)
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_array_equal(layer.data, shown[name].signed)
        furthest = np.abs(shown[name].signed).max()
        assert layer.contrast_limits == pytest.approx([-furthest, furthest])
        assert layer.colormap.name == "blue, clear, red"
    answered.compare.signed.value = False
    wait(qtbot, lambda: not _some_negative(viewer))
    wait_idle(qtbot, answered)
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_array_equal(layer.data, before[name])
        assert layer.colormap.name == "inferno"
    assert passes.count == 0


def test_of_signed_maps_nothing_is_said_to_be_truncated(answered: Any, qtbot: Any) -> None:
    section, table = answered.compare, answered.compare.table
    answered.method.extent.value = "mass"
    wait(qtbot, lambda: not table.isColumnHidden(2))
    wait_idle(qtbot, answered)
    shown = answered.compare_control.answer.explanation
    assert "truncated to 95 % of the mass" in section.question.text()
    section.signed.value = True
    wait_idle(qtbot, answered)
    assert "truncated" not in section.question.text()
    assert table.isColumnHidden(2)
    assert not section.reasons.text()
    for row, one in enumerate(shown.values()):
        assert table.topLevelItem(row).text(1) == f"±{np.abs(one.signed).max():.3g}"
    section.signed.value = False
    wait_idle(qtbot, answered)
    assert "truncated to 95 % of the mass" in section.question.text()
    assert not table.isColumnHidden(2)


@pytest.mark.parametrize("mode", ["overlay", "grid", "stack"])
def test_a_late_answer_of_the_other_kind_of_maps_is_shown_anew(
    answered: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """It was prepared as heatmaps; meanwhile signed maps were asked for."""
    answered.compare.modes[mode].click()
    wait_idle(qtbot, answered)
    at_once, opened, delivered = live_control.answer_at_once, threading.Event(), []

    def late(*args: Any) -> Any:
        opened.wait(30)
        return at_once(*args)

    monkeypatch.setattr(live_control, "answer_at_once", late)
    answered.run_control.delivering.connect(delivered.append)
    answered.method.method.value = "layer-cam"
    assert answered.live_control.running
    answered.compare.signed.value = True
    wait_idle(qtbot, answered)
    assert not delivered
    opened.set()
    wait_live(qtbot, answered, "layer-cam")
    wait_idle(qtbot, answered)
    assert len(delivered) == 1
    maps = answered.compare_control.answer.explanation
    assert maps.record["question"]["method"] == "layer-cam"
    for name, layer in heatmap_layers(viewer).items():
        np.testing.assert_array_equal(layer.data, maps[name].signed)
        furthest = np.abs(maps[name].signed).max()
        assert layer.contrast_limits == pytest.approx([-furthest, furthest])
    shown = {
        layer.metadata["napari_seggradcam"]["key"]: layer for layer in own_layers(viewer, "view")
    }
    assert (answered.compare_control.modes.mode, bool(shown)) == (mode, mode != "overlay")
    if mode == "stack":
        signed = np.stack([one.resized(signed=True) for one in maps.values()])
        np.testing.assert_array_equal(shown["stack"].data, signed)
    for name in maps if mode == "grid" else ():
        np.testing.assert_array_equal(shown[f"heatmap · {name}"].data, maps[name].signed)


def test_the_copied_script_asks_with_all_options(answered: Any, qtbot: Any, tmp_path: Any) -> None:
    answered.region.operation.value = "border"
    answered.region.border_width.value = 2
    answered.method.method.value = "seg-xres-cam"
    answered.method._options["seg-xres-cam"]["window"].value = 3
    answered.method.score.value = "margin"
    answered.method.extent.value = "mass"
    shown = run_for(qtbot, answered)
    answered.run.script_button.click()
    wait(qtbot, lambda: "Script copied" in answered.run.note.text())
    text = QApplication.clipboard().text()
    for said in ("method='seg-xres-cam'", "window=3", "score='margin'", "('mass', 0.95)"):
        assert said in text
    made = run_script(text, tmp_path / "made.npz")
    for name, signed in made.items():
        np.testing.assert_array_equal(signed, shown[name].signed)


def test_errors_of_the_prediction_are_a_region(answered: Any, viewer: Any, qtbot: Any) -> None:
    network = answered.network_control.opened.network
    prediction = network.predict(answered.image_control.layer.data).argmax(0)
    truth = np.zeros_like(prediction)
    truth[5:20, 5:20] = 1
    viewer.add_labels(truth, name="truth")
    answered.region.first.what.value = "false positives"
    answered.region.first.truth.value = viewer.layers["truth"]
    wrong = {kind: kind for kind in ("false positives", "false negatives")}
    counts = {
        "false positives": int(((prediction == 1) & (truth != 1)).sum()),
        "false negatives": int(((prediction != 1) & (truth == 1)).sum()),
    }
    answered.region.first.predicted.value = 1
    assert answered.region.first.meaning.text() == "Label 1 of the layer is taken for nucleus."
    for kind in wrong:
        answered.region.first.what.value = kind
        if counts[kind]:
            explanation = run_for(qtbot, answered)
            assert explanation.region_size == counts[kind]
    assert any(counts.values())


def test_a_contrast_counts_for_and_against(answered: Any, viewer: Any, qtbot: Any) -> None:
    other = np.zeros(a_region().shape, np.uint8)
    other[30:40, 40:50] = 1
    viewer.add_labels(other, name="other")
    answered.region.operation.value = "contrast"
    answered.region.second.what.value = viewer.layers["other"]
    wait(qtbot, lambda: answered.region.readout.text() == "80 px against 100 px")
    explanation = run_for(qtbot, answered)
    one, two = (expected(answered, target=explanation.target) for _ in range(2))
    network, image = answered.network_control.opened.network, answered.image_control.layer.data
    two = sgc.explain(network, image, other > 0, target=explanation.target, layers="levels")
    for name in explanation:
        difference = one[name].weights - two[name].weights
        np.testing.assert_allclose(
            explanation[name].weights, difference, atol=2e-6 * np.abs(one[name].weights).max()
        )
    sides = next(layer for layer in own_layers(viewer, "region")).data
    assert set(np.unique(sides)) == {0, 1, 2}
