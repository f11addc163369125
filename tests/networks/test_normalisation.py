"""Normalisations against their formulas in numpy."""

import json

import numpy as np
import pytest

from napari_seggradcam.errors import OptionError, ShapeError
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import (
    MeanStd,
    Normalisation,
    Percentile,
    ZeroMeanUnitVariance,
    normalisation_from_dict,
    normalisation_to_dict,
)
from napari_seggradcam.networks.unet import UNet

RANDOM = np.random.default_rng(3)
VALUES = (RANDOM.random((2, 9, 11)) * [[[1]], [[4000]]] + [[[0]], [[30_000]]]).astype(np.float32)
ALL: list[Normalisation] = [
    Percentile(),
    Percentile(5, 90),
    ZeroMeanUnitVariance(),
    MeanStd((0.5, 0.1), (0.2, 0.3), 255.0),
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
    assert len(normalisation.describe()) > 10


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
    ],
    ids=str,
)
def test_bad_descriptions(description: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        normalisation_from_dict(description)


def test_wrong_number_of_channels() -> None:
    with pytest.raises(ShapeError, match="3 channels and the image has 2"):
        MeanStd((0, 0, 0), (1, 1, 1))(VALUES)


def test_the_network_normalises_before_padding() -> None:
    """Statistics are those of the image, not of its mirrored borders."""
    module = UNet(depth=2, base_width=2)
    image = RANDOM.random((9, 10)).astype(np.float32)
    normalised = ZeroMeanUnitVariance()(image[None])[0]
    given = Network.from_module(module, normalisation=ZeroMeanUnitVariance()).predict(image)
    assert np.array_equal(given, Network.from_module(module).predict(normalised))
