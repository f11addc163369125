"""Atlas of weights: additivity over the cells, designed clusters, colours and placement."""

import builtins

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain.comparison.atlas import weight_atlas
from napari_seggradcam.explain.comparison.grouping import colours_of, groups_of

IMAGE = np.random.default_rng(0).random((32, 40), np.float32)


@pytest.fixture(scope="module")
def explainer() -> sgc.Explainer:
    return sgc.Explainer(small_unet(), IMAGE)


@pytest.mark.parametrize("grid", [(4, 5), (3, 7), (1, 1)])
@pytest.mark.parametrize("layer", ["bottleneck", "encoder 0 relu 1"])
def test_cells_add_up_to_the_whole_image(explainer, grid, layer) -> None:
    """G2: α is additive, and the cells are a partition."""
    atlas = weight_atlas(explainer, 1, layer, grid, clusters=None)
    whole = explainer.explain(sgc.everywhere(), 1, layer)
    (heatmap,) = whole.values()
    size = np.abs(atlas.weights).sum(axis=(0, 1)).max()
    assert_allclose(atlas.weights.sum(axis=(0, 1)), heatmap.weights, atol=1e-6 * size)
    assert atlas.weights.shape == (*grid, atlas.layer.channels)


def test_a_cell_is_explained_as_its_pixels_are(explainer) -> None:
    atlas = weight_atlas(explainer, 1, grid=(3, 7), clusters=None)
    region = np.zeros(IMAGE.shape, bool)
    region[atlas.cell(1, 4)] = True
    (heatmap,) = explainer.explain(region, 1).values()
    assert_allclose(atlas.weights[1, 4], heatmap.weights, atol=1e-6 * np.abs(heatmap.weights).max())


@given(st.tuples(st.integers(1, 32), st.integers(1, 40)))
def test_cells_are_a_partition_and_lie_where_they_say(grid: tuple[int, int]) -> None:
    """Each pixel is in one cell, and a cell's middle is within half a pixel of its place."""
    from napari_seggradcam.explain.comparison.atlas import _cells

    seen = np.zeros(IMAGE.shape, int)
    for number, cell in enumerate(_cells(grid, IMAGE.shape)):
        seen[cell.box] += 1
        index = np.unravel_index(number, grid)
        for i, side, count, size in zip(index, cell.box, grid, IMAGE.shape, strict=True):
            place = size / count * i + (size / count - 1) / 2
            assert abs((side.start + side.stop - 1) / 2 - place) <= 0.5
    assert (seen == 1).all()


