"""Comparisons as layers: where they lie, their colours, and whose they are."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_seggradcam.viewer.comparison_layers import (
    CLUSTERS,
    DIFFERENCE,
    FEATURE_MAP,
    atlas_layer,
    cluster_colours,
    cluster_layer,
    difference_layer,
    feature_map_layer,
    pair_layer,
    put_alone,
)
from napari_seggradcam.viewer.inputs import ImageInput, plan_input
from napari_seggradcam.viewer.ownership import own_layers
from napari_seggradcam.viewer.results import ResultLayers

SHAPE = (16, 24)
PLACE = ((4.0, 4.0), (1.5, 1.5))


@pytest.fixture
def image(viewer: ViewerModel) -> ImageInput:
    """Plane 2 of a stack with units and an uneven scale."""
    layer = viewer.add_image(
        np.zeros((3, *SHAPE)), name="cells", units=("um",) * 3, scale=(5, 2, 3)
    )
    viewer.dims.set_current_step(0, 2)
    return plan_input(layer, viewer.dims, 2, 1).read()


@pytest.fixture
def results(viewer: ViewerModel) -> ResultLayers:
    return ResultLayers(viewer)


def values(seed: int = 0, low: float = -1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, 3, (4, 6)).astype(np.float32)


def clusters() -> np.ndarray:
    """Clusters 1 and 2, and two cells without any."""
    found = np.ones((4, 6), np.intp)
    found[2:], found[0, :2] = 2, 0
    return found


def check_place(layer: Layer) -> None:
    """Position (i, j) of a map of stride 4 lies on pixel 4 i + 1.5, in plane 2."""
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), (10, 2 * 1.5, 3 * 1.5))
    np.testing.assert_allclose(layer.data_to_world((0, 1, 1)), (10, 2 * 5.5, 3 * 5.5))
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3


def test_every_comparison_lies_on_the_image(image: ImageInput) -> None:
    colours = np.random.default_rng(0).uniform(0, 1, (4, 6, 3))
    check_place(feature_map_layer(values(), PLACE, image, "conv", 3))
    check_place(difference_layer(values(), PLACE, image, ("a", "b"), "conv"))
    check_place(atlas_layer(colours, np.ones((4, 6), bool), PLACE, image, "conv"))
    check_place(cluster_layer(clusters(), ("#ff0000", "#00ff00"), PLACE, image, "conv"))


def test_differences_are_symmetric_about_zero(image: ImageInput) -> None:
    layer = difference_layer(values(), PLACE, image, ("label 1", "label 2"), "conv")
    low, high = layer.contrast_limits
    assert low == -high == -np.abs(values()).max()
    assert layer.colormap.name == "coolwarm"


def test_feature_maps_diverge_only_where_they_are_negative(image: ImageInput) -> None:
    signed = feature_map_layer(values(), PLACE, image, "conv", 3)
    assert tuple(signed.contrast_limits) == (-np.abs(values()).max(), np.abs(values()).max())
    positive = feature_map_layer(values(low=0), PLACE, image, "relu", 3)
    assert tuple(positive.contrast_limits) == (0, values(low=0).max())
    assert positive.colormap.name != signed.colormap.name


def test_the_second_of_a_pair_is_seen_where_both_are(image: ImageInput) -> None:
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[2:6, 2:6], second[5:8, 5:8] = True, True
    layer = pair_layer(first, second, image, ("label 1", "label 2"))
    np.testing.assert_array_equal(layer.data[0] == 2, second)
    np.testing.assert_array_equal(layer.data[0] > 0, first | second)
    assert layer.contour > 0


def test_an_atlas_has_its_colours_and_nothing_where_no_weights_are(image: ImageInput) -> None:
    colours = np.random.default_rng(0).uniform(0, 1, (4, 6, 3)).astype(np.float32)
    there = clusters() > 0
    layer = atlas_layer(colours, there, PLACE, image, "conv")
    assert layer.rgb
    np.testing.assert_array_equal(layer.data[0, ..., :3], colours)
    np.testing.assert_array_equal(layer.data[0, ..., 3], there)


def test_clusters_have_the_mean_colour_of_their_cells() -> None:
    colours = np.zeros((4, 6, 3))
    colours[clusters() == 1] = 1, 0, 0.2
    colours[clusters() == 2] = 0, 1, 0.4
    assert cluster_colours(clusters(), colours) == ("#ff0033", "#00ff66")


def test_one_layer_shows_one_feature_map_after_another(
    viewer: ViewerModel, image: ImageInput, results: ResultLayers
) -> None:
    first = put_alone(results, feature_map_layer(values(1), PLACE, image, "conv", 3))
    first.colormap = "magma"
    again = put_alone(results, feature_map_layer(values(2), PLACE, image, "conv", 5))
    assert again is first
    np.testing.assert_array_equal(first.data[0], values(2))
    assert first.name == "conv · channel 5"
    assert first.colormap.name == "magma"


def test_maps_of_another_network_layer_take_the_place(
    viewer: ViewerModel, image: ImageInput, results: ResultLayers
) -> None:
    put_alone(results, difference_layer(values(), PLACE, image, ("a", "b"), "conv"))
    put_alone(results, feature_map_layer(values(), PLACE, image, "conv", 3))
    put_alone(results, feature_map_layer(values(low=0), PLACE, image, "relu", 3))
    assert [layer.name for layer in own_layers(viewer, FEATURE_MAP)] == ["relu · channel 3"]
    assert len(list(own_layers(viewer, DIFFERENCE))) == 1


def test_what_a_person_renamed_stays(
    viewer: ViewerModel, image: ImageInput, results: ResultLayers
) -> None:
    mine = put_alone(results, feature_map_layer(values(1), PLACE, image, "conv", 3))
    mine.name = "the best channel"
    put_alone(results, feature_map_layer(values(2), PLACE, image, "relu", 5))
    assert mine in viewer.layers
    np.testing.assert_array_equal(mine.data[0], values(1))


def test_an_atlas_and_its_clusters_are_updated_in_place(
    viewer: ViewerModel, image: ImageInput, results: ResultLayers
) -> None:
    colours = np.random.default_rng(0).uniform(0, 1, (4, 6, 3))
    for shift in (0.0, 0.5):
        shown = colours * 0.5 + shift
        where = (PLACE, image, "conv")
        atlas = put_alone(results, atlas_layer(shown, clusters() > 0, *where))
        table = cluster_colours(clusters(), shown)
        groups = put_alone(results, cluster_layer(clusters(), table, *where))
    np.testing.assert_allclose(atlas.data[0, ..., :3], colours * 0.5 + 0.5, rtol=1e-6)
    assert len(viewer.layers) == 3
    np.testing.assert_allclose(
        groups.get_color(1)[:3], [int(table[0][i : i + 2], 16) / 255 for i in (1, 3, 5)], atol=1e-3
    )
    assert next(own_layers(viewer, CLUSTERS)) is groups


def test_clearing_the_results_clears_comparisons_too(
    viewer: ViewerModel, image: ImageInput, results: ResultLayers
) -> None:
    put_alone(results, feature_map_layer(values(), PLACE, image, "conv", 3))
    results.clear()
    assert [layer.name for layer in viewer.layers] == ["cells"]
