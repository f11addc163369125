"""Methods of the Grad-CAM family, against their formulas in double precision and each other."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain import passes
from napari_seggradcam.explain.methods import cams
from napari_seggradcam.explain.methods import gradient as gradients
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.methods.weighting import GradientMethod
from napari_seggradcam.explain.reach import Reach

FAMILY = [name for name, one in METHODS.items() if one.__module__ == cams.__name__]
GRADIENT_METHODS = [name for name, one in METHODS.items() if issubclass(one, GradientMethod)]
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((96, 112), np.float32)
MASK = np.zeros(IMAGE.shape, bool)
MASK[40:46, 33:41] = True


EXPLAINER = sgc.Explainer(small_unet(), IMAGE)


def by_autograd(
    network: sgc.Network, image: NDArray, mask: NDArray, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A and dS/dA of one network layer, in double, by autograd through a copy of the module."""
    (layer,) = network.select_layers(name)
    module = copy.deepcopy(network.module).double().eval()
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
    kept = []

    def hook(m: nn.Module, args: object, out: torch.Tensor) -> None:
        out.retain_grad()
        kept.append(out)

    module.get_submodule(layer.module).register_forward_hook(hook)
    logits = module(network.prepare(image).tensor.double())
    logits[0, 1][torch.from_numpy(mask)].sum().backward()
    return kept[layer.call].detach().numpy()[0], kept[layer.call].grad.numpy()[0]


