"""The dock of comparisons over a viewer without a window: asking, clicking, and letting go."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

import napari_seggradcam as sgc
from dock_fixtures import (
    Gate,
    add_sample,
    callbacks,
    open_docks,
    wait,
    wait_idle,
    wait_ready,
)
from napari_seggradcam.explain.comparison.layers import compare_layers
from napari_seggradcam.explain.comparison.weights import compare_weights
from napari_seggradcam.viewer.comparison_layers import (
    ATLAS,
    CLUSTERS,
    DIFFERENCE,
    FEATURE_MAP,
    PAIR,
)
from napari_seggradcam.viewer.ownership import own_layers
from napari_seggradcam.widgets.comparison import plots
from napari_seggradcam.widgets.comparison.dock import ComparisonWidget

INSTALL = 'pip install "napari-seggradcam[plots]"'


def some_labels() -> np.ndarray:
    """Three labels on the sample's image."""
    labels = np.zeros((48, 64), np.int32)
    labels[4:12, 4:14], labels[10:18, 30:40], labels[30:38, 40:50] = 3, 5, 9
    return labels


@pytest.fixture
def open_comparison(qtbot: Any) -> Iterator[Callable[[Any], ComparisonWidget]]:
    """Opens docks and closes them at the end."""
    with open_docks(qtbot, ComparisonWidget) as open_one:
        yield open_one


@pytest.fixture
def compared(
    dock: Any, viewer: Any, open_comparison: Callable[[Any], ComparisonWidget], qtbot: Any
) -> ComparisonWidget:
    """A dock beside a main dock with image, network and a layer of three labels."""
    add_sample(viewer)
    viewer.add_labels(some_labels(), name="three")
    wait_ready(qtbot, dock)
    comparison = open_comparison(viewer)
    comparison.question.source.value = viewer.layers["three"]
    return comparison


def run(qtbot: Any, dock: ComparisonWidget, section: Any) -> None:
    """Click a section's button and wait for the end."""
    qtbot.mouseClick(section.row.button, Qt.MouseButton.LeftButton)
    assert dock.runner.running
    wait(qtbot, lambda: not dock.runner.running)


def one(viewer: Any, kind: str) -> Any:
    """The only layer of a kind."""
    (layer,) = own_layers(viewer, kind)
    return layer


def click_plot(qtbot: Any, plot: Any, axes: int, x: float, y: float) -> None:
    """Click a place of one of a plot's axes, in data coordinates, with the mouse."""
    qtbot.wait(100)  # a plot that was resized has new axes
    plot.canvas.draw()
    right, up = plot.figure.axes[axes].transData.transform((x, y)) / plot.canvas.device_pixel_ratio
    at = QPoint(round(right), round(plot.canvas.height() - up))
    qtbot.mouseClick(plot.canvas, Qt.MouseButton.LeftButton, pos=at)


def explainer_of(dock: Any, viewer: Any) -> sgc.Explainer:
    """What the API has of the same image and network."""
    network = dock.network_control.opened.network
    return sgc.Explainer(network, viewer.layers["cells"].data, axes="YX")


def test_opening_the_dock_loads_neither_torch_nor_matplotlib_and_is_quick() -> None:
    code = (
        "import sys, time\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "import napari.qt.threading, napari.settings, napari.utils.theme\n"
        "from napari.components import ViewerModel\n"
        "viewer = ViewerModel()\n"
        "begun = time.process_time()\n"
        "from napari_seggradcam.widgets.comparison.dock import ComparisonWidget\n"
        "dock = ComparisonWidget(viewer)\n"
        "spent = time.process_time() - begun\n"
        "heavy = {'torch', 'matplotlib.figure', 'napari_matplotlib', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert spent < 1, spent\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_a_main_dock_it_says_so_and_opens_one(
    viewer: Any, open_comparison: Any, qtbot: Any, monkeypatch: Any
) -> None:
    comparison = open_comparison(viewer)
    assert comparison.question.open_button.isVisible()
    assert not comparison.question.fields.isVisible()
    for section in (comparison.weights, comparison.atlas, comparison.layers):
        assert not section.row.button.isEnabled()
        assert section.row.reason.text() == "Open the main dock first."
    asked: list[Any] = []
    window = SimpleNamespace(add_plugin_dock_widget=lambda *what, **how: asked.append((what, how)))
    monkeypatch.setattr(type(viewer), "window", window, raising=False)
    qtbot.mouseClick(comparison.question.open_button, Qt.MouseButton.LeftButton)
    assert asked == [(("napari-seggradcam", "Seg-Grad-CAM"), {"tabify": True})]


