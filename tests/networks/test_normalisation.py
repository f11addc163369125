"""Normalisations against their formulas in numpy."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_seggradcam.errors import OptionError, ShapeError
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import (
    MeanStd,
    Normalisation,
    Percentile,
    PercentileClip,
    ZeroMeanUnitVariance,
    normalisation_from_dict,
    normalisation_to_dict,
)
from napari_seggradcam.networks.normalisation_steps import (
    Affine,
    Binarize,
    Cast,
    Clip,
    PerChannel,
    ScaleLinear,
    Sigmoid,
    Softmax,
    Steps,
)
from napari_seggradcam.networks.statistics import mean_and_deviation, percentiles
from napari_seggradcam.networks.unet import UNet

RANDOM = np.random.default_rng(3)
VALUES = (RANDOM.random((2, 9, 11)) * [[[1]], [[4000]]] + [[[0]], [[30_000]]]).astype(np.float32)
ALL: list[Normalisation] = [
    Percentile(),
    Percentile(5, 90),
    ZeroMeanUnitVariance(),
    MeanStd((0.5, 0.1), (0.2, 0.3), 255.0),
    Percentile(0, 100, eps=1e-6, joint=True),
    PercentileClip(10, 80),
    PercentileClip(high=80, joint=True, interpolated=False),
    ZeroMeanUnitVariance(eps=0.1, joint=True),
    ZeroMeanUnitVariance(least=1e-8),
    Affine((1.0,), (2.0,)),
    ScaleLinear((0.5, 2.0), (1.0, -1.0)),
    Clip((100.0,), None),
    Clip(None, (10.0, 500.0)),
    Binarize((0.5, 30_000.0)),
    Cast("float64"),
    Cast("bool"),
    Sigmoid(),
    Softmax(),
    Steps((PercentileClip(1, 99, joint=True), ZeroMeanUnitVariance(), Clip((0.0,)), Sigmoid())),
    PerChannel((Percentile(), Steps((ScaleLinear((2.0,)), ZeroMeanUnitVariance(joint=True))))),
]


def test_percentiles_become_zero_and_one() -> None:
    result = Percentile(2, 95)(VALUES)
    for before, after in zip(VALUES, result, strict=True):
        low, high = np.percentile(before, [2, 95])
        np.testing.assert_allclose(after, (before - low) / (high - low), rtol=1e-5, atol=1e-6)
    assert result.min() < 0 < 1 < result.max()  # not clipped


def test_zero_mean_and_unit_variance() -> None:
    result = ZeroMeanUnitVariance()(VALUES)
    np.testing.assert_allclose(result.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std((1, 2)), 1, rtol=1e-5)


def test_fixed_mean_and_deviation() -> None:
    mean, std = np.array([[[0.5]], [[0.1]]]), np.array([[[0.2]], [[0.3]]])
    expected = (VALUES / 255 - mean) / std
    np.testing.assert_allclose(ALL[3](VALUES), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalisation", ALL, ids=repr)
def test_float32_copy(normalisation: Normalisation) -> None:
    before = VALUES.copy()
    result = normalisation(VALUES)
    assert result.dtype == np.float32
    assert result.shape == VALUES.shape
    assert np.array_equal(VALUES, before)


@pytest.mark.parametrize("normalisation", ALL[:3], ids=repr)
def test_brightness_and_contrast_cancel(normalisation: Normalisation) -> None:
    rescaled = (VALUES * np.float32(0.25) + 12).astype(np.float32)
    np.testing.assert_allclose(normalisation(rescaled), normalisation(VALUES), atol=2e-3)


@pytest.mark.parametrize("normalisation", ALL[:3], ids=repr)
def test_constant_channel_becomes_zero(normalisation: Normalisation) -> None:
    values = np.stack([np.full((4, 5), 7, np.float32), VALUES[0, :4, :5]])
    result = normalisation(values)
    assert not result[0].any()
    assert np.array_equal(result[1], normalisation(values[1:])[0])


def test_volumes() -> None:
    volume = VALUES.reshape(2, 3, 3, 11)
    for normalisation in ALL:
        assert np.array_equal(normalisation(volume).ravel(), normalisation(VALUES).ravel())


@pytest.mark.parametrize("normalisation", [None, *ALL], ids=repr)
def test_json_round_trip(normalisation: Normalisation | None) -> None:
    text = json.dumps(normalisation_to_dict(normalisation))
    assert normalisation_from_dict(json.loads(text)) == normalisation


@pytest.mark.parametrize("normalisation", ALL, ids=repr)
def test_words(normalisation: Normalisation) -> None:
    assert len(normalisation.describe()) > 5


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"kind": "gamma"},
        {"kind": "percentile", "lower": 3},
        {"kind": "percentile", "low": 60, "high": 40},
        {"kind": "percentile", "low": -1},
        {"kind": "percentile", "low": "a"},
        {"kind": "percentile", "high": float("nan")},
        {"kind": "mean-std", "mean": [0.5]},
        {"kind": "mean-std", "mean": [0.5], "std": [0.1, 0.2]},
        {"kind": "mean-std", "mean": [0.5], "std": [0.0]},
        {"kind": "mean-std", "mean": [], "std": []},
        {"kind": "mean-std", "mean": 0.5, "std": 0.5},
        {"kind": "mean-std", "mean": [0.5], "std": [0.5], "divide": 0},
        {"kind": "percentile", "eps": -1},
        {"kind": "percentile-clip"},
        {"kind": "percentile-clip", "low": 50, "high": 20},
        {"kind": "zero-mean-unit-variance", "eps": float("nan")},
        {"kind": "affine", "shift": [0.0]},
        {"kind": "scale-linear", "gain": 2.0},
        {"kind": "scale-linear", "gain": [True]},
        {"kind": "clip", "low": []},
        {"kind": "clip", "low": [float("inf")]},
        {"kind": "binarize", "threshold": ["a"]},
        {"kind": "cast", "dtype": "float16"},
        {"kind": "steps", "steps": []},
        {"kind": "steps", "steps": [1]},
        {"kind": "steps", "steps": [{"kind": "gamma"}]},
        {"kind": "per-channel", "each": [None]},
    ],
    ids=str,
)
def test_bad_descriptions(description: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        normalisation_from_dict(description)


@pytest.mark.parametrize(
    "normalisation",
    [
        MeanStd((0, 0, 0), (1, 1, 1)),
        Clip(None, (1.0, 1.0, 1.0)),
        PerChannel((Sigmoid(),) * 3),
        Steps((Softmax(), ScaleLinear((1.0, 1.0, 1.0)))),
    ],
    ids=repr,
)
def test_wrong_number_of_channels(normalisation: Normalisation) -> None:
    with pytest.raises(ShapeError, match="3 channels and the image has 2"):
        normalisation(VALUES)
    with pytest.raises(ShapeError, match="3 channels and the image has 2"):
        normalisation.check_channels(2)


def test_the_network_normalises_before_padding() -> None:
    """Statistics are those of the image, not of its mirrored borders."""
    module = UNet(depth=2, base_width=2)
    image = RANDOM.random((9, 10)).astype(np.float32)
    normalised = ZeroMeanUnitVariance()(image[None])[0]
    given = Network.from_module(module, normalisation=ZeroMeanUnitVariance()).predict(image)
    assert np.array_equal(given, Network.from_module(module).predict(normalised))


# Many ties, both signs of zero, and the smallest and large numbers.
FEW = st.sampled_from([-0.0, 0.0, 1.0, -1.0, 2.0**-149, -(2.0**-149), 3.0, 2.0**99, -(2.0**99)])
ANY = st.floats(-(2.0**120), 2.0**120, width=32)
PARTS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=FEW | ANY
)


def halves(values: np.ndarray) -> list[np.ndarray]:
    return [part for part in np.array_split(values, 2, axis=-1) if part.size]


@given(PARTS, st.tuples(st.floats(0, 100), st.floats(0, 100)) | st.just((1, 99.8)))
def test_streamed_percentiles_are_those_of_numpy(
    values: np.ndarray, wanted: tuple[float, float]
) -> None:
    expected = np.percentile(values, wanted, axis=(1, 2))
    found = percentiles(lambda: halves(values), wanted)
    assert found.dtype == expected.dtype == np.float64
    assert np.array_equal(found, expected)


@given(PARTS, st.tuples(st.floats(0, 100), st.floats(0, 100)) | st.just((50, 75)))
def test_streamed_percentiles_that_are_values(
    values: np.ndarray, wanted: tuple[float, float]
) -> None:
    expected = np.percentile(values, wanted, axis=(1, 2), method="inverted_cdf")
    found = percentiles(lambda: halves(values), wanted, interpolated=False)
    assert np.array_equal(found, expected)


def test_streamed_percentiles_of_many_values() -> None:
    values = RANDOM.normal(0, 1, (2, 700, 1000)).astype(np.float32)
    wanted = (0, 1, 33.3, 50, 99.8, 100)
    found = percentiles(lambda: halves(values), wanted)
    assert np.array_equal(found, np.percentile(values, wanted, axis=(1, 2)))


@given(PARTS)
def test_streamed_moments_are_exact(values: np.ndarray) -> None:
    mean, deviation = mean_and_deviation(lambda: halves(values))
    for channel, m, d in zip(values, mean, deviation, strict=True):
        exact = [Fraction(float(value)) for value in channel.ravel()]
        middle = sum(exact) / len(exact)
        assert m == float(middle)
        variance = sum((value - middle) ** 2 for value in exact) / len(exact)
        assert d == math.sqrt(variance)


def test_moments_keep_their_digits_where_sums_of_squares_lose_them() -> None:
    values = (RANDOM.integers(0, 2, (1, 600, 600)) + 2**23).astype(np.float32)
    mean, deviation = mean_and_deviation(lambda: halves(values))
    share = (values - 2**23).mean(dtype=np.float64)
    assert mean[0] == 2**23 + share
    np.testing.assert_allclose(deviation[0], np.sqrt(share * (1 - share)), rtol=1e-14)


@pytest.mark.parametrize("normalisation", ALL, ids=repr)
@given(values=PARTS.filter(lambda values: len(values) > 1).map(lambda values: values[:2]))
def test_fitted_to_blocks_is_the_whole(normalisation: Normalisation, values: np.ndarray) -> None:
    fitted = normalisation.fit(lambda: halves(values))
    with np.errstate(over="ignore"):  # a large value through a small deviation
        expected, part, given = normalisation(values), fitted(values[:, :1]), fitted(values)
    assert np.array_equal(part, expected[:, :1])
    assert np.array_equal(given.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("normalisation", ALL, ids=repr)
def test_passes(normalisation: Normalisation) -> None:
    asked: list[int] = []

    def blocks() -> list[np.ndarray]:
        asked.append(1)
        return halves(VALUES)

    normalisation.fit(blocks)
    assert len(asked) == normalisation.passes
