"""What is computed on crops is what the whole image gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks import nets
from torch import nn

import napari_seggradcam as sgc
from architectures import Coarse, DenseEncoder, DoubleConvUNet, GridGate, Pyramid
from napari_seggradcam.explain import jobs, passes
from napari_seggradcam.explain.activations import Activations
from napari_seggradcam.explain.axis_reach import AxisReach
from napari_seggradcam.explain.crops import CropPlanner
from napari_seggradcam.explain.fitting import bytes_per_pixel
from napari_seggradcam.explain.methods.gradient import LayerGradient
from napari_seggradcam.explain.reach import Reach
from napari_seggradcam.explain.regions.output import OutputRegion
from napari_seggradcam.networks.sizes import AxisRule
from progress import CancelAfter

MODULES: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: sgc.UNet(depth=2, base_width=4),
    "own without norm": lambda: sgc.UNet(depth=2, base_width=4, norm="none"),
    "own, interpolating": lambda: sgc.UNet(depth=2, base_width=4, upsampling="interpolate"),
    "own, unpadded": lambda: sgc.UNet(depth=2, base_width=4, convolution="valid"),
    "own, one row": lambda: sgc.UNet(depth=2, base_width=4, out_channels=1),
    "BasicUNet": lambda: nets.BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        features=(4, 4, 4, 4, 4, 4),
        norm="batch",
    ),
    "UNet": lambda: nets.UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        channels=(4, 4, 4),
        strides=(2, 2),
        num_res_units=2,
        norm="batch",
    ),
    "aligned corners": DoubleConvUNet,
    "coarse logits": Coarse,
    "dense": DenseEncoder,
    "gate": GridGate,
    "pyramid": Pyramid,
}
SHAPE = (120, 150)
IMAGE = np.random.default_rng(7).random(SHAPE, np.float32)


def network_of(name: str) -> sgc.Network:
    torch.manual_seed(3)
    module = MODULES[name]()
    for child in module.modules():  # norms that do something
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean.normal_(0, 0.3)
            child.running_var.uniform_(0.5, 2)
    return sgc.Network.from_module(module)


@dataclass
class Both:
    """One network, asked on crops and on the whole image."""

    network: sgc.Network
    explainer: sgc.Explainer
    whole: sgc.Explainer


@pytest.fixture(scope="module", params=MODULES)
def both(request: pytest.FixtureRequest) -> Both:
    network = network_of(request.param)
    return Both(network, sgc.Explainer(network, IMAGE), sgc.Explainer(network, IMAGE))


@dataclass
class Whole:
    """The answer of a network that is said to see the whole image, and what was summed to it."""

    explanation: sgc.Explanation
    summed: list[tuple[float, float]]


def on_the_whole(ask: Callable[[], sgc.Explanation]) -> Whole:
    summed: list[tuple[float, float]] = []

    below = jobs.fill

    def spy(
        answers: object,
        weights: object,
        gradients: Sequence[LayerGradient],
        maps: torch.Tensor,
        box: object,
    ) -> None:
        for one in gradients:
            size = one.size.float().expand(maps.shape[1])
            size = size / maps[0, 0].numel()
            largest = torch.tensordot(size, maps[0].float().abs(), dims=1).max()
            summed.append((float(size.max()), float(largest)))
        below(answers, weights, gradients, maps, box)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "reach_of", lambda *_: Reach(None, "test"))
        patch.setattr(jobs, "fill", spy)
        return Whole(ask(), summed)


def assert_same(found: sgc.Explanation, whole: Whole) -> None:
    """Equal to 1e-5 of what was summed."""
    expected = whole.explanation
    assert found.layers == expected.layers
    assert found.score == pytest.approx(expected.score, rel=1e-5, abs=1e-5)
    for name, (for_weights, for_signed) in zip(expected, whole.summed, strict=True):
        difference = np.abs(found[name].weights - expected[name].weights).max()
        assert difference <= 1e-5 * for_weights, name
        assert np.abs(found[name].signed - expected[name].signed).max() <= 1e-5 * for_signed, name
        assert found[name].empty == expected[name].empty


@st.composite
def regions(draw: st.DrawFn) -> np.ndarray:
    """One to three boxes anywhere, from a pixel up."""
    mask = np.zeros(SHAPE, bool)
    for _ in range(draw(st.integers(1, 3))):
        box = []
        for size in SHAPE:
            extent = draw(st.sampled_from([1, 2, 9, 30]))
            start = draw(
                st.one_of(st.just(0), st.just(size - extent), st.integers(0, size - extent))
            )
            box.append(slice(start, start + extent))
        mask[tuple(box)] = True
    return mask


@settings(deadline=None, max_examples=12)
@given(mask=regions(), target=st.integers(0, 1))
def test_any_region(both: Both, mask: np.ndarray, target: int) -> None:
    found = both.explainer.explain(mask, target, "all")
    whole = on_the_whole(lambda: both.whole.explain(mask, target, "all"))
    assert_same(found, whole)


def test_a_pixel_runs_on_a_crop_and_everything_on_the_whole(both: Both) -> None:
    on = both.explainer.explain(sgc.pixel(60, 70), 1, "levels").record["computed"]["on"]
    if isinstance(both.network.module, DoubleConvUNet):
        assert on.startswith("the whole image. What the network computes depends on the size")
    elif isinstance(both.network.module, nets.BasicUNet):  # sees 94 pixels to each side
        assert on == "the whole image. Most of the image matters to the region."
    else:
        assert on.startswith("1 crop, ")
    on = both.explainer.explain(sgc.everywhere(), 1, "levels").record["computed"]["on"]
    assert on.startswith("the whole image. ")


@pytest.mark.parametrize("memory", [0, 200_000, 2_000_000])
def test_with_little_memory(memory: int) -> None:
    """What is not kept is computed again, and M is split until passes fit."""
    network = network_of("own")
    explainer = sgc.Explainer(network, IMAGE, memory=memory)
    mask = np.zeros(SHAPE, bool)
    mask[20:60, 30:80] = True
    whole = on_the_whole(lambda: sgc.explain(network, IMAGE, mask, target=1, layers="all"))
    for _ in range(2):
        assert_same(explainer.explain(mask, 1, "all"), whole)
        assert explainer.memory_used <= memory


def test_far_apart_parts_are_crops_of_their_own() -> None:
    network = network_of("own")
    image = np.random.default_rng(1).random((400, 400), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[5:9, 6:9] = mask[380:390, 370:390] = True
    found = sgc.explain(network, image, mask, target=1, layers="all")
    assert found.record["computed"]["on"].startswith("2 crops, ")
    assert_same(
        found, on_the_whole(lambda: sgc.explain(network, image, mask, target=1, layers="all"))
    )


def test_volume() -> None:
    torch.manual_seed(0)
    network = sgc.Network.from_module(sgc.UNet(ndim=3, depth=1, base_width=2), axes="CZYX")
    volume = np.random.default_rng(1).random((20, 44, 50), np.float32)
    mask = np.zeros(volume.shape, bool)
    mask[9, 20:22, 30] = True
    explainer = sgc.Explainer(network, volume)
    whole = on_the_whole(lambda: sgc.explain(network, volume, mask, target=1, layers="all"))
    for _ in range(2):
        found = explainer.explain(mask, 1, "all")
        assert found.record["computed"]["on"].startswith("1 crop, ")
        assert_same(found, whole)


@pytest.mark.parametrize("how", ["once", "kept", "without a tape"])
def test_many_labels_at_once(both: Both, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops of one shape in a batch, crops of others, and a label that needs the whole image."""
    labels = np.zeros(SHAPE, np.uint8)
    for value, (y, x) in enumerate([(0, 0), (40, 60), (44, 90), (100, 140), (70, 20)], start=1):
        labels[y : y + 5, x : x + 7] = value
    labels[110:, 5:120] = labels[:8, 20:140] = 200
    if how == "without a tape":
        monkeypatch.setattr(Activations, "replay", lambda self, layers, windows: None)
    explainer = sgc.Explainer(both.network, IMAGE, once=how == "once")
    found = explainer.explain_each(labels, "predicted", "all")
    assert list(found) == [1, 2, 3, 4, 5, 200]
    for value, explanation in found.items():
        mask = labels == value
        whole = on_the_whole(lambda m=mask: both.whole.explain(m, "predicted", "all"))
        assert_same(explanation, whole)
        np.testing.assert_array_equal(explanation.region, mask)
        assert explanation.target == whole.explanation.target
        assert explanation.record["asked_together"] == 6


