"""A network that is one convolution: every pixel method has a known answer."""

import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve
from torch import nn

from input_scores import box, network_of, score_of, sum_over
from napari_seggradcam.explain.pixels import (
    InputTimesGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    SmoothGrad,
)

pytest.importorskip("captum")

SHAPES = {2: (12, 10), 3: (6, 8, 5)}
CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}


class Case:
    """S = b + Σ w·x, with w by `scipy.signal.convolve` instead of autograd."""

    def __init__(self, ndim: int):
        self.module = CONVOLUTION[ndim](2, 2, 3, padding=1)
        self.network = network_of(self.module, 2, ndim)
        self.image = np.random.default_rng(1).normal(size=(2, *SHAPES[ndim])).astype(np.float32)
        self.tensor = torch.from_numpy(self.image)[None]
        self.mask = box(*SHAPES[ndim])
        kernels = self.module.weight[1].detach().double().numpy()
        self.w = np.stack([convolve(self.mask.astype(float), k, "same") for k in kernels])

    def attribute(self, method):
        with score_of(self.network, self.tensor, sum_over(self.mask)) as score:
            return method.attribute(score)


@pytest.fixture(params=[2, 3])
def case(request) -> Case:
    return Case(request.param)


def close(given, expected) -> None:
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_saliency_is_the_size_of_the_weights(case) -> None:
    close(case.attribute(Saliency()).values, np.abs(case.w))


def test_input_x_gradient_is_weight_times_value(case) -> None:
    close(case.attribute(InputTimesGradient()).values, case.w * case.image)


def test_smooth_grad_is_the_size_of_the_weights_whatever_the_noise(case) -> None:
    close(case.attribute(SmoothGrad(samples=3, noise=0.7)).values, np.abs(case.w))


def baselines(image: np.ndarray) -> dict[str, np.ndarray]:
    axes = tuple(range(1, image.ndim))
    sigma = (0, *[10] * len(axes))
    return {
        "zero": np.zeros_like(image),
        "mean": np.broadcast_to(image.mean(axes, keepdims=True), image.shape),
        "blur": gaussian_filter(image.astype(float), sigma, mode="nearest"),
    }


@pytest.mark.parametrize("kind", ["zero", "mean", "blur"])
def test_integrated_gradients_are_exact(case, kind) -> None:
    found = case.attribute(IntegratedGradients(baseline=kind))
    close(found.values, case.w * (case.image - baselines(case.image)[kind]))
    assert found.facts["completeness_gap"] < 1e-5
    assert found.facts["steps"] == 32
    assert found.facts["baseline"] == kind


def test_a_baseline_of_ones_own(case) -> None:
    other = np.random.default_rng(2).normal(size=case.image.shape).astype(np.float32)
    found = case.attribute(IntegratedGradients(baseline=torch.from_numpy(other)[None]))
    close(found.values, case.w * (case.image - other))
    assert found.facts["baseline"] == "given"


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 2), (4, 4), (99, 99)])
@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_occlusion_is_the_mean_over_windows_of_what_they_take_away(
    case, window, stride, kind
) -> None:
    found = case.attribute(Occlusion(window=window, stride=stride, baseline=kind))
    loss = (case.w * (case.image - baselines(case.image)[kind])).sum(0)
    total, count = np.zeros_like(loss), np.zeros_like(loss)
    starts = [
        range(0, n - min(window, n) + stride, stride) if window < n else (0,) for n in loss.shape
    ]
    for first in itertools.product(*starts):
        place = tuple(slice(f, f + window) for f in first)
        if all(f < n for f, n in zip(first, loss.shape, strict=True)):
            total[place] += loss[place].sum()
            count[place] += 1
    assert found.facts["windows"] == sum(1 for _ in itertools.product(*starts))
    for channel in found.values:
        close(channel, total / count)


def test_windows_of_another_length_an_axis(case) -> None:
    sizes = case.image.shape[1:]
    window = (1,) * (len(sizes) - 1) + (sizes[-1],)
    found = case.attribute(Occlusion(window=window, stride=window))
    rows = (case.w * case.image).sum((0, -1))
    close(found.values[0], np.broadcast_to(rows[..., None], sizes))


def test_double_precision_stays(case) -> None:
    network = case.network.at_precision("float64")
    with score_of(network, case.tensor, sum_over(case.mask)) as score:
        values = Saliency().attribute(score).values
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, np.abs(case.w), rtol=1e-9, atol=1e-12)
