"""Weights and maps of many questions at once are those of each alone."""

import numpy as np
import torch

from napari_seggradcam.explain.jobs import whole_of
from napari_seggradcam.explain.methods.answering import LayerAnswer, fill
from napari_seggradcam.explain.methods.cams import SegGradCam
from napari_seggradcam.explain.methods.gradient import (
    NO_PATH,
    NORMALISED_AWAY,
    LayerGradient,
    sums,
)
from napari_seggradcam.explain.methods.weighting import LayerShape
from napari_seggradcam.explain.patches import Patch


def answers(gradients: list[LayerGradient], maps: torch.Tensor) -> list[LayerAnswer]:
    shape = LayerShape("some", maps.shape[1], tuple(maps.shape[2:]), maps.dtype)
    weights = [SegGradCam().weigh(gradient, shape, None) for gradient in gradients]
    found = [LayerAnswer.blank(one, shape) for one in weights]
    fill(found, weights, gradients, maps, whole_of(maps).box)
    return found


def on_all(gradient: torch.Tensor) -> Patch:
    return Patch((0,) * (gradient.ndim - 2), gradient)


def test_sums_are_per_item_and_channel() -> None:
    gradient = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last):
        total, size = sums(gradient.contiguous(memory_format=layout))
        torch.testing.assert_close(total, gradient.sum((2, 3)))
        torch.testing.assert_close(size, gradient.abs().sum((2, 3)))


def test_sums_of_volumes_are_double() -> None:
    gradient = torch.randn(2, 4, 3, 5, 6)
    total, size = sums(gradient)
    assert total.dtype == size.dtype == torch.float64
    torch.testing.assert_close(total, gradient.double().sum((2, 3, 4)), rtol=0, atol=1e-5)


def test_many_questions_are_one_product() -> None:
    maps = torch.randn(1, 4, 8, 9)
    asked = []
    for gradient in torch.randn(5, 1, 4, 8, 9):
        asked.append(LayerGradient())
        asked[-1].add(on_all(gradient))
    alone = [answers([weights], maps)[0] for weights in asked]
    for found, expected in zip(answers(asked, maps), alone, strict=True):
        np.testing.assert_array_equal(found.weights, expected.weights)
        np.testing.assert_allclose(found.signed, expected.signed, rtol=1e-4, atol=1e-7)
        direct = np.tensordot(found.weights, maps[0].numpy(), 1)
        np.testing.assert_allclose(found.signed, direct, rtol=1e-4, atol=1e-7)


def test_what_has_no_weights_says_why_among_others() -> None:
    maps = torch.full((1, 2, 3, 3), float("nan"))
    untouched, zero, cancelling, ordinary = (LayerGradient() for _ in range(4))
    zero.add(on_all(torch.zeros(1, 2, 3, 3)))
    cancelling.add(on_all(torch.tensor([1.0, -1.0]).expand(1, 2, 3, 2)))
    ordinary.add(on_all(torch.ones(1, 2, 3, 3)))
    found = answers([untouched, ordinary, zero, cancelling], maps)
    assert [answer.empty for answer in found] == [NO_PATH, None, NO_PATH, NORMALISED_AWAY]
    assert [bool(np.isnan(answer.signed).all()) for answer in found] == [False, True, False, False]
    assert not any(found[number].weights.any() for number in (0, 2, 3))
