"""Result layers: added, updated in place, and never the user's."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_seggradcam.viewer.heatmaps import ResultSettings, colour_scale
from napari_seggradcam.viewer.inputs import InputPlan, plan_input
from napari_seggradcam.viewer.ownership import METADATA_KEY, mark, marker_of, own_layers, seal
from napari_seggradcam.viewer.placement import transform_of
from napari_seggradcam.viewer.results import ResultLayers

from .conftest import LAYERS, MakeExplanation

SHAPE = (16, 24)
BOTTLENECK = "bottleneck relu 2"


@pytest.fixture
def plan(viewer: ViewerModel) -> InputPlan:
    layer = viewer.add_image(np.zeros(SHAPE), name="cells", units=("um", "um"), scale=(2, 3))
    return plan_input(layer, viewer.dims, 2, 1)


class Runs:
    """Runs as the dock makes them."""

    def __init__(self, viewer: ViewerModel, plan: InputPlan, make: MakeExplanation) -> None:
        self.viewer, self.plan, self.make = viewer, plan, make
        self.results = ResultLayers(viewer)

    def run(self, run_id: str, *, keep: bool = False, names: tuple[str, ...] = (*LAYERS,)) -> None:
        explanation = self.make(SHAPE, {n: LAYERS[n] for n in names}, seed=len(run_id))
        self.results.start(run_id, keep)
        for name in names:
            self.results.add_heatmap(explanation, name, self.plan, run_id)
        self.results.add_region(explanation, self.plan, run_id)
        self.results.finish(run_id)

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]


@pytest.fixture
def runs(viewer: ViewerModel, plan: InputPlan, make_explanation: MakeExplanation) -> Runs:
    return Runs(viewer, plan, make_explanation)


def test_a_run_adds_a_layer_per_network_layer_and_an_outline(runs: Runs) -> None:
    runs.run("1")
    assert runs.names == ["cells", *(f"nucleus · {name}" for name in LAYERS), "nucleus · region"]
    layer = runs.results.heatmaps()[BOTTLENECK]
    assert layer.data.shape == (4, 6)
    assert layer.data.dtype == np.float32
    assert (layer.data >= 0).all()
    assert layer.contrast_limits == [0, layer.data.max()]
    assert layer.colormap.name == "inferno"
    outline = runs.viewer.layers["nucleus · region"]
    assert outline.contour > 0
    np.testing.assert_array_equal(outline.data.sum(), 12)


def test_metadata_say_where_a_heatmap_comes_from(runs: Runs) -> None:
    runs.run("1")
    marker = runs.results.heatmaps()[BOTTLENECK].metadata[METADATA_KEY]
    assert marker["run_id"] == "1"
    assert marker["network_layer"] == BOTTLENECK
    assert marker["record"]["question"]["class"] == "nucleus"
    assert marker["region_size"] == 12


def test_only_the_first_heatmap_is_visible_and_the_selection_stays(runs: Runs) -> None:
    runs.run("1")
    visible = [layer.visible for layer in runs.results.heatmaps().values()]
    assert visible == [True, False, False]
    assert runs.viewer.layers.selection.active.name == "cells"


def test_all_zero_heatmap_has_valid_limits() -> None:
    assert colour_scale(0.0) == (0.0, 1.0)


def test_second_run_updates_in_place(runs: Runs) -> None:
    runs.run("1")
    before = runs.results.heatmaps()
    first = before[BOTTLENECK].data.copy()
    before[BOTTLENECK].colormap, before[BOTTLENECK].opacity = "viridis", 0.3
    runs.run("22")
    after = runs.results.heatmaps()
    assert after[BOTTLENECK] == before[BOTTLENECK]
    assert len(runs.viewer.layers) == 5
    assert not np.array_equal(after[BOTTLENECK].data, first)
    assert after[BOTTLENECK].contrast_limits == [0, after[BOTTLENECK].data.max()]
    assert (after[BOTTLENECK].colormap.name, after[BOTTLENECK].opacity) == ("viridis", 0.3)
    assert after[BOTTLENECK].metadata[METADATA_KEY]["run_id"] == "22"


def test_update_moves_with_the_image(runs: Runs) -> None:
    runs.run("1")
    image = runs.viewer.layers["cells"]
    image.rotate, image.translate = 30, (5, 6)
    runs.plan = plan_input(image, runs.viewer.dims, 2, 1)
    runs.run("2")
    mine = transform_of(runs.viewer.layers["nucleus · region"])
    for name in ("scale", "translate", "rotate", "shear", "affine"):
        np.testing.assert_allclose(mine[name], transform_of(image)[name])
    assert mine["units"] == image.units


def test_update_to_an_image_of_other_axes(runs: Runs) -> None:
    runs.run("1")
    stack = runs.viewer.add_image(np.zeros((4, *SHAPE)), name="stack", units=("um",) * 3)
    runs.viewer.dims.set_current_step(0, 2)
    runs.plan = plan_input(stack, runs.viewer.dims, 2, 1)
    runs.run("2")
    assert len(runs.viewer.layers) == 6
    layer = runs.results.heatmaps()[BOTTLENECK]
    assert layer.data.shape == (1, 4, 6)
    assert layer.data_to_world((0, 0, 0))[0] == 2


def test_second_run_may_keep_the_first(runs: Runs) -> None:
    runs.run("1")
    first = runs.results.heatmaps()
    runs.run("2", keep=True)
    assert len(runs.viewer.layers) == 9
    assert not any(new == old for new in runs.results.heatmaps().values() for old in first.values())
    runs.run("3")
    assert len(runs.viewer.layers) == 9
    assert first[BOTTLENECK].metadata[METADATA_KEY]["run_id"] == "1"
    assert runs.results.heatmaps()[BOTTLENECK].metadata[METADATA_KEY]["run_id"] == "3"


def test_what_the_new_question_did_not_ask_is_removed(runs: Runs) -> None:
    runs.run("1")
    runs.run("2", names=(BOTTLENECK,))
    assert runs.names == ["cells", f"nucleus · {BOTTLENECK}", "nucleus · region"]


def test_older_questions_never_overwrite_newer_ones(
    runs: Runs, make_explanation: MakeExplanation
) -> None:
    runs.run("1")
    late = make_explanation(SHAPE, factor=99.0)
    runs.results.start("2")
    assert runs.results.add_heatmap(late, BOTTLENECK, runs.plan, "1") is None
    assert runs.results.add_region(late, runs.plan, "1") is None
    runs.results.finish("1")
    assert runs.results.heatmaps()[BOTTLENECK].data.max() < 50
    assert len(runs.viewer.layers) == 5


def rename(layer: Image) -> None:
    layer.name = "mine now"


def replace_data(layer: Image) -> None:
    layer.data = layer.data + 1


def edit_data(layer: Image) -> None:
    layer.data[0, 0] += 1


def unmark(layer: Image) -> None:
    layer.metadata = {}


@pytest.mark.parametrize("touch", [rename, replace_data, edit_data, unmark])
def test_layers_that_the_user_touched_are_left_alone(runs: Runs, touch: object) -> None:
    runs.run("1")
    layer = runs.results.heatmaps()[BOTTLENECK]
    touch(layer)
    name, data = layer.name, layer.data.copy()
    runs.run("2")
    assert layer in runs.viewer.layers
    assert layer.name == name
    np.testing.assert_array_equal(layer.data, data)
    assert runs.results.heatmaps()[BOTTLENECK] != layer
    assert runs.results.clear() == 4
    assert runs.names == ["cells", name]


def test_painted_outline_belongs_to_the_user(runs: Runs) -> None:
    runs.run("1")
    outline = runs.viewer.layers["nucleus · region"]
    outline.paint((10, 10), 1)
    runs.run("2")
    assert runs.results.clear() == 4
    assert outline in runs.viewer.layers


def test_duplicates_and_namesakes_belong_to_the_user(runs: Runs) -> None:
    runs.run("1")
    layer = runs.results.heatmaps()[BOTTLENECK]
    copy = Image(layer.data, name="copy", metadata=dict(layer.metadata))
    runs.viewer.add_layer(copy)
    namesake = runs.viewer.add_image(np.zeros(SHAPE), name="nucleus · decoder 9")
    runs.run("2")
    runs.results.clear()
    assert runs.names == ["cells", "copy", namesake.name]


def test_a_dock_that_comes_back_finds_its_layers(runs: Runs) -> None:
    runs.run("1")
    runs.results = ResultLayers(runs.viewer)
    assert set(runs.results.heatmaps()) == set(LAYERS)
    runs.run("2")
    assert len(runs.viewer.layers) == 5


def test_a_layer_deleted_between_runs_comes_back(runs: Runs) -> None:
    runs.run("1")
    runs.viewer.layers.remove(runs.results.heatmaps()[BOTTLENECK])
    runs.run("2")
    assert set(runs.results.heatmaps()) == set(LAYERS)
    assert runs.names[-1] == "nucleus · region"


def test_restyle_changes_all_heatmaps_of_the_last_run(runs: Runs) -> None:
    runs.run("1")
    runs.results.restyle(ResultSettings("magma", 0.25, "additive"))
    for layer in runs.results.heatmaps().values():
        style = layer.colormap.name, layer.opacity, layer.blending
        assert style == ("magma", 0.25, "additive")


def test_plane_of_a_stack_gets_its_heatmap_at_the_plane(
    viewer: ViewerModel, make_explanation: MakeExplanation
) -> None:
    image = viewer.add_image(np.zeros((5, *SHAPE)), scale=(4, 1, 1), rotate=(0, 0, 20))
    viewer.dims.set_current_step(0, 3)
    plan = plan_input(image, viewer.dims, 2, 1)
    results = ResultLayers(viewer)
    results.start("1")
    layer = results.add_heatmap(make_explanation(SHAPE), BOTTLENECK, plan, "1")
    assert layer.data.shape == (1, 4, 6)
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), image.data_to_world((3, 1.5, 1.5)))
    assert viewer.dims.ndim == 3


def test_marks_hold_only_once_sealed() -> None:
    layer = mark(Labels(np.zeros((4, 4), int), name="x"), "prediction", "prediction")
    assert marker_of(layer) is None
    seal(layer)
    assert marker_of(layer)["kind"] == "prediction"


def test_own_layers_are_found_by_kind_and_facts(runs: Runs) -> None:
    runs.run("1")
    assert len(list(own_layers(runs.viewer))) == 4
    assert len(list(own_layers(runs.viewer, "heatmap"))) == 3
    (found,) = own_layers(runs.viewer, "heatmap", key=BOTTLENECK)
    assert found.name == f"nucleus · {BOTTLENECK}"
