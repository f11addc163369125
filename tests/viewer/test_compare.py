"""Compare modes: what they show, and that they leave nothing behind."""

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.explain.explanation import Explanation, Heatmap
from napari_seggradcam.viewer import mosaic
from napari_seggradcam.viewer.compare import GRID_LAYERS, Compare
from napari_seggradcam.viewer.heatmaps import ResultSettings
from napari_seggradcam.viewer.inputs import ImageInput, image_input
from napari_seggradcam.viewer.ownership import own_layers
from napari_seggradcam.viewer.placement import layer_grid
from napari_seggradcam.viewer.results import ResultLayers

from .conftest import LAYERS, MakeExplanation

SHAPE = (16, 24)
MANY = {f"encoder {k} relu 2": 1 + k % 3 for k in range(9)}


@pytest.fixture
def image(viewer: ViewerModel) -> ImageInput:
    data = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    layer = viewer.add_image(data, scale=(2, 3), rotate=20, units=("um", "um"), name="cells")
    return image_input(layer, viewer.dims, 2, 1)


@pytest.fixture
def explanation(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> Explanation:
    """An explanation that a run has shown, beside a layer of the user."""
    explanation = make_explanation(SHAPE)
    results = ResultLayers(viewer)
    results.start("1")
    for name in explanation:
        results.add_heatmap(explanation, name, image, "1")
    results.add_region(explanation, image, "1")
    results.finish("1")
    viewer.add_points([[3, 3]], name="user's", visible=False)
    return explanation


def enter(
    compare: Compare, mode: Any, explanation: Explanation, image: ImageInput, **style: Any
) -> int:
    """Enter a mode; return how many steps it took."""
    prepared = Compare.prepare(mode, explanation, image)
    return len(list(compare.enter(prepared, ResultSettings(**style))))


def state(viewer: ViewerModel) -> dict[str, Any]:
    """All that a mode must put back."""
    return {
        "layers": [(layer.name, layer.visible) for layer in viewer.layers],
        "active": viewer.layers.selection.active.name,
        "grid": viewer.canvas.grid.model_dump(),
        "zoom": viewer.scene.camera.zoom,
        "center": viewer.scene.camera.center,
        "point": viewer.dims.point,
        "labels": viewer.dims.axis_labels,
        "text": (viewer.canvas.overlays.text.text, viewer.canvas.overlays.text.visible),
    }


def views(viewer: ViewerModel) -> list[Any]:
    return list(own_layers(viewer, "view"))


def test_grid_has_image_heatmap_and_outline_in_every_cell(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare = Compare(viewer)
    assert enter(compare, "grid", explanation, image, colormap="magma") == 9
    assert (compare.mode, compare.wants_reset_view) == ("grid", True)
    grid = viewer.canvas.grid
    assert (grid.enabled, grid.stride) == (True, 3)
    for cell, name in enumerate(LAYERS):
        picture, heat, outline = viewer.layers[3 * cell : 3 * cell + 3]
        assert np.shares_memory(picture.data, image.array)
        np.testing.assert_array_equal(heat.data, explanation[name].heatmap)
        assert heat.contrast_limits == [0, explanation[name].heatmap.max()]
        assert heat.colormap.name == "magma"
        np.testing.assert_array_equal(outline.data > 0, explanation.region)
        assert outline.contour > 0
        places = {grid.position(3 * cell + k, viewer.layers) for k in range(3)}
        assert len(places) == 1
    outlines = [layer.data for layer in viewer.layers[2:9:3]]
    assert all(np.shares_memory(outlines[0], other) for other in outlines)
    assert not any(layer.visible for layer in viewer.layers[9:])


def test_more_than_napari_draws_fast_becomes_a_mosaic(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    compare = Compare(viewer)
    many = make_explanation(SHAPE, MANY)
    assert 3 * len(many) > GRID_LAYERS
    enter(compare, "grid", many, image)
    assert not viewer.canvas.grid.enabled
    assert len(views(viewer)) == 4
    assert [type(layer).__name__ for layer in views(viewer)] == [
        "Image",
        "Image",
        "Labels",
        "Points",
    ]
    few = make_explanation(SHAPE, dict(list(MANY.items())[: GRID_LAYERS // 3]))
    enter(compare, "grid", few, image)
    assert viewer.canvas.grid.enabled
    assert len(views(viewer)) == GRID_LAYERS


def test_mosaic_tiles_lie_on_the_image_and_read_in_raw_units(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    many = make_explanation(SHAPE, MANY, factor=1e-4)
    compare = Compare(viewer)
    prepared = Compare.prepare("grid", many, image)
    for _ in compare.enter(prepared):
        pass
    mosaic = prepared.content
    picture, heat, outline, names = views(viewer)
    assert heat.contrast_limits == [0, 1]
    assert list(names.features["name"]) == list(MANY)
    for (row, column), name in zip(mosaic.tiling.corners, MANY, strict=True):
        tile = (slice(row, row + 16), slice(column, column + 24))
        resized = many[name].resized()
        np.testing.assert_array_equal(picture.data[tile], image.array)
        largest = many[name].heatmap.max()
        np.testing.assert_allclose(heat.data[tile] * largest, resized, rtol=1e-6)
        np.testing.assert_array_equal(outline.data[tile] > 0, many.region)
        world = heat.data_to_world((row + 5, column + 7))
        viewer.cursor.position = tuple(world)
        said = viewer.canvas.overlays.text.text
        assert said.startswith(f"{name}: {resized[5, 7]:.3g} (largest")
        assert compare.pixel_at(image, world) == (5, 7)
    np.testing.assert_allclose(layer_grid(heat).affine, layer_grid(image.layer).affine)
    outside = tuple(heat.data_to_world((-9, -9)))
    viewer.cursor.position = outside
    assert not viewer.canvas.overlays.text.visible
    assert compare.pixel_at(image, outside) is None
    compare.leave()
    last = heat.data_to_world(mosaic.tiling.corners[-1] + 3)
    assert compare.pixel_at(image, last) is None  # no mosaic there any more


def test_stack_has_raw_values_and_a_colour_scale_per_step(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare = Compare(viewer)
    assert enter(compare, "stack", explanation, image) == 1
    assert not compare.wants_reset_view
    (stack,) = views(viewer)
    assert viewer.dims.axis_labels[0] == "network layer"
    for step, name in enumerate(LAYERS):
        compare.show_only(name)
        assert viewer.dims.current_step[0] == step
        resized = explanation[name].resized()
        np.testing.assert_array_equal(stack.data[step], resized)
        assert stack.contrast_limits == pytest.approx([0, explanation[name].heatmap.max()])
        assert viewer.canvas.overlays.text.text.startswith(name)
        world = stack.data_to_world((step, 5, 7))
        assert stack.get_value(world, world=True) == resized[5, 7]
        np.testing.assert_allclose(world[1:], image.layer.data_to_world((5, 7)))
    assert viewer.layers.index(stack) < viewer.layers.index(viewer.layers["nucleus · region"])


@pytest.mark.parametrize("mode", ["grid", "stack", "mosaic"])
def test_leaving_puts_everything_back(
    viewer: ViewerModel,
    image: ImageInput,
    explanation: Explanation,
    make_explanation: MakeExplanation,
    mode: str,
) -> None:
    viewer.scene.camera.zoom, viewer.scene.camera.center = 3.5, (0.0, 4.0, 5.0)
    viewer.canvas.overlays.text.text = "user's words"
    before = state(viewer)
    compare = Compare(viewer)
    shown = make_explanation(SHAPE, MANY) if mode == "mosaic" else explanation
    enter(compare, "stack" if mode == "stack" else "grid", shown, image)
    viewer.scene.camera.zoom = 9.0
    compare.leave()
    assert state(viewer) == before
    assert compare.mode == "overlay"
    viewer.cursor.position = (7.0, 7.0)
    assert state(viewer) == before
    compare.leave()
    assert state(viewer) == before


@pytest.mark.parametrize("mode", ["grid", "stack", "mosaic"])
def test_another_answer_changes_the_layers_that_are_there(
    viewer: ViewerModel,
    image: ImageInput,
    explanation: Explanation,
    make_explanation: MakeExplanation,
    mode: str,
) -> None:
    """The same layers with other data, looks and view as the user left them."""
    before = state(viewer)
    layers = MANY if mode == "mosaic" else LAYERS
    word = "stack" if mode == "stack" else "grid"
    region = np.zeros(SHAPE, bool)
    region[9:12, 9:12] = True
    answers = [
        make_explanation(SHAPE, layers),
        make_explanation(SHAPE, layers, region=region, factor=7, seed=1),
    ]
    compare, alone = Compare(viewer), ViewerModel()
    enter(compare, word, answers[0], image)
    shown = views(viewer)
    heat = shown[0] if mode == "stack" else shown[1]  # above the image
    heat.colormap = "viridis"
    viewer.scene.camera.zoom = 9.0
    if mode == "stack":
        viewer.dims.set_current_step(0, 1)
    enter(compare, word, answers[1], image)
    assert views(viewer) == shown
    assert not compare.wants_reset_view
    assert viewer.scene.camera.zoom == 9.0
    assert heat.colormap.name == "viridis"
    enter(Compare(alone), word, answers[1], image)
    for old, new in zip(shown, views(alone), strict=True):
        np.testing.assert_array_equal(old.data, new.data)
        if hasattr(new, "features"):
            assert old.features.equals(new.features)
    if mode == "stack":
        assert viewer.dims.current_step[0] == 1
        largest = list(answers[1].values())[1].heatmap.max()
        assert heat.contrast_limits == pytest.approx([0, largest])
        assert f"{largest:.3g}" in viewer.canvas.overlays.text.text
    compare.leave()
    assert state(viewer) == before


def test_an_answer_of_another_kind_builds_the_mode_anew(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    compare = Compare(viewer)
    enter(compare, "grid", make_explanation(SHAPE, MANY), image)
    shown = views(viewer)
    viewer.layers.remove(shown[-1])
    enter(compare, "grid", make_explanation(SHAPE, MANY), image)
    assert len(views(viewer)) == 4
    assert not set(views(viewer)) & set(shown)
    fewer = dict(list(MANY.items())[1:])
    enter(compare, "grid", make_explanation(SHAPE, fewer), image)
    assert list(views(viewer)[-1].features["name"]) == list(fewer)


def test_from_mode_to_mode_and_back(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    before = state(viewer)
    compare = Compare(viewer)
    for mode in ("grid", "stack", "grid", "overlay"):
        enter(compare, mode, explanation, image)
        assert compare.mode == mode
    assert state(viewer) == before


def test_a_mode_that_is_left_on_the_way_in_adds_nothing_more(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    before = state(viewer)
    compare = Compare(viewer)
    steps = compare.enter(Compare.prepare("grid", explanation, image))
    next(steps)
    next(steps)
    compare.leave()
    assert list(steps) == []
    assert state(viewer) == before


def test_layers_that_come_and_go_in_a_mode(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare = Compare(viewer)
    enter(compare, "grid", explanation, image)
    viewer.layers.remove("user's")
    views(viewer)[0].name = "kept by the user"
    mine = viewer.add_labels(np.zeros(SHAPE, int), name="drawn meanwhile")
    compare.leave()
    assert mine in viewer.layers
    assert mine.visible
    assert "kept by the user" in viewer.layers
    assert not views(viewer)


def test_overlay_shows_one_result_layer_or_all(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare = Compare(viewer)
    heatmaps = ResultLayers(viewer).heatmaps()
    for name in LAYERS:
        compare.show_only(name)
        assert [key for key, layer in heatmaps.items() if layer.visible] == [name]
    compare.show_only(None)
    assert all(layer.visible for layer in heatmaps.values())


def test_stack_in_a_viewer_with_more_axes_than_the_image(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    viewer.add_image(np.zeros((5, *SHAPE)), units=("um",) * 3, name="volume")
    viewer.dims.set_current_step(0, 2)
    compare = Compare(viewer)
    enter(compare, "stack", explanation, image)
    (stack,) = views(viewer)
    assert stack.data.shape == (3, 1, *SHAPE)
    assert viewer.dims.ndim == 4
    np.testing.assert_allclose(stack.data_to_world((1, 0, 0, 0))[:2], (1, 2))
    compare.leave()
    assert viewer.dims.current_step[0] == 2


@pytest.fixture
def volume(viewer: ViewerModel) -> ImageInput:
    data = np.random.default_rng(0).random((6, *SHAPE), np.float32)
    layer = viewer.add_image(data, name="volume", scale=(2, 1, 1))
    viewer.dims.set_current_step(0, 4)
    return image_input(layer, viewer.dims, 3, 1)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of all that was brought to the image's grid."""
    whole, shapes = Heatmap.resized, []

    def resized(heatmap: Heatmap, *what: Any) -> Any:
        found = whole(heatmap, *what)
        shapes.append(found.shape)
        return found

    monkeypatch.setattr(Heatmap, "resized", resized)
    return shapes


def test_stack_of_a_volume_makes_the_plane_that_is_looked_at(
    viewer: ViewerModel, volume: ImageInput, make_explanation: MakeExplanation, made: list[Any]
) -> None:
    """All network layers of a volume at once may take more memory than there is."""
    explanation = make_explanation(volume.shape)
    compare = Compare(viewer)
    enter(compare, "stack", explanation, volume)
    (stack,) = views(viewer)
    compare.show_only("bottleneck relu 2")
    assert set(made) == {(1, *SHAPE)}
    expected = explanation["bottleneck relu 2"].resized()
    np.testing.assert_array_equal(stack.data[1, 4], expected[4])
    np.testing.assert_array_equal(np.asarray(stack.data)[1], expected)
    assert stack.get_value((1, 8, 5, 7), world=True) == expected[4, 5, 7]


def test_mosaic_of_a_volume_makes_the_plane_that_is_looked_at(
    viewer: ViewerModel, volume: ImageInput, make_explanation: MakeExplanation, made: list[Any]
) -> None:
    region = np.zeros(volume.shape, np.float32)
    region[2:5, 4:12, 3:13], region[4, 2:14, 14:22] = 1, -0.5
    explanation = make_explanation(volume.shape, MANY, region=region)
    compare = Compare(viewer)
    prepared = Compare.prepare("grid", explanation, volume)
    assert made == []
    for _ in compare.enter(prepared):
        pass
    assert set(made) == {(1, *SHAPE)}
    picture, heat, outline, _names = views(viewer)
    corners = prepared.content.tiling.corners
    for (row, column), one in zip(corners, explanation.values(), strict=True):
        tile = (slice(None), slice(row, row + 16), slice(column, column + 24))
        np.testing.assert_array_equal(np.asarray(picture.data[tile]), volume.array)
        shares = one.resized() / np.float32(one.heatmap.max())
        np.testing.assert_array_equal(np.asarray(heat.data[tile]), shares)
        borders = np.asarray(outline.data[tile])
        assert set(np.unique(borders[4])) == {0, 1, 2}
        assert set(np.unique(borders[3])) == {0, 1}
        assert not borders[[0, 1, 5]].any()
        np.testing.assert_array_equal(borders[4, 6:10, 5:11], 0)
    row, column = corners[5]
    viewer.cursor.position = tuple(heat.data_to_world((4, row + 5, column + 7)))
    (name, one), _ = list(explanation.items())[5], made.clear()
    value = f"{name}: {one.resized()[4, 5, 7]:.3g} (largest"
    assert viewer.canvas.overlays.text.text.startswith(value)
    assert compare.pixel_at(volume, viewer.cursor.position) == (4, 5, 7)


def test_all_modes_on_a_plane_of_an_rgb_stack(
    viewer: ViewerModel, make_explanation: MakeExplanation
) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, 32, 40, 3), dtype=np.uint8)
    layer = viewer.add_image(colours, rgb=True, scale=(5, 1, 1))
    viewer.dims.set_current_step(0, 3)
    image = image_input(layer, viewer.dims, 2, 3)
    compare = Compare(viewer)
    for names in (LAYERS, MANY):
        explanation = make_explanation((32, 40), names)
        enter(compare, "grid", explanation, image)
        picture, heat = views(viewer)[:2]
        assert picture.rgb
        np.testing.assert_array_equal(picture.data[0, :32, :40], colours[3])
        assert heat.data_to_world((0, 0, 0))[0] == 15
    enter(compare, "stack", explanation, image)
    assert views(viewer)[0].data.shape == (9, 1, 32, 40)


def test_volume_in_all_modes(viewer: ViewerModel, make_explanation: MakeExplanation) -> None:
    layer = viewer.add_image(np.zeros((6, *SHAPE), np.float32), contrast_limits=(0, 1))
    image = image_input(layer, viewer.dims, 3, 1)
    compare = Compare(viewer)
    for names, first in ((LAYERS, (6, *SHAPE)), (MANY, (6, 52, 76))):
        enter(compare, "grid", make_explanation((6, *SHAPE), names), image)
        assert views(viewer)[0].data.shape == first
    enter(compare, "stack", make_explanation((6, *SHAPE)), image)
    assert views(viewer)[0].data.shape == (3, 6, *SHAPE)
    compare.leave()
    assert [one.name for one in viewer.layers] == [layer.name]


def test_other_values_are_those_of_a_mode_that_is_built_anew(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    signed = ResultSettings(signed=True)
    for mode, strides in (("grid", LAYERS), ("grid", MANY), ("stack", LAYERS)):
        compare = Compare(viewer)
        first, second = (make_explanation(SHAPE, strides, seed=seed) for seed in (0, 1))
        enter(compare, mode, first, image)
        layers = views(viewer)
        for settings in (ResultSettings(), signed):
            ready = Compare.prepare(mode, second, image, settings, compare.prepared)
            assert compare.show_values(ready, settings)
            assert views(viewer) == layers
            shown = [(layer.data.copy(), layer.name) for layer in layers if layer.name]
            limits = [layer.contrast_limits for layer in layers if hasattr(layer, "gamma")]
            compare.leave()
            list(compare.enter(Compare.prepare(mode, second, image, settings), settings))
            layers = views(viewer)
            for (data, name), layer in zip(shown, layers, strict=True):
                np.testing.assert_array_equal(data, layer.data)
                assert name == layer.name
            assert limits == [layer.contrast_limits for layer in layers if hasattr(layer, "gamma")]
        compare.leave()


def test_values_are_not_shown_before_somebody_says_so(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    """They are made in a thread, while napari may be drawing."""
    compare, alone = Compare(viewer), Compare(ViewerModel())
    first, second = (make_explanation(SHAPE, MANY, seed=seed) for seed in (0, 1))
    enter(compare, "grid", first, image)
    heat = views(viewer)[1]
    before = heat.data.copy()
    ready = Compare.prepare("grid", second, image, like=compare.prepared)
    np.testing.assert_array_equal(heat.data, before)
    expected = Compare.prepare("grid", second, image).content.shares
    assert not np.array_equal(before, expected)
    list(alone.enter(ready))
    np.testing.assert_array_equal(views(alone._viewer)[1].data, expected)


def test_two_arrays_of_a_mosaic_take_turns(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    """Getting one for every answer would take longer than all the rest."""
    compare = Compare(viewer)
    answers = [make_explanation(SHAPE, MANY, seed=seed) for seed in range(5)]
    enter(compare, "grid", answers[0], image)
    heat = views(viewer)[1]
    used = {id(compare.prepared.content.shares)}
    for answer in answers[1:]:
        assert compare.show_values(Compare.prepare("grid", answer, image, like=compare.prepared))
        used.add(id(compare.prepared.content.shares))
        assert np.shares_memory(heat.data, compare.prepared.content.shares)
        expected = Compare.prepare("grid", answer, image).content.shares
        np.testing.assert_array_equal(heat.data, expected)
    assert len(used) == 2


def test_answers_that_come_at_once_have_an_array_each(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    """Somebody may choose again before an answer is shown; its thread goes on."""
    compare = Compare(viewer)
    answers = [make_explanation(SHAPE, MANY, seed=seed) for seed in range(4)]
    enter(compare, "grid", answers[0], image)
    compare.show_values(Compare.prepare("grid", answers[1], image, like=compare.prepared))
    both = [Compare.prepare("grid", one, image, like=compare.prepared) for one in answers[2:]]
    for ready, answer in zip(both, answers[2:], strict=True):
        expected = Compare.prepare("grid", answer, image).content.shares
        np.testing.assert_array_equal(ready.content.shares, expected)


def test_tiles_are_filled_in_bands(
    image: ImageInput, make_explanation: MakeExplanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = make_explanation(SHAPE, MANY)
    expected = Compare.prepare("grid", explanation, image).content.shares
    monkeypatch.setattr(mosaic, "_BAND", 5)
    found = Compare.prepare("grid", explanation, image).content.shares
    np.testing.assert_array_equal(found, expected)


def test_the_reading_is_that_of_the_values_that_are_shown(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    compare = Compare(viewer)
    first, second = (make_explanation(SHAPE, MANY, seed=seed) for seed in (0, 1))
    enter(compare, "grid", first, image)
    heat, text, (name, *_) = views(viewer)[1], viewer.canvas.overlays.text, MANY
    viewer.cursor.position = tuple(heat.data_to_world((5, 7)))
    compare.show_values(Compare.prepare("grid", second, image, like=compare.prepared))
    assert text.text.startswith(f"{name}: {second[name].resized()[5, 7]:.3g} (largest")


def test_a_mode_in_the_place_of_another_waits_for_the_drawing(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    """Else a mosaic in a mosaic's place has ended napari, within OpenGL."""
    compare = Compare(viewer)
    enter(compare, "grid", make_explanation(SHAPE, MANY), image)
    steps = compare.enter(Compare.prepare("grid", make_explanation(SHAPE, LAYERS), image))
    for _ in range(3):
        next(steps)
        assert views(viewer) == []
    next(steps)
    assert len(views(viewer)) == 1


def test_other_values_of_a_volume(
    viewer: ViewerModel, volume: ImageInput, make_explanation: MakeExplanation
) -> None:
    first, second = (make_explanation(volume.shape, MANY, seed=seed) for seed in (0, 1))
    for mode in ("grid", "stack"):
        compare = Compare(viewer)
        enter(compare, mode, first, volume)
        ready = Compare.prepare(mode, second, volume, like=compare.prepared)
        assert compare.show_values(ready)
        heat = views(viewer)[mode == "grid"]
        fresh = Compare.prepare(mode, second, volume).content
        values = fresh.shares if mode == "grid" else fresh.values
        np.testing.assert_array_equal(np.asarray(heat.data), np.asarray(values))
        compare.leave()


def test_values_of_other_network_layers_can_not_be_shown(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    compare = Compare(viewer)
    enter(compare, "grid", make_explanation(SHAPE), image)
    other = make_explanation(SHAPE, {"bottleneck relu 2": 4})
    assert not compare.show_values(Compare.prepare("grid", other, image))


def test_a_mosaic_outlines_both_sides_of_a_region(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    region = np.zeros(SHAPE, np.float32)
    region[2:5, 3:7], region[9:14, 10:20] = 1, -1
    compare = Compare(viewer)
    enter(compare, "grid", make_explanation(SHAPE, MANY, region=region), image)
    outline = next(layer for layer in views(viewer) if layer.name == "mosaic · region")
    sides = np.sign(region[: SHAPE[0]])
    tile = outline.data[: SHAPE[0], : SHAPE[1]]
    assert set(np.unique(tile)) == {0, 1, 2}
    assert (sides[tile == 1] == 1).all()
    assert (sides[tile == 2] == -1).all()


def seen(viewer: ViewerModel, stack: Any, explanation: Explanation) -> str:
    """Network layer whose values the stack shows; "" for none."""
    pixels = [(1, 2), (5, 7), (8, 20), (12, 11), (14, 3), (3, 16), (10, 5)]
    corner = (0,) * (stack.ndim - 2)
    shown = [stack.get_value(stack.data_to_world((*corner, *at)), world=True) for at in pixels]
    for name, one in explanation.items():
        if shown == [one.resized()[at] for at in pixels]:
            return name
    return ""


@pytest.mark.parametrize(
    ("shape", "scale"),
    [((20, *SHAPE), (0.5, 1, 1)), ((2, *SHAPE), (1, 1, 1)), ((3, 4, *SHAPE), (1, 1, 1, 1))],
    ids=["half steps", "fewer planes", "more axes"],
)
def test_a_stack_says_what_it_shows_whatever_axes_other_layers_bring(
    viewer: ViewerModel,
    image: ImageInput,
    make_explanation: MakeExplanation,
    shape: tuple[int, ...],
    scale: tuple[float, ...],
) -> None:
    explanation, other = (make_explanation(SHAPE, MANY, seed=seed) for seed in (0, 1))
    compare, stepped = Compare(viewer), []
    compare.stepped.connect(stepped.append)
    enter(compare, "stack", explanation, image)
    (stack,) = views(viewer)
    text = viewer.canvas.overlays.text
    viewer.add_image(np.zeros(shape, np.float32), scale=scale, contrast_limits=(0, 1))
    axis = viewer.dims.ndim - stack.ndim
    for name in MANY:
        compare.show_only(name)
        assert seen(viewer, stack, explanation) == name
        assert text.text.startswith(f"{name} · ")
        largest = explanation[name].heatmap.max()
        assert stack.contrast_limits == pytest.approx([0, largest])
    names = set()
    for step in range(int(viewer.dims.nsteps[axis])):
        viewer.dims.set_current_step(axis, step)
        name = seen(viewer, stack, explanation)
        assert stepped[-1] == name
        assert (text.text.split(" · ")[0] if text.visible else "") == name
        names.add(name)
    assert names - {""} == set(MANY)
    compare.show_only("encoder 4 relu 2")
    assert compare.show_values(Compare.prepare("stack", other, image))
    assert seen(viewer, stack, other) == "encoder 4 relu 2"
    assert f"{other['encoder 4 relu 2'].heatmap.max():.3g}" in text.text


def test_a_stack_begins_with_the_network_layer_that_is_chosen(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare = Compare(viewer)
    compare.show_only("bottleneck relu 2")
    enter(compare, "stack", explanation, image)
    assert viewer.dims.current_step[0] == 1
    assert viewer.canvas.overlays.text.text.startswith("bottleneck")
    viewer.dims.set_current_step(0, 2)
    assert compare.chosen == "decoder 0 relu 2"


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_stack_that_is_seen_as_a_volume_says_no_network_layer(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation
) -> None:
    compare, stepped = Compare(viewer), []
    compare.stepped.connect(stepped.append)
    enter(compare, "stack", explanation, image)
    compare.show_only("bottleneck relu 2")
    text = viewer.canvas.overlays.text
    for change, back in (
        ({"ndisplay": 3}, {"ndisplay": 2}),
        ({"order": (1, 0, 2)}, {"order": (0, 1, 2)}),
    ):
        viewer.dims.update(change)
        assert (text.visible, stepped[-1]) == (False, "")
        viewer.dims.update(back)
        assert text.text.startswith("bottleneck")
        assert stepped[-1] == compare.chosen == "bottleneck relu 2"


@pytest.mark.parametrize("axis_stays", [False, True])
def test_the_caption_goes_with_the_stack(
    viewer: ViewerModel, image: ImageInput, explanation: Explanation, axis_stays: bool
) -> None:
    text = viewer.canvas.overlays.text
    text.text, text.visible = "user's words", True
    compare = Compare(viewer)
    enter(compare, "stack", explanation, image)
    assert text.text.startswith("encoder")
    if axis_stays:
        viewer.add_image(np.zeros((5, *SHAPE), np.float32), contrast_limits=(0, 1))
    viewer.layers.remove(views(viewer)[0])
    assert (text.text, text.visible) == ("user's words", True)
    enter(compare, "stack", explanation, image)
    views(viewer)[0].name = "kept by the user"
    viewer.dims.set_current_step(0, 2)
    assert text.text == "user's words"


def test_the_reading_leaves_the_users_words(
    viewer: ViewerModel, image: ImageInput, make_explanation: MakeExplanation
) -> None:
    compare = Compare(viewer)
    first, second = (make_explanation(SHAPE, MANY, seed=seed) for seed in (0, 1))
    enter(compare, "grid", first, image)
    heat, text = views(viewer)[1], viewer.canvas.overlays.text
    viewer.cursor.position = tuple(heat.data_to_world((5, 7)))
    text.text, text.visible = "user's words", True
    compare.show_values(Compare.prepare("grid", second, image, like=compare.prepared))
    assert text.text == "user's words"
    viewer.cursor.position = tuple(heat.data_to_world((5, 8)))
    assert text.text.startswith("encoder 0")
    viewer.cursor.position = tuple(heat.data_to_world((-9, -9)))
    assert (text.text, text.visible) == ("user's words", True)
    compare.leave()
    assert (text.text, text.visible) == ("user's words", True)


def test_names_of_a_mosaic_stand_in_their_tiles_in_2d_and_3d(
    viewer: ViewerModel, volume: ImageInput, make_explanation: MakeExplanation
) -> None:
    """In 3D napari centres text, whatever its anchor, and volumes hide what is behind them."""
    explanation, compare = make_explanation(volume.shape, MANY), Compare(viewer)
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        prepared = Compare.prepare("grid", explanation, volume)
        for _ in compare.enter(prepared):
            pass
        names, tiling = views(viewer)[-1], prepared.content.tiling
        assert names.text.blending == "translucent_no_depth"
        for shown in (ndisplay, 5 - ndisplay, ndisplay):
            viewer.dims.ndisplay = shown
            within = names.data - tiling.corners
            if shown == 2:
                np.testing.assert_array_equal(within, 0)
            else:
                np.testing.assert_allclose(within[:, 1], tiling.tile[1] / 2)
                assert (within[:, 0] > 0).all()
                assert (within[:, 0] < tiling.tile[0] / 4).all()
        compare.leave()
