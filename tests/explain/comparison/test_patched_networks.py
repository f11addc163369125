"""Comparisons of networks that are explained on patches, or see all of the image at once."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.explain.comparison.atlas import weight_atlas
from napari_seggradcam.explain.comparison.layers import compare_layers
from napari_seggradcam.explain.comparison.weights import compare_weights

IMAGE = np.random.default_rng(0).random((32, 64), np.float32)


def module() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.InstanceNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 2, 3, padding=1),
    ).eval()


@pytest.fixture(scope="module")
def patched() -> sgc.Explainer:
    return sgc.Explainer(sgc.Network.from_module(module(), axes="CYX", patch=(32, 32)), IMAGE)


def square(y: int, x: int) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, bool)
    mask[y : y + 4, x : x + 4] = True
    return mask


def test_weights_are_those_of_each_regions_patch(patched) -> None:
    regions = {"left": square(4, 4), "also left": square(20, 10), "right": square(4, 56)}
    compared = compare_weights(patched, regions, 1, "2")
    for name, row in zip(regions, compared.weights, strict=True):
        (heatmap,) = patched.explain(regions[name], 1, "2").values()
        assert_allclose(row, heatmap.weights, rtol=1e-5)
        signed = heatmap.signed.sum(dtype=np.float64)
        index = compared.names.index(name)
        assert compared.contributions[index].sum() == pytest.approx(signed, rel=1e-4)
    (left,) = patched.explain(regions["left"], 1, "2").values()
    assert compared.difference("left", "also left").patch == left.patch
    with pytest.raises(sgc.RegionError, match="different patches"):
        compared.difference("left", "right")


def test_layers_are_those_of_the_regions_patch(patched) -> None:
    (row,) = compare_layers(patched, square(4, 56), 1, "2")
    (heatmap,) = patched.explain(square(4, 56), 1, "2").values()
    assert row.resolution == heatmap.signed.shape == (32, 32)
    resized = heatmap.resized()
    assert row.inside == pytest.approx(resized[square(4, 56)].sum() / resized.sum(), rel=1e-5)


def test_an_atlas_of_a_network_that_sees_everything_adds_up() -> None:
    explainer = sgc.Explainer(sgc.Network.from_module(module()), IMAGE)
    atlas = weight_atlas(explainer, 1, "2", (2, 3), clusters=None)
    (heatmap,) = explainer.explain(sgc.everywhere(), 1, "2").values()
    size = np.abs(atlas.weights).sum(axis=(0, 1)).max()
    assert_allclose(atlas.weights.sum(axis=(0, 1)), heatmap.weights, atol=1e-6 * size)


def test_images_that_need_padding_are_compared_without_it() -> None:
    torch.manual_seed(3)
    image = np.random.default_rng(0).random((29, 37), np.float32)
    explainer = sgc.Explainer(sgc.Network.from_module(sgc.UNet(depth=2, base_width=4)), image)
    mask = np.zeros(image.shape, bool)
    mask[3:9, 5:20] = True
    row = compare_layers(explainer, mask, 1, "decoder 0 relu 2")["decoder 0 relu 2"]
    assert row.resolution == image.shape
    assert row.logit_echo == pytest.approx(1, abs=1e-6)
    difference = compare_weights(explainer, {"a": mask, "b": ~mask}, 1).difference("a", "b")
    (heatmap,) = explainer.explain(mask, 1).values()
    assert difference.signed.shape == heatmap.signed.shape
    assert difference.translate == heatmap.translate
