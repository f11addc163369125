"""Pixel methods on networks that are not linear, and how they behave."""

import importlib
import json

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from input_scores import (
    Mixing,
    OneByOne,
    box,
    network_of,
    sample_crop,
    score_of,
    state_of,
    sum_over,
    unet,
)
from napari_seggradcam.errors import Cancelled, MissingPackage, NetworkError, OptionError
from napari_seggradcam.explain.methods.known import METHODS
from napari_seggradcam.explain.pixels import (
    InputTimesGradient,
    IntegratedGradients,
    Occlusion,
    PixelMethod,
    Saliency,
    SmoothGrad,
)
from progress import CancelAfter, Progress

attr = pytest.importorskip("captum.attr")

SHAPE = (24, 32)
SMALL: list[PixelMethod] = [
    Saliency(),
    InputTimesGradient(),
    IntegratedGradients(tolerance=0.5),
    SmoothGrad(samples=4),
    Occlusion(window=8),
]


def by_name(method: PixelMethod) -> str:
    return method.name


def image_of(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, *shape)).astype(np.float32))


def attribute(module, method, shape=SHAPE, **options):
    network = module if isinstance(module, sgc.Network) else network_of(module, ndim=len(shape))
    with score_of(network, image_of(*shape), sum_over(box(*shape)), **options) as score:
        return method.attribute(score)


def test_the_table_has_every_method_by_its_name() -> None:
    pixel_methods = {n: method for n, method in METHODS.items() if issubclass(method, PixelMethod)}
    assert list(pixel_methods) == [
        "saliency",
        "input-x-gradient",
        "integrated-gradients",
        "smooth-grad",
        "occlusion",
    ]
    assert {type(method) for method in SMALL} == set(pixel_methods.values())


@pytest.mark.parametrize("name", ["nuclei", "streets"])
@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_integrated_gradients_of_the_shipped_networks_are_complete(name, baseline) -> None:
    network, tensor, mask = sample_crop(name)
    with torch.no_grad():
        row = int(network.module.eval()(tensor)[0].argmax(0)[torch.from_numpy(mask)].mode().values)
    function = sum_over(mask, row)
    with score_of(network, tensor, function) as score:
        found = IntegratedGradients(baseline=baseline).attribute(score)
    other = torch.zeros_like(tensor)
    if baseline == "mean":
        other += tensor.mean((2, 3), keepdim=True)
    with torch.no_grad():
        difference = float(function(network.module(tensor)) - function(network.module(other)))
    assert found.values.shape == tuple(tensor.shape[1:])
    assert abs(found.values.sum(dtype=float) - difference) <= 0.01 * abs(difference)
    assert found.facts["complete"]
    assert found.facts["score_difference"] == pytest.approx(difference, rel=1e-5)


def test_integrated_gradients_are_complete_in_3d() -> None:
    found = attribute(unet(ndim=3), IntegratedGradients(), (12, 16, 8))
    assert found.facts["completeness_gap"] <= 0.01
    assert found.facts["complete"]


def test_steps_are_doubled_until_the_gap_is_small_enough() -> None:
    module = unet()
    loose = attribute(module, IntegratedGradients(tolerance=0.5)).facts
    tight = attribute(module, IntegratedGradients(tolerance=1e-3, most_steps=2048)).facts
    assert loose["steps"] == 32
    assert tight["steps"] > 32
    assert tight["completeness_gap"] <= 1e-3 < loose["completeness_gap"]


def test_a_gap_that_stays_is_told() -> None:
    facts = attribute(unet(), IntegratedGradients(tolerance=1e-9, most_steps=40)).facts
    assert facts["steps"] == 32
    assert not facts["complete"]
    assert facts["completeness_gap"] > 1e-9


def test_nothing_to_share_out_is_complete() -> None:
    module = network_of(unet())
    with score_of(module, torch.zeros(1, 1, 24, 32), sum_over(box(24, 32))) as score:
        found = IntegratedGradients().attribute(score)
    assert not found.values.any()
    assert found.facts["completeness_gap"] == 0
    assert found.facts["complete"]


