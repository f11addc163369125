"""What Seg-Grad-CAM must be by algebra, whatever the weights of the network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain.capture import Capture
from napari_seggradcam.explain.patches import Patch
from napari_seggradcam.networks.running import as_found

IMAGE = np.random.default_rng(0).random((32, 48), np.float32)


def boxes() -> st.SearchStrategy[np.ndarray]:
    def box(y: int, x: int, height: int, width: int) -> np.ndarray:
        mask = np.zeros(IMAGE.shape, bool)
        mask[y : y + height, x : x + width] = True
        return mask

    return st.builds(
        box, st.integers(0, 31), st.integers(0, 47), st.integers(1, 20), st.integers(1, 20)
    )


EXPLAINER = sgc.Explainer(small_unet(), IMAGE)


@settings(deadline=None, max_examples=25)
@given(boxes())
def test_before_the_head_the_map_is_the_logit_scaled_by_the_region(mask: np.ndarray) -> None:
    """With a head of width 1, Seg-Grad-CAM is (|M| / N) (y_c - b_c) at every pixel."""
    explanation = EXPLAINER.explain(mask, target=1, layers="decoder 0 relu 2")
    bias = EXPLAINER.network.module.head.bias[1].item()
    expected = mask.mean() * (EXPLAINER.logits[1] - bias)
    assert_allclose(explanation["decoder 0 relu 2"].signed, expected, atol=1e-6, rtol=1e-4)


@settings(deadline=None, max_examples=25)
@given(boxes(), boxes())
def test_weights_add_over_disjoint_regions(first: np.ndarray, second: np.ndarray) -> None:
    second = second & ~first
    if not second.any():
        return
    parts = [EXPLAINER.explain(m, 1, "all") for m in (first, second)]
    both = EXPLAINER.explain(first | second, 1, "all")
    assert both.score == pytest.approx(sum(p.score for p in parts), rel=1e-6, abs=1e-6)
    for name in both:
        size = max(np.abs(p[name].weights).max() for p in parts)
        added = parts[0][name].weights + parts[1][name].weights
        assert_allclose(both[name].weights, added, atol=2e-5 * size + 1e-12)


def test_one_row_of_logits_has_two_classes_of_opposite_sign() -> None:
    explainer = sgc.Explainer(small_unet(out_channels=1), IMAGE)
    region = sgc.pixel(4, 5)
    one, zero = (explainer.explain(region, target, "all") for target in (1, 0))
    assert one.score == -zero.score == pytest.approx(float(explainer.logits[1, 4, 5]), rel=1e-6)
    for name in one:
        assert_allclose(one[name].signed, -zero[name].signed)


@pytest.mark.parametrize("target", [0, 1])
def test_score_passes_once_through_bottleneck_and_skips(target: int) -> None:
    """In a ReLU network without biases S = Σ G·A over every cut between image and logits."""
    network = small_unet(norm="none")
    for name, parameter in network.module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    layers = [x for x in network.layers if x.kind == "skip" or x.name == "bottleneck relu 2"]
    assert len(layers) == 3
    shares = {}
    with as_found(network.module), torch.enable_grad():
        capture = Capture(network.module, layers, lambda name: None)
        with capture:
            logits = network.run(network.prepare(IMAGE).tensor, capture.calls(2, None))
        score = logits[0, target, 5:9, 7:30].double().sum()

        def on_gradient(name: str, patch: Patch) -> None:
            shares[name] = float((capture.maps[name].detach() * patch.values).sum())

        capture.backward(score, on_gradient, None)
    assert sum(shares.values()) == pytest.approx(score.item(), rel=1e-4)
    assert all(share != 0 for share in shares.values())


def test_linear_network_has_the_mean_of_its_kernel_as_weights() -> None:
    """One convolution K behind A: dS/dA sums K over M, so α = |M| ΣK / N away from borders."""
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 3, padding=1))
    network = sgc.Network.from_module(module)
    mask = np.zeros(IMAGE.shape, bool)
    mask[5:11, 8:20] = True
    heatmap = sgc.explain(network, IMAGE, mask, target=1, layers="0")["bottleneck conv"]
    expected = mask.mean() * module[1].weight[1].sum((1, 2)).detach().numpy()
    assert_allclose(heatmap.weights, expected, rtol=1e-5, atol=1e-8)


def test_far_cue_lights_up_because_weights_are_means() -> None:
    """A hand-set detector: the cue that M can't see gets exactly as much as the one it sees."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 2, 3, padding=1))
    nn.init.ones_(module[0].weight)
    nn.init.ones_(module[2].weight)
    image = np.zeros((32, 32), np.float32)
    image[8, 8] = image[25, 25] = 1
    network = sgc.Network.from_module(module)
    signed = sgc.explain(network, image, sgc.pixel(8, 9), target=1, layers="1")["bottleneck relu"]
    assert signed.signed[8, 8] == signed.signed[25, 25] > 0


def test_instance_norm_removes_the_weights_of_the_convolution_before_it() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.InstanceNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 2, 1),
    )
    explanation = sgc.explain(
        sgc.Network.from_module(module), IMAGE, sgc.pixel(9, 9), target=1, layers="all"
    )
    before, after = explanation["bottleneck conv"], explanation["bottleneck relu"]
    assert not before.weights.any()
    assert not before.signed.any()
    assert "normalisation" in before.empty
    assert after.weights.any()


def test_logits_of_nothing_but_biases_have_no_gradient_path() -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.seen(x) * torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)

    network = sgc.Network.from_module(Blind())
    explanation = sgc.explain(network, IMAGE, sgc.everywhere(), target=1, layers="seen")
    (heatmap,) = explanation.values()
    assert "No gradient" in heatmap.empty


def test_all_negative_evidence_is_said() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 2, 1))
    nn.init.ones_(module[0].weight)
    nn.init.constant_(module[2].weight, -1)
    heatmap = sgc.explain(
        sgc.Network.from_module(module), IMAGE, sgc.everywhere(), target=1, layers="1"
    )["bottleneck relu"]
    assert (heatmap.signed <= 0).all()
    assert heatmap.signed.any()
    assert not heatmap.heatmap.any()
    assert "No positive evidence" in heatmap.empty
