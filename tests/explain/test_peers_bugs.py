"""Mistakes that other implementations of such heatmaps make, and that are not made here.

Shown elsewhere already, and not repeated here:

- Feature maps that a later operation overwrites in place, such as a rectifier or the addition of a
  residual block, are kept as they were: `test_capture.test_in_place_operations_change_nothing`,
  `test_unusual_networks.test_what_is_rectified_in_place_counts_wherever_it_goes`.
- Every call of a module that is used several times has its own feature maps and gradients:
  `test_capture.test_every_call_of_a_shared_module_is_a_layer`.
- Gradients of parameters, hooks and modes are left as they were, also after an error:
  `test_as_found`.
- Parameters that need no gradients are no obstacle:
  `test_capture.test_frozen_and_trainable_parameters_give_the_same`.
- Weights are the mean of the gradient without a factor of taste:
  `test_closed_forms.test_linear_network_has_the_mean_of_its_kernel_as_weights`.
- A heatmap that is zero says why: `test_closed_forms.test_all_negative_evidence_is_said`.
"""

import copy
import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc
from napari_seggradcam.explain.comparison.grouping import colours_of

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((24, 32), np.float32)
LEFT = np.zeros(IMAGE.shape, bool)
LEFT[6:12, 3:9] = True


def chain(channels: int = 5, classes: int = 3, seed: int = 1) -> sgc.Network:
    """A convolution, a rectifier and a head of width 1: logits are linear in the last maps."""
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, classes, 1)
    )
    return sgc.Network.from_module(module)


def maps_of(network: sgc.Network) -> NDArray[np.float32]:
    """A_k of the rectifier."""
    with torch.no_grad():
        maps: NDArray[np.float32] = network.module[:2](torch.from_numpy(IMAGE)[None, None])[
            0
        ].numpy()
    return maps


def head_of(network: sgc.Network) -> NDArray[np.float32]:
    """Weights of the head, (classes, channels)."""
    weights: NDArray[np.float32] = network.module[2].weight[:, :, 0, 0].detach().numpy()
    return weights


def test_image_and_region_are_mirrored_together() -> None:
    """Elsewhere, averaging over mirrored images leaves the region where it was."""
    network = chain()
    mirrored = copy.deepcopy(network.module)
    with torch.no_grad():
        mirrored[0].weight.copy_(network.module[0].weight.flip(-1))
    other = sgc.Network.from_module(mirrored)
    for method in ("seg-grad-cam", "seg-hires-grad-cam", "saliency"):
        here = sgc.explain(network, IMAGE, LEFT, target=1, layers="1", method=method)
        there = sgc.explain(
            other, IMAGE[:, ::-1].copy(), LEFT[:, ::-1], target=1, layers="1", method=method
        )
        (first,), (second,) = here.values(), there.values()
        assert here.score == pytest.approx(there.score)
        assert_allclose(second.signed[:, ::-1], first.signed, rtol=1e-4, atol=1e-6)


def test_a_region_in_one_half_has_its_evidence_there() -> None:
    """Elsewhere, mass of a region in the left half came to lie in the right one as well."""
    for method in ("seg-hires-grad-cam", "saliency"):
        found = sgc.explain(chain(), IMAGE, LEFT, target=1, layers="1", method=method)
        (heatmap,) = found.values()
        assert heatmap.signed[:, :16].any()
        assert not heatmap.signed[:, 16:].any()


@pytest.mark.parametrize("target", [3, 7, -1, -2])
def test_a_class_that_does_not_exist_is_an_error(target: int) -> None:
    """Elsewhere, the error is swallowed, or a negative index means a class from the end."""
    with pytest.raises(sgc.TargetError, match="no class"):
        sgc.explain(chain(), IMAGE, LEFT, target=target)


def test_an_error_inside_the_network_comes_out() -> None:
    """Elsewhere, an IndexError ends the block without a word."""

    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = chain().module
            self.fails = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.fails:
                raise IndexError("a class of the network's own")
            logits: torch.Tensor = self.inner(x)
            return logits

    module = Failing()
    network = sgc.Network.from_module(module)
    module.fails = True
    with pytest.raises(sgc.NetworkError, match="a class of the network's own"):
        sgc.explain(network, IMAGE, LEFT, target=1)