class ThreeTextures(nn.Module):
    """By hand: the class is there where one of three channels, for one brightness each, is on."""

    def __init__(self) -> None:
        super().__init__()
        self.split = nn.Conv2d(1, 3, 1)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(1, 2, 1)
        nn.init.ones_(self.head.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
        near = 1 - 4 * (self.split(x) * 0 + x - levels).abs()
        return self.head(self.relu(near).amax(1, keepdim=True))


def test_clusters_are_the_designed_ones() -> None:
    """Each third of the image lights one channel: three directions, three clusters."""
    image = np.repeat([0.0, 0.5, 1.0], 8)[None].repeat(16, axis=0).astype(np.float32)
    image = image + np.random.default_rng(0).uniform(0.01, 0.02, image.shape).astype(np.float32)
    explainer = sgc.Explainer(sgc.Network.from_module(ThreeTextures()), image)
    atlas = weight_atlas(explainer, 1, "relu", (4, 6))
    assert atlas.there.all()
    assert atlas.silhouettes[3] == pytest.approx(1, abs=1e-6)
    columns = atlas.clusters[0]
    assert (atlas.clusters == columns).all()
    assert columns[0] == columns[1] != columns[2] == columns[3] != columns[4] == columns[5]
    assert len(set(columns)) == 3
    colours = atlas.colours.reshape(-1, 3)
    assert len(np.unique(colours.round(3), axis=0)) == 3


def test_cells_without_weights_are_black_and_in_no_cluster() -> None:
    """What lies in the rectifier's dead part has no gradient at all."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 2, 1))
    nn.init.ones_(module[0].weight)
    nn.init.constant_(module[0].bias, -0.5)
    image = np.zeros((8, 8), np.float32)
    image[:, :4] = 1
    explainer = sgc.Explainer(sgc.Network.from_module(module), image)
    atlas = weight_atlas(explainer, 1, "0", (2, 4), clusters=2)
    assert atlas.there.tolist() == [[True, True, False, False]] * 2
    assert atlas.clusters.tolist() == [[1, 1, 0, 0]] * 2
    assert not atlas.colours[~atlas.there].any()


def test_volumes_have_an_atlas_too() -> None:
    class Conv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv3d(1, 3, 3, padding=1)
            self.relu = nn.ReLU()
            self.head = nn.Conv3d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.relu(self.first(x)))

    volume = np.random.default_rng(0).random((4, 12, 8), np.float32)
    explainer = sgc.Explainer(sgc.Network.from_module(Conv(), axes="CZYX"), volume)
    atlas = weight_atlas(explainer, 1, "relu", (2, 3, 4), clusters=2)
    assert atlas.clusters.shape == atlas.grid == (2, 3, 4)
    assert atlas.scale == (2, 4, 2)
    assert atlas.translate == (0.5, 1.5, 0.5)
    (heatmap,) = explainer.explain(sgc.everywhere(), 1, "relu").values()
    assert_allclose(atlas.weights.sum(axis=(0, 1, 2)), heatmap.weights, rtol=1e-5)


def test_predicted_is_the_class_of_most_pixels(explainer) -> None:
    atlas = weight_atlas(explainer, grid=(2, 2), clusters=None)
    assert atlas.target == np.bincount(explainer.prediction.ravel()).argmax()
    assert atlas.class_name == explainer.network.classes[atlas.target]
    assert atlas.clusters is None


def test_same_again_gives_the_same(explainer) -> None:
    first, second = (weight_atlas(explainer, 1, grid=(4, 4), clusters=3) for _ in range(2))
    assert_allclose(first.colours, second.colours, atol=1e-4)
    assert (first.clusters == second.clusters).all()


def test_colours_do_not_hang_on_the_sign_of_an_eigenvector() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 6)) * [9, 5, 3, 1, 1, 1]
    colours, variance = colours_of(vectors)
    shuffled = np.random.default_rng(1).permutation(50)
    again, _ = colours_of(vectors[shuffled])
    assert_allclose(again, colours[shuffled], atol=1e-5)
    assert list(variance) == sorted(variance, reverse=True)
    assert sum(variance) < 1
    assert colours.min() == 0
    assert colours.max() == 1


def test_one_outlier_does_not_take_all_of_the_colours() -> None:
    values = np.r_[np.linspace(0, 1, 999), 1e6]
    colours, variance = colours_of(values[:, None])
    assert np.ptp(colours[:999, 0]) > 0.95
    assert_allclose(colours[:, 1:], 0.5)
    assert variance == pytest.approx((1, 0, 0))


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (5, 3), (None, 3)])
def test_no_more_groups_than_different_vectors(count: int | None, expected: int) -> None:
    vectors = np.repeat(np.eye(3), [5, 4, 3], axis=0)
    labels, _ = groups_of(vectors, count)
    assert labels.max() == expected
    assert np.bincount(labels)[1:].tolist() == sorted(np.bincount(labels)[1:], reverse=True)


@pytest.mark.parametrize("grid", [(3,), (0, 4), (33, 4), (2.5, 2), 8, "8,8", None])
def test_grids_that_do_not_fit_are_told(explainer, grid) -> None:
    with pytest.raises(sgc.OptionError, match="does not fit an image"):
        weight_atlas(explainer, 1, grid=grid)


@pytest.mark.parametrize("clusters", [0, 1.5, "elbow", True, np.array([1, 2])])
def test_numbers_of_clusters_that_are_none_are_told(explainer, clusters) -> None:
    with pytest.raises(sgc.OptionError, match="clusters="):
        weight_atlas(explainer, 1, grid=(2, 2), clusters=clusters)


def test_without_scikit_learn_the_message_says_what_to_do(explainer, monkeypatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(sgc.MissingPackage, match=r"napari-seggradcam\[plots\]"):
        weight_atlas(explainer, 1, grid=(2, 2))
    assert weight_atlas(explainer, 1, grid=(2, 2), clusters=None).clusters is None


def test_progress_counts_cells_and_cancel_stops(explainer) -> None:
    steps: list[tuple[int, int]] = []
    weight_atlas(
        explainer,
        1,
        grid=(4, 4),
        clusters=None,
        progress=lambda done, total, name: steps.append((done, total)),
    )
    assert steps[-1] == (16, 16)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    with pytest.raises(sgc.Cancelled):
        weight_atlas(explainer, 1, grid=(4, 4), cancel=lambda: bool(steps))


@pytest.mark.parametrize("index", [(4, 0), (-1, 0), (1,), (), (1, 2, 3), (1.5, 2), ((1, 2),)])
def test_cells_that_do_not_exist_are_told(explainer, index) -> None:
    atlas = weight_atlas(explainer, 1, grid=(4, 4), clusters=None)
    with pytest.raises(sgc.OptionError, match=r"no cell .*; expected 2 whole numbers from 0"):
        atlas.cell(*index)