def test_crops_of_one_shape_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("own")
    sizes: list[int] = []
    replay = Activations.replay

    def spy(self: Activations, layers: object, windows: Sequence[object]) -> object:
        sizes.append(len(windows))
        return replay(self, layers, windows)

    monkeypatch.setattr(Activations, "replay", spy)
    explainer = sgc.Explainer(network, IMAGE)
    explainer.explain(sgc.pixel(0, 0), 1, "levels")
    labels = np.zeros(SHAPE, int)
    labels[50, 50], labels[60, 90], labels[70, 100] = 1, 2, 3
    seen: list[tuple[int, int]] = []
    explainer.explain_each(labels, 1, "levels", progress=lambda *step: seen.append(step[:2]))
    assert sizes == [1, 3]
    assert seen == [(step, 15) for step in range(1, 16)]
    explainer.memory = 4000 * bytes_per_pixel(network)  # for one crop of 48² and a bit
    explainer.explain_each(labels, 1, "levels")
    assert sizes == [1, 3, 1, 1, 1]


def test_whole_image_questions_share_the_pass_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("aligned corners")
    labels = np.zeros(SHAPE, int)
    labels[50, 50], labels[60, 90] = 1, 2
    alone = {value: sgc.explain(network, IMAGE, labels == value, target=1) for value in (1, 2)}
    runs: list[int] = []
    run = sgc.Network.run

    def spy(self: sgc.Network, *args: object) -> torch.Tensor:
        runs.append(1)
        return run(self, *args)

    monkeypatch.setattr(sgc.Network, "run", spy)
    found = sgc.Explainer(network, IMAGE).explain_each(labels, 1)
    assert len(runs) == 1
    for value, explanation in found.items():
        for name, heatmap in explanation.items():
            np.testing.assert_allclose(heatmap.signed, alone[value][name].signed, rtol=1e-5)