def test_a_main_dock_is_noticed_when_it_opens_and_when_it_closes(
    viewer: Any, open_comparison: Any, open_dock: Any, qtbot: Any
) -> None:
    comparison = open_comparison(viewer)
    main = open_dock(viewer)
    assert comparison.main.dock is main
    assert not comparison.question.open_button.isVisible()
    assert comparison.atlas.row.reason.text() == "Open an image first."
    add_sample(viewer)
    wait_ready(qtbot, main)
    assert comparison.atlas.row.button.isEnabled()
    assert "cells, Nuclei (demo)" in comparison.question.sentence.text()
    main.close()
    assert comparison.main.dock is None
    assert comparison.question.open_button.isVisible()


def test_the_dock_of_another_viewer_is_not_taken(open_comparison: Any, open_dock: Any) -> None:
    """Two viewers with the same in them are equal, and not one."""
    from napari.components import ViewerModel

    open_dock(ViewerModel())
    assert open_comparison(ViewerModel()).main.dock is None


def test_the_question_begins_at_the_bottleneck_with_what_the_viewer_has(
    compared: ComparisonWidget, viewer: Any
) -> None:
    offered = [compared.question.source.get_choice(name) for name in ("drawn", "three")]
    assert offered == [viewer.layers["drawn"], viewer.layers["three"]]
    assert compared.question_control.network_layer == "bottleneck relu 2"
    assert compared.question_control.target == "predicted"
    compared.main.dock.region.target.value = 1
    assert compared.question_control.target == 1
    compared.question.target.value = 0
    assert compared.question_control.target == 0
    viewer.layers["three"].name = "renamed"
    assert compared.question.source.native.currentText() == "renamed"


def test_without_regions_weights_can_not_be_compared(
    dock: Any, viewer: Any, open_comparison: Any, qtbot: Any
) -> None:
    image = add_sample(viewer)
    wait_ready(qtbot, dock)
    viewer.layers.remove("drawn")
    comparison = open_comparison(viewer)
    assert comparison.weights.row.reason.text() == "Choose a layer that has regions."
    assert comparison.question.no_source.isVisible()
    assert comparison.atlas.row.button.isEnabled()
    assert image in viewer.layers


def test_weights_are_those_of_the_api(compared: ComparisonWidget, viewer: Any, qtbot: Any) -> None:
    compared.question.target.value = 1
    run(qtbot, compared, compared.weights)
    expected = compare_weights(explainer_of(compared.main.dock, viewer), some_labels(), 1)
    shown = compared.weights.similarity
    picture = shown.figure.axes[1].images[0].get_array()
    rows = [expected.names.index(name) for name in expected.order]
    np.testing.assert_allclose(picture, expected.cosine[np.ix_(rows, rows)], atol=1e-5)
    assert compared.weights.question.text() == "3 labels of three at bottleneck relu 2, for nucleus"
    compared.weights.measures["rank"].click()
    picture = shown.figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(picture, expected.spearman[np.ix_(rows, rows)], atol=1e-5)