@pytest.mark.parametrize("shape", [SHAPE, (8, 12, 8)])
def test_equals_captum(shape) -> None:
    module = unet(ndim=len(shape)).eval()
    mask, x = box(*shape), image_of(*shape)

    def score(x: torch.Tensor) -> torch.Tensor:
        return module(x)[:, 1][:, torch.from_numpy(mask)].double().sum(1)

    x_grad = x.clone().requires_grad_()
    windows = (1, *[4] * len(shape))
    theirs = {
        Saliency(): attr.Saliency(score).attribute(x_grad),
        InputTimesGradient(): attr.InputXGradient(score).attribute(x_grad),
        IntegratedGradients(tolerance=9): attr.IntegratedGradients(score).attribute(x, n_steps=32),
        Occlusion(window=4, stride=2): attr.Occlusion(score).attribute(
            x, windows, tuple(max(1, w // 2) for w in windows)
        ),
    }
    for method, expected in theirs.items():
        expected = expected[0].detach().numpy()
        ours = attribute(module, method, shape).values
        np.testing.assert_allclose(ours, expected, atol=2e-5 * np.abs(expected).max())


def test_input_x_gradient_of_a_bias_free_network_adds_up_to_the_score() -> None:
    module = unet(norm="none")
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    values = attribute(module, InputTimesGradient()).values
    with torch.no_grad():
        expected = float(sum_over(box(*SHAPE))(module(image_of(*SHAPE))))
    assert values.sum(dtype=float) == pytest.approx(expected, rel=1e-4)


def test_smooth_grad_is_of_its_seed_alone() -> None:
    module = unet()
    state = torch.get_rng_state()
    first = attribute(module, SmoothGrad(samples=5, seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again = attribute(module, SmoothGrad(samples=5, seed=3))
    other = attribute(module, SmoothGrad(samples=5, seed=4))
    np.testing.assert_array_equal(first.values, again.values)
    assert np.abs(first.values - other.values).max() > 0.01 * first.values.max()
    assert first.facts["seed"] == 3


def test_smooth_grad_without_noise_is_saliency() -> None:
    module = unet()
    smooth = attribute(module, SmoothGrad(samples=3, noise=0)).values
    np.testing.assert_allclose(smooth, attribute(module, Saliency()).values, rtol=1e-4, atol=1e-6)


def test_smooth_grad_averages_before_it_takes_the_size() -> None:
    """At the bottom of |x| noisy gradients are 1 and -1, and the smoothed score is flat."""

    class Size(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)
            nn.init.ones_(self.conv.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x.abs())

    tensor = torch.zeros(1, 1, 16, 16)
    tensor[..., 0, 0] = 1  # for a range
    with score_of(network_of(Size()), tensor, sum_over(np.ones((16, 16), bool))) as score:
        values = SmoothGrad(samples=400).attribute(score).values[0, 1:]
    assert values.mean() < 0.1
    assert values.max() < 0.3


@pytest.mark.parametrize("method", SMALL, ids=by_name)
@pytest.mark.parametrize("wrap", [OneByOne, Mixing])
def test_networks_that_take_one_image_get_one(method, wrap) -> None:
    inner = unet()
    expected = attribute(inner, method).values
    values = attribute(wrap(inner), method).values
    if isinstance(method, SmoothGrad):  # the noise depends on how many images share it
        assert values.shape == expected.shape
    else:
        np.testing.assert_allclose(values, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("method", SMALL, ids=by_name)
def test_an_input_that_is_changed_in_place(method) -> None:
    class InPlace(nn.Module):
        def __init__(self, inplace: bool):
            super().__init__()
            self.relu = nn.ReLU(inplace=inplace)
            self.conv = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.relu(x))

    in_place, out_of_place = InPlace(True), InPlace(False)
    out_of_place.load_state_dict(in_place.state_dict())
    given, expected = (attribute(m, method).values for m in (in_place, out_of_place))
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("method", SMALL, ids=by_name)
def test_progress_comes_to_its_end_and_facts_are_json(method) -> None:
    progress = Progress()
    found = attribute(unet(), method, progress=progress)
    progress.check()
    assert {what for _, _, what in progress.told} == {method.name}
    assert json.loads(json.dumps(found.facts)) == found.facts


@pytest.mark.parametrize("method", SMALL, ids=by_name)
@pytest.mark.parametrize("at", [0, 7, 40])
def test_a_cancelled_method_leaves_the_network_as_found(method, at) -> None:
    module = unet().train()
    module.requires_grad_(True)
    network = network_of(module)
    before = state_of(module)
    cancel = CancelAfter(at)
    needs_one_run = isinstance(method, Saliency | InputTimesGradient)
    if needs_one_run and at == 40:
        attribute(network, method, cancel=cancel)
    else:
        with pytest.raises(Cancelled):
            attribute(network, method, cancel=cancel)
    assert state_of(module) == before


@pytest.mark.parametrize("method", SMALL, ids=by_name)
def test_a_crop_with_all_that_the_region_sees_gives_the_same(method) -> None:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    network = network_of(module)
    mask = np.zeros((32, 32), bool)
    mask[16:18, 12:15] = True
    tensor = image_of(32, 32)
    window = (slice(8, 24), slice(8, 24))  # whole strides of the occlusion's windows
    with score_of(network, tensor, sum_over(mask)) as score:
        whole = method.attribute(score).values[:, *window]
    with score_of(network, tensor[:, :, *window], sum_over(mask[window])) as score:
        crop = method.attribute(score).values
    if not isinstance(method, SmoothGrad):  # which has other noise there
        inner = (slice(None), slice(4, 12), slice(4, 12))
        np.testing.assert_allclose(crop[inner], whole[inner], atol=1e-5 * np.abs(whole).max())
    assert not whole[:, 0, 0].any() or isinstance(method, Occlusion)


def test_a_network_without_gradients_is_told_and_can_be_occluded() -> None:
    class Rounding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x.detach())

    for method in SMALL:
        if isinstance(method, Occlusion):
            assert attribute(Rounding(), method).values.any()
            continue
        with pytest.raises(NetworkError, match="occlusion"):
            attribute(Rounding(), method)


def test_captum_missing(monkeypatch) -> None:
    real = importlib.import_module

    def absent(name: str, *args: object) -> object:
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", absent)
    network = network_of(unet())
    for method in SMALL:
        with pytest.raises(MissingPackage, match=r'pip install "napari-seggradcam\[methods\]"'):
            attribute(network, method)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IntegratedGradients(baseline="noise"), "no baseline 'noise'"),
        (lambda: IntegratedGradients(tolerance=0), "tolerance is 0"),
        (lambda: IntegratedGradients(most_steps=0), "steps is 0"),
        (lambda: SmoothGrad(samples=0), "samples is 0"),
        (lambda: SmoothGrad(noise=-1), "noise is -1"),
        (lambda: Occlusion(window=0), "window is 0"),
        (lambda: Occlusion(stride=(1, 0)), "stride is 0"),
        (lambda: attribute(unet(), Occlusion(window=4, stride=5)), "stride .* larger"),
        (lambda: attribute(unet(), Occlusion(window=(4, 4, 4))), "3 numbers"),
        (lambda: Occlusion(baseline="white"), "no baseline 'white'"),
    ],
)
def test_options_that_do_not_exist(make, message) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_a_baseline_of_another_shape() -> None:
    with pytest.raises(sgc.ShapeError, match=r"\(1, 1, 2, 2\)"):
        attribute(unet(), IntegratedGradients(baseline=torch.zeros(1, 1, 2, 2)))