def test_no_label_is_no_explanation() -> None:
    assert sgc.Explainer(network_of("own"), IMAGE).explain_each(np.zeros(SHAPE, int)) == {}


def test_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums behind the weights agree to 1e-10 of what was summed."""
    network = network_of("own")
    network.module.double()
    sums: list[tuple[np.ndarray, np.ndarray]] = []

    weigh = jobs.Job.weigh

    def spy(self: jobs.Job, name: str, *args: object) -> object:
        gradient = self.gradients[name]
        sums.append((gradient.total.numpy(), gradient.size.numpy()))
        return weigh(self, name, *args)

    monkeypatch.setattr(jobs.Job, "weigh", spy)
    mask = np.zeros(SHAPE, bool)
    mask[0:9, 100:120] = mask[100, 3] = True
    found = sgc.explain(network, IMAGE, mask, target=1, layers="levels")
    assert "crop" in found.record["computed"]["on"]
    on_the_whole(lambda: sgc.explain(network, IMAGE, mask, target=1, layers="levels"))
    half = len(sums) // 2
    for (cropped, _), (whole, size) in zip(sums[:half], sums[half:], strict=True):
        assert np.abs(cropped - whole).max() <= 1e-10 * size.max()


def test_weights_that_change_are_noticed() -> None:
    network = network_of("own")
    explainer = sgc.Explainer(network, IMAGE)
    before = explainer.explain(sgc.pixel(60, 70), 1, "all")
    with torch.no_grad():
        network.module.head.weight.mul_(2)
    after = explainer.explain(sgc.pixel(60, 70), 1, "all")
    for name in before:
        if "head" not in name and before[name].weights.any():
            np.testing.assert_allclose(after[name].weights, 2 * before[name].weights, rtol=1e-4)


def test_a_cancelled_question_keeps_nothing_half_done() -> None:
    network = network_of("own")
    explainer = sgc.Explainer(network, IMAGE)
    with pytest.raises(sgc.Cancelled):
        explainer.explain(sgc.pixel(60, 70), 1, "all", cancel=CancelAfter(12))
    assert explainer.memory_used == 0
    whole = on_the_whole(
        lambda: sgc.explain(network, IMAGE, sgc.pixel(60, 70), target=1, layers="all")
    )
    assert_same(explainer.explain(sgc.pixel(60, 70), 1, "all"), whole)


class Planning:
    """A planner for a network with a known reach."""

    def __init__(self, most: int = 10**9):
        axes = [AxisReach(8, 8, -20, 27), AxisReach(8, 8, -20, 27)]
        rules = [AxisRule(16, 8, 8, 1, 0), AxisRule(16, 8, 8, 1, 0)]
        self.axes, self.planner = axes, CropPlanner(axes, rules, (400, 480), most)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_crops_share_out_the_region_and_cover_what_it_sees(data: st.DataObject) -> None:
    most = data.draw(st.sampled_from([10**9, 96**2, 120**2]))
    planning = Planning(most)
    weights = np.zeros((400, 480))
    for _ in range(data.draw(st.integers(1, 6))):
        y, x = data.draw(st.integers(0, 390)), data.draw(st.integers(0, 470))
        weights[y : y + data.draw(st.integers(1, 60)), x : x + data.draw(st.integers(1, 60))] = 1
    crops = planning.planner.plan(OutputRegion((0, 0), weights, ""))
    total = np.zeros_like(weights)
    for crop in crops:
        assert crop.pixels <= max(most, 64**2)
        total[crop.outputs] += crop.region.weights
        for axis, window, outputs, inner in zip(
            planning.axes, crop.window, crop.outputs, crop.region.box, strict=True
        ):
            assert window.start % axis.stride == 0
            assert window.start <= max(0, outputs.start - axis.before)
            size = (400, 480)[axis is planning.axes[1]]
            assert window.stop >= min(size, outputs.stop + axis.after)
            assert inner.start == outputs.start - window.start
    np.testing.assert_array_equal(total, weights)


def test_less_memory_lets_go_of_what_was_kept() -> None:
    explainer = sgc.Explainer(network_of("own"), IMAGE)
    first = explainer.explain(sgc.pixel(30, 40), 1, "levels")
    assert explainer.memory_used > 100_000
    explainer.memory = 100_000
    assert explainer.memory_used <= 100_000
    again = explainer.explain(sgc.pixel(30, 40), 1, "levels")
    for name, heatmap in first.items():
        np.testing.assert_allclose(again[name].signed, heatmap.signed, rtol=1e-4, atol=1e-9)
    assert explainer.memory_used <= 100_000
