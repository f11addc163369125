"""Maps that know nothing of the network's reasons."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_seggradcam as sgc
from napari_seggradcam.explain.baselines import (
    WEIGHTS,
    class_map,
    equal_weights,
    random_weights,
    sobel_edges,
)

LAYER = sgc.NetworkLayer(
    "bottleneck relu 2",
    "b.r",
    0,
    None,
    "relu",
    "bottleneck",
    2,
    64,
    (4.0, 4.0),
    (1.5, 1.5),
    (8, 8),
)


def test_random_weights_are_a_direction_of_their_seed_and_layer() -> None:
    first = random_weights(LAYER, 1)
    np.testing.assert_array_equal(first, random_weights(LAYER, 1))
    assert first.shape == (64,)
    assert np.linalg.norm(first) == pytest.approx(1)
    other_seed = random_weights(LAYER, 2)
    other_layer = random_weights(dataclasses.replace(LAYER, name="bottleneck relu 1"), 1)
    for other in (other_seed, other_layer):
        assert abs(first @ other) < 0.5


def test_random_weights_do_not_touch_anybodys_random_state() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random_weights(LAYER)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_equal_weights_make_the_mean_activation() -> None:
    maps = np.random.default_rng(0).random((64, 8, 8))
    np.testing.assert_allclose(np.tensordot(equal_weights(LAYER), maps, 1), maps.mean(0))
    assert {name: weights(LAYER, 0).shape for name, weights in WEIGHTS.items()} == {
        "random-weights": (64,),
        "mean-activation": (64,),
    }


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


def test_class_maps() -> None:
    logits = torch.randn(1, 3, 4, 5)
    np.testing.assert_allclose(class_map(logits, 2), logits[0, 2])
    shares = np.sum([class_map(logits, c, probability=True) for c in range(3)], 0)
    np.testing.assert_allclose(shares, 1)
    softmax = logits[0].double().softmax(0)[0]
    np.testing.assert_allclose(class_map(logits, 0, probability=True), softmax)


def test_class_maps_of_one_row() -> None:
    z = torch.randn(1, 1, 4, 5)
    np.testing.assert_allclose(class_map(z, 1), z[0, 0])
    np.testing.assert_allclose(class_map(z, 0), -z[0, 0])
    both = class_map(z, 1, probability=True) + class_map(z, 0, probability=True)
    np.testing.assert_allclose(both, 1)