def heatmap(signed: NDArray[np.float32], stride: int) -> sgc.Heatmap:
    """A map of which every position stands for a block of pixels."""
    (layer, *_) = chain().layers
    ndim = signed.ndim
    return sgc.Heatmap(
        layer,
        signed,
        np.ones(1, np.float32),
        (float(stride),) * ndim,
        ((stride - 1) / 2,) * ndim,
        tuple(stride * size for size in signed.shape),
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_enlarged_maps_stay_where_they_are_and_within_their_range(ndim: int) -> None:
    """Elsewhere, cubic splines give 1.9 from a map of 0 to 1, and shift it by half a pixel."""
    stride, signed = 4, np.zeros((7,) * ndim, np.float32)
    spot = (2, 4, 3)[:ndim]
    signed[spot] = 1
    resized = heatmap(signed, stride).resized()
    assert resized.min() == 0
    assert resized.max() <= 1
    places = np.meshgrid(*map(np.arange, resized.shape), indexing="ij")
    centre = [float((place * resized).sum() / resized.sum()) for place in places]
    assert centre == pytest.approx([stride * at + (stride - 1) / 2 for at in spot])


def test_enlarged_volumes_equal_torch_interpolation() -> None:
    """Elsewhere, volumes are enlarged by another rule than images."""
    signed = RANDOM.random((4, 5, 6), np.float32) - np.float32(0.5)
    one = heatmap(signed, 3)
    tensor = torch.from_numpy(signed)[None, None]
    expected = functional.interpolate(tensor, one.image_shape, mode="trilinear")[0, 0].numpy()
    assert_allclose(one.resized(signed=True), expected, atol=1e-6)
    assert_allclose(one.resized(), np.maximum(expected, 0), atol=1e-6)


def test_values_are_raw() -> None:
    """Elsewhere, every map is stretched to 0…1: a map of 5 to 6 looks as one of 0 to 1."""
    network = chain()
    with torch.no_grad():
        network.module[0].bias += 50
        network.module[2].weight.abs_()
    (found,) = sgc.explain(network, IMAGE, LEFT, target=1, layers="1").values()
    expected = LEFT.mean() * np.tensordot(head_of(network)[1], maps_of(network), 1)
    assert_allclose(found.heatmap, expected, rtol=1e-4)
    assert found.heatmap.min() > 0.5 * found.heatmap.max()
    with torch.no_grad():
        network.module[2].weight *= 3
    (larger,) = sgc.explain(network, IMAGE, LEFT, target=1, layers="1").values()
    assert_allclose(larger.heatmap, 3 * found.heatmap, rtol=1e-5)


def test_the_most_evidence_is_the_highest_value() -> None:
    """Elsewhere, the normalisation by custom maps the maximum to 0."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 2, 1))
    for convolution in (module[0], module[2]):
        nn.init.ones_(convolution.weight)
    image = IMAGE / 2
    image[7, 5] = 1
    found = sgc.explain(sgc.Network.from_module(module), image, LEFT, layers="1")
    (one,) = found.values()
    assert np.unravel_index(one.heatmap.argmax(), image.shape) == (7, 5)
    assert one.heatmap.shape == image.shape  # one class, not one map for every pixel's class


@pytest.mark.parametrize("target", [0, 1, 2])
def test_every_class_is_explained_by_all_channels(target: int) -> None:
    """Elsewhere, a class's map sums a slice of the channels, whose number must divide evenly."""
    network = chain(channels=7)
    (found,) = sgc.explain(network, IMAGE, LEFT, target=target, layers="1").values()
    weights = head_of(network)[target] * LEFT.mean()
    assert_allclose(found.weights, weights, rtol=1e-5)
    assert_allclose(found.signed, np.tensordot(weights, maps_of(network), 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_predicted_pixels_need_no_majority(target: int) -> None:
    """Elsewhere, pixels whose largest probability is below 1/2 are dropped, or are class 0."""
    network = chain()
    explainer = sgc.Explainer(network, IMAGE)
    with torch.no_grad():  # every class somewhere, none of them sure
        network.module[2].bias -= torch.from_numpy(explainer.logits.mean((1, 2)))
    explainer = sgc.Explainer(network, IMAGE)
    odds = np.exp(explainer.logits)
    p = odds / odds.sum(0)
    expected = p.argmax(0) == target
    assert (p.max(0)[expected] < 0.5).any()
    assert_array_equal(explainer.explain(sgc.predicted(target), target).region, expected)


def test_nothing_is_zero_and_not_nan() -> None:
    """Elsewhere, a map without positive values is divided by its maximum, which gives NaN."""
    network = chain()
    with torch.no_grad():
        network.module[2].weight.abs_().neg_()
    for method in ("seg-grad-cam", "seg-hires-grad-cam", "layer-cam", "grad-cam++", "xgrad-cam"):
        found = sgc.explain(network, IMAGE, LEFT, target=1, layers="1", method=method)
        for one in found.values():
            assert np.isfinite(one.signed).all()
            assert not one.heatmap.any()
            assert one.empty
            assert not one.resized().any()


def test_one_image_after_another() -> None:
    """Elsewhere, the program ends after one image, or hooks of the first answer the second."""
    network = chain()
    first = sgc.explain(network, IMAGE, LEFT, target=1, layers="1")
    sgc.explain(network, IMAGE.T.copy(), LEFT.T, target=2, layers="all")
    again = sgc.explain(network, IMAGE, LEFT, target=1, layers="1")
    for name in first:
        assert_array_equal(again[name].signed, first[name].signed)


LINEAR = ("seg-grad-cam", "seg-hires-grad-cam", "seg-xres-cam", "saliency", "input-x-gradient")


@pytest.mark.parametrize("method", LINEAR)
def test_all_methods_ask_about_the_same_score(method: str) -> None:
    """Elsewhere, some methods add up over the region and others average, whatever was asked."""
    added, averaged = (
        sgc.explain(chain(), IMAGE, LEFT, target=1, layers="1", method=method, reduce=reduce)
        for reduce in ("sum", "mean")
    )
    assert averaged.score == pytest.approx(added.score / LEFT.sum())
    for name in added:
        assert_allclose(
            averaged[name].signed * LEFT.sum(), added[name].signed, rtol=1e-4, atol=1e-6
        )


def test_principal_components_take_memory_by_the_number_of_positions_not_its_square() -> None:
    vectors = np.random.default_rng(0).standard_normal((2**15, 8))
    tracemalloc.start()
    colours_of(vectors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * vectors.nbytes  # all left singular vectors would be 4096 times as much


# ---- closed forms that go with them ----


@pytest.mark.parametrize("method", ["seg-grad-cam", "seg-hires-grad-cam", "seg-xres-cam"])
def test_signed_maps_add_over_disjoint_regions(method: str) -> None:
    """The map of a class is the sum of the maps of its instances, before the ReLU."""
    torch.manual_seed(0)
    explainer = sgc.Explainer(sgc.Network.from_module(sgc.UNet(depth=2, base_width=4)), IMAGE)
    right = np.zeros_like(LEFT)
    right[10:20, 20:30] = True
    first, second, both = (
        explainer.explain(region, 1, "levels", method=method)
        for region in (LEFT, right, LEFT | right)
    )
    for name in both:
        expected = first[name].signed + second[name].signed
        size = max(abs(one[name].signed).max() for one in (first, second))
        assert_allclose(both[name].signed, expected, atol=3e-5 * size)


def test_local_weights_give_a_cue_out_of_sight_nothing() -> None:
    """Of two equal cues M sees one: Seg-Grad-CAM lights both up alike, HiRes that one alone."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 2, 3, padding=1))
    nn.init.ones_(module[0].weight)
    nn.init.ones_(module[2].weight)
    image = np.zeros((32, 32), np.float32)
    image[8, 8] = image[25, 25] = 1
    network = sgc.Network.from_module(module)
    for method, far in (("seg-grad-cam", True), ("seg-hires-grad-cam", False)):
        found = sgc.explain(network, image, sgc.pixel(8, 9), target=1, layers="1", method=method)
        (one,) = found.values()
        assert one.signed[8, 8] > 0
        assert one.signed[25, 25] == (one.signed[8, 8] if far else 0)


def test_probabilities_of_sure_pixels_have_no_gradient() -> None:
    """dS/dA = Σ_M p_c (w_c − Σ p_c' w_c'): where p_c is nearly 1, only the logit has weights."""
    network = chain()
    with torch.no_grad():
        network.module[2].bias[1] += 12
    logit, probability = (
        sgc.explain(network, IMAGE, LEFT, target=1, layers="1", score=score)
        for score in ("logit", "probability")
    )
    assert probability.score == pytest.approx(LEFT.sum(), rel=1e-3)
    (first,), (second,) = logit.values(), probability.values()
    assert abs(second.weights).max() < 1e-3 * abs(first.weights).max()
