"""Maps that know nothing of the network's reasons."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_seggradcam as sgc
from napari_seggradcam.explain.baselines import RandomWeights, sobel_edges
from napari_seggradcam.explain.methods.gradient import LayerGradient
from napari_seggradcam.explain.methods.weighting import LayerShape

IMAGE = np.random.default_rng(0).random((37, 42), np.float32)


def network(**options: object) -> sgc.Network:
    torch.manual_seed(0)
    return sgc.Network.from_module(sgc.UNet(**{"depth": 2, "base_width": 4, **options}))


EXPLAINER = sgc.Explainer(network(), IMAGE)


def random_weights(seed: int, layer: str = "bottleneck relu 2") -> np.ndarray:
    shape = LayerShape(layer, 64, (8, 8), torch.float32)
    return RandomWeights(seed).weigh(LayerGradient(), shape, None).alpha.numpy()


def test_random_weights_are_a_direction_of_their_seed_and_layer() -> None:
    first = random_weights(1)
    np.testing.assert_array_equal(first, random_weights(1))
    assert np.linalg.norm(first) == pytest.approx(1)
    for other in (random_weights(2), random_weights(1, "bottleneck relu 1")):
        assert abs(first @ other) < 0.5


def test_random_weights_do_not_touch_anybodys_random_state() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random_weights(0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("method", ["random-weights", "mean-activation"])
def test_they_do_not_depend_on_the_region(method: str) -> None:
    first, second = (
        EXPLAINER.explain(sgc.pixel(*at), 1, "all", method=method) for at in ((3, 4), (30, 31))
    )
    for name in first:
        np.testing.assert_array_equal(first[name].signed, second[name].signed)


def test_mean_activation_is_the_mean_of_feature_maps() -> None:
    found = EXPLAINER.explain(sgc.pixel(3, 4), 1, method="mean-activation")["bottleneck relu 2"]
    kept = []
    module = EXPLAINER.network.module.eval()
    handle = module.bottleneck.register_forward_hook(lambda m, i, out: kept.append(out))
    with torch.no_grad():
        module(EXPLAINER.network.prepare(IMAGE).tensor)
    handle.remove()
    expected = kept[0][0].mean(0).numpy()[: found.signed.shape[0], : found.signed.shape[1]]
    np.testing.assert_allclose(found.signed, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("options", [{}, {"convolution": "valid"}])
def test_the_prediction_is_the_logit_on_the_image(rows: int, options: dict) -> None:
    explainer = sgc.Explainer(network(out_channels=rows, **options), IMAGE)
    region = sgc.pixel(3, 4)
    for target in range(max(2, rows)):
        found = explainer.explain(region, target, method="prediction")["input"]
        assert found.signed.shape == IMAGE.shape
        assert (found.scale, found.translate) == ((1, 1), (0, 0))
        np.testing.assert_allclose(found.signed, explainer.logits[target], rtol=1e-5, atol=1e-6)
        shares = explainer.explain(region, target, method="prediction", values="probability")
        y = torch.from_numpy(explainer.logits)
        p = y[target].sigmoid() if rows == 1 else y.softmax(0)[target]
        np.testing.assert_allclose(shares["input"].signed, p, rtol=1e-4, atol=1e-6)


def test_edges_are_those_of_the_image() -> None:
    found = EXPLAINER.explain(sgc.pixel(3, 4), 1, method="sobel")["input"]
    assert found.layer.role == "input"
    padded = EXPLAINER.network.prepare(IMAGE).tensor[0].numpy()
    np.testing.assert_allclose(
        found.signed, sobel_edges(padded)[: IMAGE.shape[0], : IMAGE.shape[1]]
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_edges_of_a_ramp_are_its_slopes(ndim) -> None:
    """The filter takes differences over two pixels, and the mean square over the axes."""
    slopes = np.array([[3.0, 4.0, 12.0][:ndim], [1.0, -2.0, 2.0][:ndim]])
    places = np.indices((9,) * ndim)
    image = np.tensordot(slopes, places, 1)
    expected = 2 * np.sqrt((slopes**2).sum() / ndim)
    inner = (slice(1, -1),) * ndim
    np.testing.assert_allclose(sobel_edges(image)[inner], expected)


@given(st.integers(0, 2**31), st.floats(-5, 5))
def test_edges_see_differences_alone(seed: int, offset: float) -> None:
    image = np.random.default_rng(seed).random((2, 6, 7))
    edges = sobel_edges(image)
    assert edges.shape == (6, 7)
    np.testing.assert_allclose(sobel_edges(image + offset), edges, atol=1e-9)
    np.testing.assert_allclose(sobel_edges(-2 * image[::-1]), 2 * edges, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "options"),
    [("random-weights", {"seed": -1}), ("prediction", {"values": "softmax"})],
)
def test_bad_options(method: str, options: dict) -> None:
    with pytest.raises(sgc.OptionError):
        EXPLAINER.explain(sgc.pixel(3, 4), 1, method=method, **options)