def pooled(gradient: NDArray, window: int, how: Callable[..., Any]) -> NDArray:
    """Block by block in plain loops; blocks at the end are smaller."""
    found = np.empty_like(gradient)
    for corner in np.ndindex(*(-(-n // window) for n in gradient.shape[1:])):
        block = (slice(None), *(slice(i * window, (i + 1) * window) for i in corner))
        values = gradient[block]
        axes = tuple(range(1, values.ndim))
        found[block] = how(values, axis=axes, keepdims=True)
    return found


def along(weights: NDArray, maps: NDArray) -> NDArray:
    return np.tensordot(weights, maps, 1)


def xgrad(a: NDArray, g: NDArray) -> NDArray:
    axes = tuple(range(1, a.ndim))
    total = a.sum(axes)
    return np.divide((g * a).sum(axes), total, out=np.zeros_like(total), where=total != 0)


def plus_plus(a: NDArray, g: NDArray) -> NDArray:
    axes = tuple(range(1, a.ndim))
    total = a.sum(axes, keepdims=True)
    below = 2 * g**2 + total * g**3
    share = np.divide(g**2, below, out=np.zeros_like(g), where=(g != 0) & (below != 0))
    return (share * np.maximum(g, 0)).sum(axes)


AXES = tuple(range(1, 3))
FORMULAS: dict[str, tuple[dict[str, Any], Callable[[NDArray, NDArray], NDArray]]] = {
    "seg-grad-cam": ({}, lambda a, g: along(g.mean(AXES), a)),
    "absolute": ({"weights": "absolute"}, lambda a, g: along(abs(g.mean(AXES)), a)),
    "positive": ({"weights": "positive"}, lambda a, g: along(np.maximum(g.mean(AXES), 0), a)),
    "seg-hires-grad-cam": ({}, lambda a, g: (g * a).sum(0)),
    "layer-cam": ({}, lambda a, g: (np.maximum(g, 0) * a).sum(0)),
    "xgrad-cam": ({}, lambda a, g: along(xgrad(a, g), a)),
    "grad-cam++": ({}, lambda a, g: along(plus_plus(a, g), a)),
    "seg-xres-cam": ({}, lambda a, g: (pooled(g, 4, np.mean) * a).sum(0)),
    "windows of 5": ({"window": 5}, lambda a, g: (pooled(g, 5, np.mean) * a).sum(0)),
    # Where torch's nearest neighbours would be off by one.
    "windows of 41": ({"window": 41}, lambda a, g: (pooled(g, 41, np.mean) * a).sum(0)),
    "largest of 3": (
        {"window": 3, "pool": "max"},
        lambda a, g: (pooled(g, 3, np.max) * a).sum(0),
    ),
}
METHOD_OF = {
    "absolute": "seg-grad-cam",
    "positive": "seg-grad-cam",
    "windows of 5": "seg-xres-cam",
    "windows of 41": "seg-xres-cam",
    "largest of 3": "seg-xres-cam",
}


def test_every_gradient_method_has_a_formula_here() -> None:
    assert {METHOD_OF.get(name, name) for name in FORMULAS} == set(FAMILY)


@pytest.mark.parametrize("layer", ["encoder 1 relu 2", "bottleneck relu 2", "decoder 0 relu 1"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name: str, layer: str) -> None:
    """On a crop and on the whole; the map and its weights, to 1e-5 of what is summed."""
    options, formula = FORMULAS[name]
    maps, gradient = by_autograd(EXPLAINER.network, IMAGE, MASK, layer)
    expected = formula(maps, gradient)
    method = METHOD_OF.get(name, name)
    found = EXPLAINER.explain(MASK, 1, layer, method=method, **options)
    assert found.record["computed"]["on"].startswith(("1 crop", "the gradients"))
    assert found.record["question"]["method"] == method
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "reach_of", lambda *_: Reach(None, "test"))
        whole = sgc.explain(
            EXPLAINER.network, IMAGE, MASK, target=1, layers=layer, method=method, **options
        )
    for one in (found, whole):
        signed = one[layer].signed
        assert_allclose(signed, expected, atol=2e-5 * abs(expected).max(), rtol=1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_weights_by_crops_are_those_of_the_whole(name: str) -> None:
    """Gradients of crops that overlap add up before anything is made of them."""
    options, _formula = FORMULAS[name]
    ask = {"method": METHOD_OF.get(name, name), **options}
    region = np.zeros(IMAGE.shape, bool)
    region[3:80, 4:90] = True
    plain = sgc.Explainer(EXPLAINER.network, IMAGE).explain(region, 1, "levels", **ask)
    small = sgc.Explainer(EXPLAINER.network, IMAGE, memory=100_000)
    found = small.explain(region, 1, "levels", **ask)
    assert "crops" in found.record["computed"]["on"]
    for one, other in zip(found.values(), plain.values(), strict=True):
        assert_allclose(one.weights, other.weights, atol=1e-4 * abs(other.weights).max())


@pytest.mark.parametrize("name", FORMULAS)
def test_blocks_are_as_all_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large feature maps are gone through row by row; here these are."""
    options, _formula = FORMULAS[name]
    ask = {"method": METHOD_OF.get(name, name), "truncate": ("mass", 0.9), **options}
    expected = sgc.explain(EXPLAINER.network, IMAGE, MASK, target=1, layers="levels", **ask)
    monkeypatch.setattr(gradients, "_BLOCK", 1)
    found = sgc.explain(EXPLAINER.network, IMAGE, MASK, target=1, layers="levels", **ask)
    for one, other in zip(found.values(), expected.values(), strict=True):
        assert_allclose(one.signed, other.signed, atol=1e-6 * abs(other.signed).max())
        assert_allclose(one.weights, other.weights, atol=1e-6 * abs(other.weights).max())
        np.testing.assert_array_equal(one.kept, other.kept)


@pytest.mark.parametrize("name", FAMILY)
def test_volume(name: str) -> None:
    network = small_unet(ndim=3, depth=1, base_width=3)
    image = RANDOM.random((10, 12, 14), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[3:5, 4:9, 5:7] = True
    maps, gradient = by_autograd(network, image, mask, "bottleneck relu 2")
    axes = (1, 2, 3)
    expected = {
        "seg-grad-cam": lambda a, g: along(g.mean(axes), a),
        "xgrad-cam": lambda a, g: along(xgrad(a, g), a),
    }.get(name, FORMULAS[name][1])(maps, gradient)
    found = sgc.explain(network, image, mask, target=1, method=name)["bottleneck relu 2"]
    assert_allclose(found.signed, expected, atol=2e-5 * abs(expected).max(), rtol=1e-4)


def test_window_larger_than_a_volume_is_seg_grad_cam() -> None:
    network = small_unet(ndim=3, depth=1, base_width=3)
    explainer = sgc.Explainer(network, RANDOM.random((10, 12, 14), np.float32))
    plain = explainer.explain(sgc.everywhere(), 1, "all")
    found = explainer.explain(sgc.everywhere(), 1, "all", method="seg-xres-cam", window=13)
    for name in (one.name for one in network.layers if one.level == 1):
        size = abs(plain[name].signed).max()
        assert_allclose(found[name].signed, plain[name].signed, atol=1e-5 * size)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_windows_go_from_hires_to_seg_grad_cam(pool: str) -> None:
    """One position is Seg-HiRes-Grad-CAM; all of the map, with the mean, is Seg-Grad-CAM."""
    hires = EXPLAINER.explain(MASK, 1, "all", method="seg-hires-grad-cam")
    small = EXPLAINER.explain(MASK, 1, "all", method="seg-xres-cam", window=1, pool=pool)
    large = EXPLAINER.explain(MASK, 1, "all", method="seg-xres-cam", window=10**6, pool="mean")
    plain = EXPLAINER.explain(MASK, 1, "all")
    for name in plain:
        size = abs(hires[name].signed).max()
        assert_allclose(small[name].signed, hires[name].signed, atol=1e-6 * size)
        size = abs(plain[name].signed).max()
        assert_allclose(large[name].signed, plain[name].signed, atol=1e-4 * size, rtol=1e-3)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99))
def test_xgrad_shares_out_what_passes(seed: int) -> None:
    """Both add up to Σ_k Σ G_k A_k: the axiom of conservation."""
    mask = np.random.default_rng(seed).random(IMAGE.shape) < 0.02
    mask[3, 3] = True
    layers = ["encoder 0 relu 2", "bottleneck relu 2"]
    x, hires = (
        EXPLAINER.explain(mask, 1, layers, method=name)
        for name in ("xgrad-cam", "seg-hires-grad-cam")
    )
    for name in x:
        size = float(abs(hires[name].signed).sum())
        assert x[name].signed.sum() == pytest.approx(hires[name].signed.sum(), abs=1e-5 * size)


def test_before_the_head_hires_is_the_logit_inside_the_region() -> None:
    found = EXPLAINER.explain(MASK, 1, "decoder 0 relu 2", method="seg-hires-grad-cam")
    bias = EXPLAINER.network.module.head.bias[1].item()
    expected = MASK * (EXPLAINER.logits[1] - bias)
    assert_allclose(found["decoder 0 relu 2"].signed, expected, atol=1e-6, rtol=1e-4)


def test_hires_tells_regions_apart_and_seg_grad_cam_hardly() -> None:
    """Spatial means destroy where; of two far regions at a bottleneck only HiRes knows."""
    torch.manual_seed(0)
    network = sgc.Network.from_module(sgc.UNet(depth=3, base_width=8))
    explainer = sgc.Explainer(network, RANDOM.random((128, 128), np.float32))
    regions = [np.zeros((128, 128), bool) for _ in range(2)]
    regions[0][10:30, 10:30] = regions[1][90:110, 80:110] = True
    likeness = {}
    for method in ("seg-grad-cam", "seg-hires-grad-cam"):
        maps = [explainer.explain(region, 1, method=method) for region in regions]
        first, second = (one["bottleneck relu 2"].heatmap.ravel() for one in maps)
        likeness[method] = np.corrcoef(first, second)[0, 1]
    assert likeness["seg-grad-cam"] > 0.8
    assert likeness["seg-hires-grad-cam"] < 0.2


def test_a_channel_whose_values_cancel_has_no_weight() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False))
    with torch.no_grad():
        module[0].weight[:] = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)
        module[1].weight[:] = torch.tensor([[1.0, 1.0], [2.0, 3.0]]).reshape(2, 2, 1, 1)
    image = np.ones((8, 8), np.float32)
    image[::2] = -1
    mask = np.zeros((8, 8), bool)
    mask[2, 2] = True
    found = sgc.explain(
        sgc.Network.from_module(module), image, mask, target=1, layers="0", method="xgrad-cam"
    )["bottleneck conv"]
    assert found.weights.tolist() == [0, 0]
    assert "No positive evidence" in found.empty


@pytest.mark.parametrize("name", FAMILY)
def test_no_path_is_said(name: str) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.seen(x) * torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)

    found = sgc.explain(
        sgc.Network.from_module(Blind()),
        IMAGE,
        sgc.everywhere(),
        target=1,
        layers="seen",
        method=name,
    )
    (heatmap,) = found.values()
    assert "No gradient" in heatmap.empty
    assert not heatmap.signed.any()
    assert not heatmap.weights.any()


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_regions_far_apart_and_many_at_once(name: str) -> None:
    """Crops of their own, or in one batch: the same as each alone on the whole."""
    labels = np.zeros((200, 220), int)
    for value, (y, x) in enumerate([(5, 5), (100, 120), (180, 40)], start=1):
        labels[y : y + 5, x : x + 7] = value
    image = RANDOM.random(labels.shape, np.float32)
    network = EXPLAINER.network
    explainer = sgc.Explainer(network, image)
    together = explainer.explain_each(labels, 1, "levels", method=name)
    joined = explainer.explain(labels > 0, 1, "levels", method=name)
    assert "3 crops" in joined.record["computed"]["on"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "reach_of", lambda *_: Reach(None, "test"))
        whole = sgc.Explainer(network, image)
        alone = {v: whole.explain(labels == v, 1, "levels", method=name) for v in (1, 2, 3)}
        alone[0] = whole.explain(labels > 0, 1, "levels", method=name)
    for value, found in {**together, 0: joined}.items():
        for layer, heatmap in found.items():
            expected = alone[value][layer].signed
            assert_allclose(heatmap.signed, expected, atol=3e-5 * abs(expected).max() + 1e-12)


# ---- another method of the same question ----


def test_another_method_or_extent_needs_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = sgc.Explainer(EXPLAINER.network, IMAGE, gradients=True)
    explainer.explain(MASK, 1, "levels")
    monkeypatch.setattr(sgc.Network, "run", lambda *_: pytest.fail("a pass ran"))
    monkeypatch.setattr(passes.Activations, "replay", lambda *_: pytest.fail("a pass backward ran"))
    for name in GRADIENT_METHODS:
        for truncate in (None, "support", ("mass", 0.5), "distance"):
            again = explainer.explain(MASK, 1, "levels", method=name, truncate=truncate)
            on = again.record["computed"]["on"]
            assert on == "the gradients that the question before has left"
    fewer = explainer.explain(MASK, 1, "bottleneck", method="layer-cam")
    assert fewer.layers == ("bottleneck relu 2",)


@pytest.mark.parametrize("change", ["region", "class", "score", "layers", "weights"])
def test_another_question_runs_again(change: str) -> None:
    network = small_unet()
    explainer = sgc.Explainer(network, IMAGE, gradients=True)
    explainer.explain(MASK, 1, "levels")
    asked: dict[str, Any] = {"region": MASK, "target": 1, "layers": "levels"}
    if change == "weights":
        with torch.no_grad():
            network.module.head.weight.mul_(2)
    else:
        asked |= {
            "region": {"region": MASK.astype(np.float32) / 2},
            "class": {"target": 0},
            "score": {"score": "margin"},
            "layers": {"layers": "all"},
        }[change]
    found = explainer.explain(**asked, method="layer-cam")
    expected = sgc.explain(network, IMAGE, **asked, method="layer-cam")
    assert "gradients" not in found.record["computed"]["on"]
    for name in expected:
        size = abs(expected[name].signed).max()
        assert_allclose(found[name].signed, expected[name].signed, atol=1e-5 * size)


def test_gradients_count_as_memory_and_give_way() -> None:
    plain = sgc.Explainer(EXPLAINER.network, IMAGE)
    plain.explain(MASK, 1, "levels")
    keeping = sgc.Explainer(EXPLAINER.network, IMAGE, gradients=True)
    keeping.explain(MASK, 1, "levels")
    assert keeping.memory_used > plain.memory_used
    small = sgc.Explainer(EXPLAINER.network, IMAGE, memory=plain.memory_used, gradients=True)
    small.explain(MASK, 1, "levels")
    assert small.memory_used <= plain.memory_used
    keeping.memory = 0
    assert keeping.memory_used == 0
    assert_allclose(
        keeping.explain(MASK, 1, method="layer-cam")["bottleneck relu 2"].signed,
        plain.explain(MASK, 1, method="layer-cam")["bottleneck relu 2"].signed,
        rtol=1e-5,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_tile_by_tile_where_memory_is_short(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = RANDOM.random((160, 160), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[70:80, 60:90] = True
    network = EXPLAINER.network
    expected = sgc.explain(
        network, image, mask, target=1, layers="levels", method=name, truncate=("mass", 0.8)
    )
    explainer = sgc.Explainer(network, image, memory=200_000)
    explainer.views.view(0).activations.most = 80 * 80
    found = explainer.explain(mask, 1, "levels", method=name, truncate=("mass", 0.8))
    for layer, heatmap in found.items():
        other = expected[layer]
        assert_allclose(heatmap.signed, other.signed, atol=2e-5 * abs(other.signed).max())
        assert np.mean(heatmap.kept != other.kept) < 0.01
