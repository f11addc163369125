"""Steps of normalisations against independent implementations: MONAI, nnU-Net's and BioImage.IO's
formulas in numpy, scipy.
"""

import monai.transforms as monai
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from napari_seggradcam.errors import ImageError
from napari_seggradcam.networks.normalisation import (
    MeanStd,
    Normalisation,
    Percentile,
    PercentileClip,
    ZeroMeanUnitVariance,
)
from napari_seggradcam.networks.normalisation_steps import (
    Binarize,
    Cast,
    Clip,
    PerChannel,
    ScaleLinear,
    Sigmoid,
    Softmax,
    Steps,
)

RANDOM = np.random.default_rng(5)
VALUES = (RANDOM.normal(0, 1, (2, 9, 11)) * [[[30]], [[4000]]] + [[[5]], [[9000]]]).astype(
    np.float32
)
CHANNEL = VALUES[:1]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("axes", [(1, 2), (0, 1, 2)], ids=["each channel", "all channels"])
def test_formulas_of_bioimageio(axes: tuple[int, ...]) -> None:
    """The formulas of bioimageio.spec 0.5, with an epsilon large enough to see where it stands."""
    x, eps, joint = VALUES.astype(np.float64), 0.1, len(axes) == 3
    mean, std = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    close(ZeroMeanUnitVariance(eps, joint)(VALUES), (x - mean) / (std + eps))
    low, high = np.percentile(VALUES, (5, 99.8), axis=axes, keepdims=True)
    close(Percentile(5, 99.8, eps, joint)(VALUES), (x - low) / (high - low + eps))
    close(PercentileClip(5, 99.8, joint)(VALUES), x.clip(low, high))
    cdf = np.percentile(VALUES, 40, axis=axes, keepdims=True, method="inverted_cdf")
    found = PercentileClip(high=40, joint=joint, interpolated=False)(VALUES)
    assert np.array_equal(found, np.minimum(VALUES, cdf))


def test_fixed_numbers() -> None:
    gain, offset = np.array([[[2.0]], [[-0.5]]]), np.array([[[1.0]], [[7.0]]])
    close(ScaleLinear((2.0, -0.5), (1.0, 7.0))(VALUES), VALUES * gain + offset)
    close(ScaleLinear((3.0,))(VALUES), VALUES * 3)
    assert np.array_equal(Clip((0.0,), (20.0,))(VALUES), VALUES.clip(0, 20))
    assert np.array_equal(Clip((0.0, 9e3))(VALUES), np.maximum(VALUES, [[[0]], [[9e3]]]))
    assert np.array_equal(Binarize((5.0, 9e3))(VALUES), VALUES > [[[5]], [[9e3]]])
    assert Binarize((0.1,))(np.full((1, 1), 0.1, np.float32)) == 0  # not above itself


def test_sigmoid_and_softmax() -> None:
    logits = VALUES / 500
    close(Sigmoid()(logits), special.expit(logits))
    close(Softmax()(logits), special.softmax(logits, axis=0))
    extreme = np.array([[1e30, -1e30, 0], [-1e30, 1e30, 0]], np.float32)
    assert Softmax()(extreme).tolist() == [[1, 0, 0.5], [0, 1, 0.5]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64"])
def test_whole_numbers_lose_what_stands_behind_the_point(dtype: str) -> None:
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -9999), min(limits.max, 9999)
    values = np.linspace(low, high, 77, dtype=np.float32).reshape(1, 7, 11)
    assert np.array_equal(Cast(dtype)(values), values.astype(dtype))


def test_values_that_do_not_fit_a_type_are_refused() -> None:
    with pytest.raises(ImageError, match=r"from -3 to 300 .* expects uint8 \(0 to 255\)"):
        Cast("uint8")(np.array([[-3, 300]], np.float32))
    assert Cast("bool")(np.array([[0, -2, 0.5]], np.float32)).tolist() == [[0, 1, 1]]


def test_each_step_sees_what_the_earlier_ones_made() -> None:
    steps = Steps((PercentileClip(10, 90), ScaleLinear((3.0,), (1.0,)), ZeroMeanUnitVariance()))
    assert steps.passes == 3
    clipped = PercentileClip(10, 90)(VALUES)
    close(
        steps(VALUES),
        (clipped - clipped.mean((1, 2), keepdims=True)) / clipped.std((1, 2), keepdims=True),
    )


def test_channels_of_their_own() -> None:
    parts = (Percentile(), Steps((Clip((0.0,)), ZeroMeanUnitVariance())))
    both = PerChannel(parts)
    assert both.passes == 3
    expected = [part(VALUES[i : i + 1])[0] for i, part in enumerate(parts)]
    assert np.array_equal(both(VALUES), np.stack(expected))


@pytest.mark.parametrize(
    ("transform", "normalisation"),
    [
        (monai.ScaleIntensity(), Percentile(0, 100, joint=True)),
        (monai.ScaleIntensity(channel_wise=True), Percentile(0, 100)),
        (
            monai.ScaleIntensity(minv=-1, maxv=3),
            Steps((Percentile(0, 100, joint=True), ScaleLinear((4.0,), (-1.0,)))),
        ),
        (monai.NormalizeIntensity(), ZeroMeanUnitVariance(joint=True)),
        (monai.NormalizeIntensity(channel_wise=True), ZeroMeanUnitVariance()),
        (monai.NormalizeIntensity(subtrahend=7, divisor=2), MeanStd((7.0,), (2.0,))),
        (
            monai.ScaleIntensityRange(-57, 164, 0, 1, clip=True),
            Steps((ScaleLinear((1 / 221,), (57 / 221,)), Clip((0.0,), (1.0,)))),
        ),
        (
            monai.ScaleIntensityRange(-57, 164, -1, 1),
            ScaleLinear((2 / 221,), (2 * 57 / 221 - 1,)),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transforms_of_monai(transform: monai.Transform, normalisation: Normalisation) -> None:
    close(normalisation(VALUES), np.asarray(transform(VALUES)))


def test_normalisations_of_nnunet() -> None:
    """As ``default_normalization_schemes.py`` of nnU-Net v2 computes them."""
    x = CHANNEL.astype(np.float64)
    properties = {"percentile_00_5": -40.0, "percentile_99_5": 60.0, "mean": 6.5, "std": 21.0}
    low, high, mean, std = properties.values()
    ct = Steps((Clip((low,), (high,)), MeanStd((mean,), (std,))))
    close(ct(CHANNEL), (x.clip(low, high) - mean) / max(std, 1e-8))
    close(ZeroMeanUnitVariance(least=1e-8)(CHANNEL), (x - x.mean()) / max(x.std(), 1e-8))
    close(Percentile(0, 100)(CHANNEL), (x - x.min()) / max((x - x.min()).max(), 1e-8))
    close(ScaleLinear((1 / 255,))(CHANNEL), x / 255)
    tiny = CHANNEL * np.float32(1e-12)
    t = tiny.astype(np.float64)
    close(ZeroMeanUnitVariance(least=1e-8)(tiny), (t - t.mean()) / 1e-8)


@given(st.integers(1, 8), st.integers(0, 9))
def test_softmax_does_not_depend_on_where_the_image_is_cut(channels: int, cut: int) -> None:
    logits = np.random.default_rng(channels).normal(0, 3, (channels, 7, 10)).astype(np.float32)
    for step in (Softmax(), Sigmoid()):
        parts = [step(part) for part in (logits[..., :cut], logits[..., cut:]) if part.size]
        assert np.array_equal(np.concatenate(parts, -1), step(logits))
