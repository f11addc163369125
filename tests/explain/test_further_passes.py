"""Methods that run the network themselves, asked through an explainer."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain import ground
from napari_seggradcam.explain.methods.attributing import AttributionMethod
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.methods.preparing import PreparedMethod
from napari_seggradcam.explain.reach import Reach
from progress import CancelAfter

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((131, 122), np.float32)
MASK = np.zeros(IMAGE.shape, bool)
MASK[60:64, 50:55] = True

SMALL: dict[str, dict] = {
    "integrated-gradients": {"most_steps": 32, "baseline": "mean"},
    "smooth-grad": {"samples": 3, "noise": 0.0},
    "occlusion": {"window": 8, "stride": 8},
    "grid-saliency": {"steps": 3, "cell": 8},
    "layer-integrated-gradients": {"most_steps": 32},
}
RUNNING = [name for name, m in METHODS.items() if issubclass(m, AttributionMethod | PreparedMethod)]


EXPLAINER = sgc.Explainer(small_unet(depth=1, base_width=3), IMAGE)


@pytest.mark.parametrize("name", sorted(set(RUNNING) - {"occlusion", "grid-saliency"}))
def test_a_crop_gives_what_the_whole_gives(name: str) -> None:
    found = EXPLAINER.explain(MASK, 1, "levels", method=name, **SMALL.get(name, {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground, "reach_of", lambda *_: Reach(None, "test"))
        whole = EXPLAINER.explain(MASK, 1, "levels", method=name, **SMALL.get(name, {}))
    assert found.score == pytest.approx(whole.score, rel=1e-6)
    for layer, heatmap in found.items():
        expected = whole[layer]
        assert heatmap.signed.shape == expected.signed.shape
        size = abs(expected.signed).max()
        assert_allclose(heatmap.signed, expected.signed, atol=1e-4 * size)
        assert_allclose(heatmap.weights, expected.weights, atol=1e-4 * abs(expected.weights).max())
        assert (heatmap.scale, heatmap.translate) == (expected.scale, expected.translate)


def test_saliency_is_the_gradient_of_the_padded_image() -> None:
    found = EXPLAINER.explain(MASK, 1, method="saliency")["input"]
    prepared = EXPLAINER.network.prepare(IMAGE)
    image = prepared.tensor.clone().requires_grad_()
    EXPLAINER.network.module.eval()(image)[0, 1, 60:64, 50:55].sum().backward()
    expected = image.grad[0, 0, : IMAGE.shape[0], : IMAGE.shape[1]].abs().numpy()
    assert_allclose(found.signed, expected, rtol=1e-3, atol=1e-5 * expected.max())
    assert (found.scale, found.translate) == ((1, 1), (0, 0))


def test_integrated_gradients_are_complete() -> None:
    explainer = sgc.Explainer(EXPLAINER.network.at_precision("float64"), IMAGE)
    found = explainer.explain(MASK, 1, method="integrated-gradients", tolerance=0.05)
    facts = found.record["computed"]["method"]["input"]
    assert facts["completeness_gap"] <= 0.05
    assert found.record["computed"]["on"].startswith("1 crop")


def test_occlusion_sees_what_the_region_loses() -> None:
    found = EXPLAINER.explain(MASK, 1, method="occlusion", window=6, stride=3)["input"]
    rows, _ = np.nonzero(found.signed)
    assert rows.min() >= 60 - 30
    assert rows.max() <= 64 + 30
    assert abs(found.signed[MASK]).max() > 0


def test_grid_saliency_lies_on_the_image_and_nowhere_else() -> None:
    found = EXPLAINER.explain(MASK, 1, method="grid-saliency", steps=3, cell=8)["input"]
    (low_y, high_y), (low_x, high_x) = found.patch
    assert low_y <= 60 < 64 <= high_y
    assert low_x <= 50 < 55 <= high_x
    outside = np.ones(IMAGE.shape, bool)
    outside[low_y:high_y, low_x:high_x] = False
    assert not found.resized()[outside].any()
    for axis, (low, high) in enumerate(found.patch):
        assert found.translate[axis] - found.scale[axis] / 2 + 0.5 == pytest.approx(low)
        assert found.scale[axis] * found.signed.shape[axis] == pytest.approx(high - low)


def test_ablation_takes_all_of_the_pipeline() -> None:
    """Its weights are found first; maps, truncation and many labels are those of the family."""
    labels = np.zeros(IMAGE.shape, int)
    labels[MASK], labels[20:24, 90:95] = 1, 2
    found = EXPLAINER.explain_each(labels, 1, method="ablation-cam", truncate="support")
    for value, explanation in found.items():
        alone = EXPLAINER.explain(labels == value, 1, method="ablation-cam")
        (heatmap,), (expected,) = explanation.values(), alone.values()
        assert_allclose(heatmap.weights, expected.weights, rtol=1e-4, atol=1e-7)
        assert not heatmap.heatmap[~heatmap.kept].any()
        assert heatmap.kept.any()


@pytest.mark.parametrize("name", sorted(set(RUNNING) - {"ablation-cam"}))
def test_they_have_no_extent(name: str) -> None:
    with pytest.raises(sgc.OptionError, match="no extent to truncate"):
        EXPLAINER.explain(MASK, 1, method=name, truncate="support")


@pytest.mark.parametrize("name", RUNNING)
def test_saved_and_opened(name: str, tmp_path) -> None:
    found = EXPLAINER.explain(MASK, "predicted", "levels", method=name, **SMALL.get(name, {}))
    again = sgc.open_explanation(found.save(tmp_path / "found.sgc.zarr"))
    assert again.layers == found.layers
    for layer in found:
        np.testing.assert_array_equal(again[layer].resized(), found[layer].resized())
        assert again[layer].layer == found[layer].layer


def test_relevance_is_of_the_input_and_of_network_layers() -> None:
    found = EXPLAINER.explain(MASK, 1, "levels", method="lrp", rule="composite")
    assert found.layers[0] == "input"
    assert found.layers[1:] == EXPLAINER.explain(MASK, 1, "levels").layers
    for name, cut in found.record["computed"]["method"].items():
        parts = cut["layer"] + cut["passing"] + cut["biases"] + cut["stabiliser"]
        assert parts == pytest.approx(found.score, rel=1e-4), name
        # On the padded input, of which the heatmap has the image alone.
        sides = zip(EXPLAINER.network.prepare(IMAGE).padded_shape, found[name].scale, strict=True)
        positions = np.prod([size / scale for size, scale in sides])
        assert found[name].weights.sum() * positions == pytest.approx(cut["layer"], rel=1e-3)


@pytest.mark.parametrize("name", sorted(set(RUNNING) - {"sobel", "prediction"}))
def test_cancel_leaves_all_as_it_was(name: str) -> None:
    network = small_unet(depth=1, base_width=3)
    explainer = sgc.Explainer(network, IMAGE)
    explainer.explain(MASK, 1)
    with pytest.raises(sgc.Cancelled):
        explainer.explain(MASK, 1, "levels", method=name, cancel=CancelAfter(5))
    assert network.module.training
    assert all(p.requires_grad and p.grad is None for p in network.module.parameters())
    assert not any(m._forward_hooks for m in network.module.modules())


def test_volume() -> None:
    network = sgc.Network.from_module(sgc.UNet(ndim=3, depth=1, base_width=2), axes="CZYX")
    image = RANDOM.random((9, 20, 22), np.float32)
    explainer = sgc.Explainer(network, image)
    for name in RUNNING:
        found = explainer.explain(sgc.pixel(4, 9, 9), 1, method=name, **SMALL.get(name, {}))
        for heatmap in found.values():
            assert heatmap.signed.ndim == 3
            assert heatmap.resized().shape == image.shape


def test_layers_that_do_not_exist_are_told_though_only_the_input_is_answered() -> None:
    for name in ("prediction", "saliency", "grid-saliency", "lrp"):
        with pytest.raises(sgc.LayerError, match="no network layer 'nope'"):
            EXPLAINER.explain(MASK, 1, "nope", method=name)


@pytest.mark.parametrize("name", ["prediction", "lrp"])
def test_the_layers_of_a_record_can_be_asked_for_again(name: str) -> None:
    found = EXPLAINER.explain(MASK, 1, method=name)
    again = EXPLAINER.explain(MASK, 1, found.record["question"]["layers"], method=name)
    assert again.layers == found.layers


def test_a_network_of_a_head_alone_has_an_input() -> None:
    network = sgc.Network.from_module(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1)))
    found = sgc.explain(network, IMAGE, MASK, target=1, method="saliency")
    assert found.layers == ("input",)


@pytest.mark.parametrize("name", ["prediction", "sobel", "saliency", "occlusion", "lrp"])
def test_why_a_map_has_nothing_speaks_of_no_weights(name: str) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1))
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    network = sgc.Network.from_module(module)
    image = np.ones_like(IMAGE)
    found = sgc.explain(network, image, MASK, target=1, layers="all", method=name)
    assert found["input"].empty == METHODS[name].nothing_positive
    assert "weight" not in found["input"].empty
