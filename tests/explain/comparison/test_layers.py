"""Network layers compared: closed forms, designed networks, and the rules for recommending."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from architectures import small_unet
from napari_seggradcam.explain.comparison.layer_facts import LayerFacts
from napari_seggradcam.explain.comparison.layers import compare_layers
from napari_seggradcam.explain.comparison.recommending import judged, reasons_against
from progress import CancelAfter

IMAGE = np.random.default_rng(0).random((32, 48), np.float32)
MASK = np.zeros(IMAGE.shape, bool)
MASK[5:12, 6:20] = True
ELSEWHERE = np.zeros(IMAGE.shape, bool)
ELSEWHERE[20:28, 28:42] = True


@pytest.fixture(scope="module")
def explainer() -> sgc.Explainer:
    """Of a network that predicts either class at half of the pixels."""
    network = small_unet()
    first, second = network.predict(IMAGE)
    with torch.no_grad():
        network.module.head.bias[1] += float(np.median(first - second))
    return sgc.Explainer(network, IMAGE)


def test_before_the_head_the_signed_map_is_an_echo_of_the_logits(explainer) -> None:
    """There the signed map is (|M| / N) (y_c - b_c): whatever M is, the same but for a factor."""
    compared = compare_layers(explainer, MASK, 1, other_region=ELSEWHERE)
    row = compared["decoder 0 relu 2"]
    assert row.logit_echo == pytest.approx(1, abs=1e-6)
    assert row.blindness == pytest.approx(1, abs=1e-6)
    assert not row.recommended
    assert "repeats the logits" in row.why


def test_rows_are_what_explain_gives(explainer) -> None:
    compared = compare_layers(explainer, MASK, 1, other_region=ELSEWHERE)
    expected = explainer.explain(MASK, 1, "all")
    other = explainer.explain(ELSEWHERE, 1, "all")
    assert tuple(row.name for row in compared) == expected.layers
    assert compared.score == pytest.approx(expected.score, rel=1e-6)
    assert (compared.target, compared.class_name) == (expected.target, expected.class_name)
    for row in compared:
        heatmap = expected[row.name]
        assert row.empty == heatmap.empty
        assert row.resolution == heatmap.signed.shape
        if heatmap.empty is None and other[row.name].empty is None:
            correlation = np.corrcoef(heatmap.heatmap.ravel(), other[row.name].heatmap.ravel())
            assert row.blindness == pytest.approx(correlation[0, 1], abs=1e-4)
            resized = heatmap.resized()
            assert row.inside == pytest.approx(resized[MASK].sum() / resized.sum(), rel=1e-4)


def test_before_the_head_all_of_the_score_but_the_bias_passes(explainer) -> None:
    """S = Σ_M (w·A + b) and dS/dA = 1_M w, so Σ G·A = S - |M| b."""
    row = compare_layers(explainer, MASK, 1, "decoder 0 relu 2")["decoder 0 relu 2"]
    bias = explainer.network.module.head.bias[1].item()
    score = float(explainer.logits[1][MASK].sum(dtype=np.float64))
    assert row.passes == pytest.approx(score - MASK.sum() * bias, rel=1e-5)
    assert row.share == pytest.approx(row.passes / score, rel=1e-6)


@pytest.mark.parametrize("target", [0, 1])
def test_without_biases_the_cut_has_all_of_the_score(target: int) -> None:
    """Closed form: a ReLU network without biases is homogeneous of degree one at every cut."""
    network = small_unet(norm="none")
    for name, parameter in network.module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    explainer = sgc.Explainer(network.at_precision("float64"), IMAGE)
    compared = compare_layers(explainer, MASK, target)
    assert [one.name for one in compared.cut] == ["skip 0", "skip 1", "bottleneck relu 2"]
    assert abs(compared.residual) < 1e-9
    assert all(one.share != 0 for one in compared.cut)
    # The cut is asked whether or not its network layers are among those compared.
    assert compare_layers(explainer, MASK, target, "bottleneck").cut == compared.cut


def test_with_biases_the_residual_is_what_they_add(explainer) -> None:
    compared = compare_layers(explainer, MASK, 1, "bottleneck")
    passes = sum(one.passes for one in compared.cut)
    assert compared.residual == pytest.approx(1 - passes / compared.score, rel=1e-6)
    assert abs(compared.residual) > 1e-3


def test_behind_linear_layers_the_map_is_blind_to_the_region() -> None:
    """Closed form: α is |M| ΣK / N for every M inside, so that maps differ by a factor alone.

    The head sees one pixel around M, and Seg-Grad-CAM still lights the same everywhere.
    """
    module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    explainer = sgc.Explainer(sgc.Network.from_module(module), IMAGE)
    (row,) = compare_layers(explainer, MASK, 1, "1", other_region=ELSEWHERE)
    assert row.blindness == pytest.approx(1, abs=1e-6)
    assert "the same for another region" in row.why


class Edges(nn.Module):
    """By hand: one network layer has the size of the Sobel gradient, and the class counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.sobel = nn.Conv2d(1, 2, 3, padding=1, padding_mode="replicate", bias=False)
        across = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.sobel.weight.data = torch.stack([across, across.T])[:, None]
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(1, 2, 1)
        nn.init.ones_(self.head.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = self.relu(self.sobel(x).square().sum(1, keepdim=True).sqrt())
        return self.head(size)


def test_a_layer_of_edges_is_called_an_echo_of_edges() -> None:
    network = sgc.Network.from_module(Edges())
    (row,) = compare_layers(sgc.Explainer(network, IMAGE), MASK, 1, "relu")
    assert row.edge_echo == pytest.approx(1, abs=1e-6)
    assert not row.recommended
    assert "repeats the image's edges" in row.why


def test_a_layer_without_weights_is_zero_for_a_reason() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)
    )
    compared = compare_layers(sgc.Explainer(sgc.Network.from_module(module), IMAGE), MASK, 1)
    row = compared["bottleneck conv"]
    assert "normalisation" in row.empty
    assert math.isnan(row.sparsity)
    assert math.isnan(row.inside)
    assert not row.recommended
    assert "normalisation" in row.why