def test_a_cell_shows_both_regions_and_their_difference(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.question.target.value = 1
    run(qtbot, compared, compared.weights)
    expected = compare_weights(explainer_of(compared.main.dock, viewer), some_labels(), 1)
    plot = compared.weights.similarity
    click_plot(qtbot, plot, 1, 2, 0)
    first, second = expected.order[0], expected.order[2]
    difference = one(viewer, DIFFERENCE)
    signed = expected.difference(first, second).signed
    np.testing.assert_allclose(difference.data, signed, rtol=0, atol=1e-5 * np.abs(signed).max())
    low, high = difference.contrast_limits
    assert low == -high
    outlines = one(viewer, PAIR)
    np.testing.assert_array_equal(outlines.data == 1, some_labels() == first)
    np.testing.assert_array_equal(outlines.data == 2, some_labels() == second)
    assert viewer.layers["three"].selected_label == first
    assert compared.weights.chosen.text().startswith(f"label {first} and label {second}: cosine")


def test_the_pair_stays_marked_under_the_other_measure(
    compared: ComparisonWidget, qtbot: Any
) -> None:
    section = compared.weights
    run(qtbot, compared, section)
    section.pair_clicked.emit(0, 2)
    said = section.chosen.text()
    for word in ("rank", "cosine"):
        section.measures[word].click()
        assert section.chosen.text() == said
        assert len(section.similarity._marks) == 2
    run(qtbot, compared, section)
    assert not section.chosen.text()
    assert not section.similarity._marks


def test_a_bar_shows_its_feature_map_alone(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.question.target.value = 1
    run(qtbot, compared, compared.weights)
    compared.weights.pair_clicked.emit(0, 1)
    expected = compare_weights(explainer_of(compared.main.dock, viewer), some_labels(), 1)
    (best,) = expected.top_channels(3, 1, by="weight")
    plot = compared.weights.channels
    click_plot(qtbot, plot, 0, best.weight / 2, 0)
    shown = one(viewer, FEATURE_MAP)
    maps = expected.feature_map(best.channel).signed
    np.testing.assert_allclose(shown.data, maps, rtol=0, atol=1e-5 * np.abs(maps).max())
    assert shown.name == f"bottleneck relu 2 · channel {best.channel}"
    assert shown.visible
    assert not one(viewer, DIFFERENCE).visible


def test_the_tree_gives_back_the_regions_of_a_branch(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    run(qtbot, compared, compared.weights)
    plot = compared.weights.similarity
    height = max(plot.figure.axes[0].get_xlim())
    click_plot(qtbot, plot, 0, height * 0.99, 1)
    assert compared.weights.chosen.text().startswith("3 regions alike: label ")
    click_plot(qtbot, plot, 1, 1, 1)
    assert compared.weights.chosen.text().startswith("label ")
    assert not list(own_layers(viewer, DIFFERENCE))


def test_points_are_regions_of_a_pixel_each(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    points = viewer.add_points([[5, 5], [14, 35], [33, 44]], name="spots")
    compared.question.source.value = points
    run(qtbot, compared, compared.weights)
    assert compared.weights.question.text().startswith("3 points of spots")
    compared.weights.pair_clicked.emit(0, 2)
    assert set(points.selected_data) == {0, 2}
    outlines = one(viewer, PAIR)
    assert [tuple(at) for at in np.argwhere(outlines.data)] == [(5, 5), (33, 44)]


def test_an_error_stands_below_the_button(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    viewer.layers["three"].data = np.where(some_labels() == 3, 3, 0)
    qtbot.mouseClick(compared.weights.row.button, Qt.MouseButton.LeftButton)
    assert not compared.runner.running
    assert "'three' has 1 label on the image 'cells'" in compared.weights.row.note.text()
    assert compared.weights.row.note.level == "error"


def test_one_dock_computes_at_a_time_and_a_cancel_leaves_the_viewer(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    main, before = compared.main.dock, list(viewer.layers)
    gate = Gate(main.network_control.opened.network)
    qtbot.mouseClick(compared.weights.row.button, Qt.MouseButton.LeftButton)
    wait(qtbot, gate.reached.is_set)
    assert not main.run.button.isEnabled()
    assert main.run.reason.text() == "The dock with comparisons is computing."
    assert not main.network.predict_button.isEnabled()
    assert compared.atlas.row.reason.text() == "Another comparison is being computed."
    assert compared.weights.row.button.text() == "Cancel"
    compared.weights.row.button.click()
    assert compared.weights.row.button.text() == "Cancelling…"
    gate.open()
    wait(qtbot, lambda: not compared.runner.running)
    assert compared.weights.row.note.text() == "Cancelled; the viewer is as it was."
    assert list(viewer.layers) == before
    assert main.run.button.isEnabled()
    assert compared.atlas.row.button.isEnabled()


def test_while_the_main_dock_computes_nothing_is_compared(
    compared: ComparisonWidget, qtbot: Any
) -> None:
    main = compared.main.dock
    main.run.button.click()
    assert main.run_control.running
    assert compared.weights.row.reason.text() == "The main dock is computing."
    wait_idle(qtbot, main)
    assert compared.weights.row.button.isEnabled()


def test_an_atlas_and_its_clusters(compared: ComparisonWidget, viewer: Any, qtbot: Any) -> None:
    compared.question.target.value = 1
    compared.atlas.grid.value = 8
    compared.atlas.clusters.value = 3
    run(qtbot, compared, compared.atlas)
    atlas, clusters = one(viewer, ATLAS), one(viewer, CLUSTERS)
    assert atlas.rgb
    assert atlas.data.shape == (6, 8, 4)
    # Cells of 8 x 8 pixels: the first one's middle is pixel 3.5.
    np.testing.assert_allclose(atlas.data_to_world((0, 0)), (3.5, 3.5))
    np.testing.assert_allclose(clusters.data_to_world((1, 2)), (11.5, 19.5))
    assert (atlas.visible, clusters.visible) == (True, False)
    legend = compared.atlas.legend
    sizes = [int(legend.topLevelItem(n).text(1)) for n in range(legend.topLevelItemCount())]
    assert sizes == np.bincount(clusters.data.ravel())[1:].tolist()
    click_row(qtbot, legend, 1)
    assert clusters.selected_label == 2
    assert clusters.show_selected_label
    assert (atlas.visible, clusters.visible) == (False, True)
    clusters.selected_label = 3
    assert legend.selectedItems() == [legend.topLevelItem(2)]
    click_row(qtbot, legend, 2)
    assert not clusters.show_selected_label
    assert (atlas.visible, clusters.visible) == (True, False)


def click_row(qtbot: Any, tree: Any, row: int) -> None:
    at = tree.visualItemRect(tree.topLevelItem(row)).center()
    qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_click_on_the_picture_selects_a_cluster_and_a_drag_does_not(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.atlas.clusters.value = 2
    run(qtbot, compared, compared.atlas)
    clusters = one(viewer, CLUSTERS)
    clusters.visible = True
    (callback,) = clusters.mouse_drag_callbacks
    cell = np.argwhere(clusters.data == 2)[0]
    event = SimpleNamespace(
        type="mouse_press",
        position=clusters.data_to_world(cell),
        view_direction=None,
        dims_displayed=[0, 1],
    )
    for types, chosen in ((("mouse_move", "mouse_release"), 1), (("mouse_release",), 2)):
        steps = callback(clusters, event)
        next(steps)
        for event.type in types:
            next(steps, None)
        assert clusters.selected_label == chosen
    assert compared.atlas.legend.selectedItems() == [compared.atlas.legend.topLevelItem(1)]


def test_clusters_that_a_person_removed_are_missed_in_words(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.atlas.clusters.value = 2
    run(qtbot, compared, compared.atlas)
    viewer.layers.remove(one(viewer, CLUSTERS))
    click_row(qtbot, compared.atlas.legend, 0)
    assert "Make the atlas again" in compared.atlas.row.note.text()


def test_without_scikit_learn_there_is_an_atlas_and_the_install_command(
    compared: ComparisonWidget, viewer: Any, qtbot: Any, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    run(qtbot, compared, compared.atlas)
    assert one(viewer, ATLAS).visible
    assert not list(own_layers(viewer, CLUSTERS))
    assert not compared.atlas.legend.isVisible()
    assert INSTALL in compared.atlas.row.note.text()


def test_network_layers_are_compared_for_the_main_docks_question(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    main = compared.main.dock
    main.region.target.value = 1
    run(qtbot, compared, compared.layers)
    region = viewer.layers["drawn"].data > 0
    expected = compare_layers(explainer_of(main, viewer), region, 1, "levels")
    section = compared.layers
    names = [
        section.table.topLevelItem(n).text(0) for n in range(section.table.topLevelItemCount())
    ]
    assert names == [row.name for row in expected]
    shares = [float(section.table.topLevelItem(n).text(1)) for n in range(len(names))]
    np.testing.assert_allclose(shares, [100 * row.share for row in expected], atol=0.51)
    assert section.question.text().startswith("nucleus in 80 px, score ")
    if expected.recommended:
        assert section.recommendation.text().startswith(
            f"Look at {expected.recommended[0].name}: {expected.recommended[0].why}."
        )
    else:
        assert section.recommendation.text().startswith("No network layer is recommended")


def test_numbers_below_the_plot_stand_apart_in_a_narrow_dock(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.resize(280, 900)
    run(qtbot, compared, compared.layers)
    plot = compared.layers.plot
    for low in (-1.0, 0.0):
        rows = [row_with(row, mask_echo=low, edge_echo=0.5, blindness=0.5) for row in plot._rows]
        plot.show_rows(rows)
        plot.canvas.draw()
        for axes in plot.figure.axes:
            boxes = [one.get_window_extent() for one in axes.get_xticklabels() if one.get_text()]
            ends = sorted((box.x0, box.x1) for box in boxes)
            assert len(ends) >= 2
            assert all(first[1] + 2 < second[0] for first, second in pairwise(ends))


def row_with(row: Any, **others: float) -> Any:
    """What the plot reads of a row, with other correlations."""
    names = ("name", "share", "recommended", "empty", "role", "level")
    return SimpleNamespace(**{name: getattr(row, name) for name in names}, **others)


def test_pixels_of_both_sides_of_a_region_are_counted(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    main = compared.main.dock
    main.region.operation.value = "contrast"
    main.region.second.what.value = viewer.layers["three"]
    wait(qtbot, lambda: "against" in main.region.readout.text())
    drawn, other = viewer.layers["drawn"].data > 0, some_labels() > 0
    both = int((drawn & ~other).sum() + (other & ~drawn).sum())
    assert main.region.readout.text() == (
        f"{int((drawn & ~other).sum())} px against {int((other & ~drawn).sum())} px"
    )
    run(qtbot, compared, compared.layers)
    assert f" in {both} px, score " in compared.layers.question.text()


def test_a_network_layer_is_chosen_in_the_main_dock_or_its_heatmap_shown(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    main = compared.main.dock
    run(qtbot, compared, compared.layers)
    plot = compared.layers.plot
    click_plot(qtbot, plot, 1, 0.4, 1)
    name = compared.layers.table.topLevelItem(1).text(0)
    assert main.layers.names == (name,)
    assert "Run shows its heatmap" in compared.layers.why.text()
    main.layers.preset.value = "levels"
    main.run.button.click()
    wait_idle(qtbot, main)
    main.compare.modes["overlay"].click()
    click_row(qtbot, compared.layers.table, 2)
    name = compared.layers.table.topLevelItem(2).text(0)
    heatmaps = main.run_control.results.heatmaps()
    assert [key for key, layer in heatmaps.items() if layer.visible] == [name]
    assert len(main.layers.names) == 5
    assert "The main dock shows its heatmap" in compared.layers.why.text()


def test_without_napari_matplotlib_all_but_the_plots_is_there(
    dock: Any, viewer: Any, open_comparison: Any, qtbot: Any, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "napari_matplotlib", None)
    add_sample(viewer)
    wait_ready(qtbot, dock)
    comparison = open_comparison(viewer)
    assert not comparison.weights.row.button.isEnabled()
    assert INSTALL in comparison.weights.row.reason.text()
    run(qtbot, comparison, comparison.layers)
    assert comparison.layers.table.topLevelItemCount() == 5
    assert INSTALL in comparison.layers.no_plots.text()
    assert comparison.layers.plot is None
    run(qtbot, comparison, comparison.atlas)
    assert one(viewer, ATLAS).visible
    assert plots.why_no_plots()


def test_closing_lets_go_of_the_viewer_and_it_attaches_again(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    compared.detach()
    before = callbacks(viewer)
    compared.attach()
    run(qtbot, compared, compared.weights)
    run(qtbot, compared, compared.atlas)
    run(qtbot, compared, compared.layers)
    added = {layer.name for layer in viewer.layers}
    compared.close()
    viewer.layers.remove(one(viewer, CLUSTERS))
    viewer.layers.remove(one(viewer, ATLAS))
    assert callbacks(viewer) == before
    assert added > {layer.name for layer in viewer.layers}
    viewer.theme = "light"
    compared.attach()
    viewer.theme = "dark"
    compared.weights.pair_clicked.emit(0, 1)
    assert one(viewer, DIFFERENCE).visible


def test_closing_while_it_computes_lets_the_main_dock_go_on(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    main, before = compared.main.dock, list(viewer.layers)
    gate = Gate(main.network_control.opened.network)
    qtbot.mouseClick(compared.atlas.row.button, Qt.MouseButton.LeftButton)
    wait(qtbot, gate.reached.is_set)
    compared.close()
    gate.open()
    assert main.run.button.isEnabled()
    main.run.button.click()
    wait_idle(qtbot, main)
    assert not list(own_layers(viewer, ATLAS))
    assert set(before) < set(viewer.layers)


def test_plots_take_the_colours_of_the_theme(
    compared: ComparisonWidget, viewer: Any, qtbot: Any
) -> None:
    run(qtbot, compared, compared.weights)
    colours = []
    for theme in ("dark", "light"):
        viewer.theme = theme
        axes = compared.weights.channels.figure.axes[0]
        colours.append(axes.xaxis.label.get_color())
    assert colours[0] != colours[1]
    assert colours[1] == compared.weights.channels.text_colour


def test_the_wheel_on_a_plot_is_left_to_the_dock(compared: ComparisonWidget, qtbot: Any) -> None:
    """matplotlib would take it and do nothing; Qt hands on what is not accepted."""
    run(qtbot, compared, compared.weights)
    canvas, middle = compared.weights.similarity.canvas, QPointF(50, 50)
    event = QWheelEvent(
        middle,
        canvas.mapToGlobal(middle),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    event.accept()
    QApplication.sendEvent(canvas, event)
    assert not event.isAccepted()