def test_networks_that_pass_the_skips_by_have_no_cut() -> None:
    class PassesBy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(1, 4, 3, padding=1)
            self.deep = nn.Conv2d(4, 4, 2, 2)
            self.up = nn.ConvTranspose2d(4, 4, 2, 2)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.enter(x)
            return self.head(self.up(self.deep(x)) * x.mean((2, 3), keepdim=True))

    compared = compare_layers(sgc.Explainer(sgc.Network.from_module(PassesBy()), IMAGE), MASK, 1)
    assert compared.cut == ()
    assert math.isnan(compared.residual)
    assert "gets past" in compared.no_cut


def test_other_region_is_the_rest_of_the_class_or_the_mirror_image(explainer) -> None:
    predicted = explainer.prediction
    target = int(np.bincount(predicted.ravel()).argmax())
    part = (predicted == target) & (np.arange(48) < 24)
    name = explainer.network.classes[target]
    rest = compare_layers(explainer, part, target, "bottleneck")
    assert rest.other_region == f"the other pixels predicted as {name!r}"
    given = (predicted == target) & ~part
    asked = compare_layers(explainer, part, target, "bottleneck", other_region=given)
    assert rest.rows == asked.rows
    mirrored = compare_layers(explainer, predicted == target, target, "bottleneck")
    assert mirrored.other_region == "the mirror image of the region"
    everything = compare_layers(explainer, sgc.everywhere(), target, "bottleneck")
    assert "none" in everything.other_region
    assert math.isnan(everything.rows[0].blindness)


GOOD = LayerFacts(
    name="encoder 1 relu",
    role="encoder",
    level=1,
    channels=4,
    resolution=(8, 8),
    passes=1.0,
    share=0.4,
    sparsity=0.5,
    empty=None,
    mask_echo=0.3,
    logit_echo=0.2,
    edge_echo=0.1,
    blindness=0.4,
    inside=0.2,
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"empty": "No gradient reaches this."}, "No gradient reaches this"),
        ({"mask_echo": -0.85}, "mask"),
        ({"logit_echo": 0.85}, "logits"),
        ({"edge_echo": 0.6}, "edges"),
        ({"blindness": 0.95}, "another region"),
        ({"share": -0.01}, "hardly any of the score"),
        ({"share": math.nan}, "hardly any of the score"),
    ],
)
def test_every_rule_is_a_reason_on_its_own(change: dict[str, object], reason: str) -> None:
    assert reasons_against(GOOD) == []
    (found,) = reasons_against(replace(GOOD, **change))
    assert reason in found


def test_one_of_a_stage_is_recommended() -> None:
    more = replace(GOOD, name="encoder 1 conv", share=-0.5)
    deeper = replace(GOOD, name="encoder 2 relu", level=2, blindness=math.nan)
    first, second, third = judged([GOOD, more, deeper])
    assert not first.recommended
    assert "encoder 1 conv stands for it" in first.why
    assert second.recommended
    assert "against the class" in second.why
    assert third.recommended
    assert "no map of another region" in third.why


def test_the_recommended_are_in_order_and_in_the_table(explainer) -> None:
    compared = compare_layers(explainer, MASK, 1, other_region=ELSEWHERE)
    frame = compared.to_frame()
    assert list(frame.index) == [row.name for row in compared]
    assert frame.loc["skip 0", "share"] == compared["skip 0"].share
    assert set(frame.index[frame["recommended"]]) == {row.name for row in compared.recommended}
    with pytest.raises(KeyError) as told:
        compared["no such layer"]
    assert isinstance(told.value, sgc.LayerError)
    assert str(told.value).startswith("The comparison has no network layer 'no such layer'; it has")


def test_progress_counts_to_its_end_and_cancel_leaves_nothing(explainer) -> None:
    steps: list[tuple[int, int]] = []
    compare_layers(
        explainer, MASK, 1, progress=lambda done, total, name: steps.append((done, total))
    )
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert steps[-1][0] == steps[-1][1]
    before = [len(m._forward_hooks) for m in explainer.network.module.modules()]
    with pytest.raises(sgc.Cancelled):
        compare_layers(explainer, MASK, 1, cancel=CancelAfter(9))
    assert [len(m._forward_hooks) for m in explainer.network.module.modules()] == before


def test_volumes_are_compared_as_images_are() -> None:
    torch.manual_seed(0)
    network = sgc.Network.from_module(sgc.UNet(ndim=3, depth=1, base_width=2), axes="CZYX")
    volume = np.random.default_rng(0).random((8, 8, 10), np.float32)
    compared = compare_layers(sgc.Explainer(network, volume), sgc.pixel(2, 3, 4), 1)
    assert compared["bottleneck relu 2"].resolution == (4, 4, 5)
    assert compared["decoder 0 relu 2"].logit_echo == pytest.approx(1, abs=1e-5)
    assert len(compared.cut) == 2
