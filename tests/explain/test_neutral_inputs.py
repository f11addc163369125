"""Inputs that methods compare the image with."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_seggradcam.errors import OptionError, ShapeError
from napari_seggradcam.explain.neutral_inputs import KINDS, neutral_input

IMAGES = {
    ndim: torch.from_numpy(
        np.random.default_rng(0).normal(2, 3, (1, 2, *[40, 50, 12][:ndim])).astype(np.float32)
    )
    for ndim in (2, 3)
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ndim", IMAGES)
def test_all_have_the_shape_and_type_and_leave_the_image_alone(kind, ndim) -> None:
    image = IMAGES[ndim]
    before = image.clone()
    other = neutral_input(image, kind)
    assert other.shape == image.shape
    assert other.dtype == image.dtype
    other += 1
    assert torch.equal(image, before)


@pytest.mark.parametrize("ndim", IMAGES)
def test_what_they_are(ndim) -> None:
    image, axes = IMAGES[ndim], tuple(range(2, 2 + ndim))
    assert not neutral_input(image, "zero").any()
    mean = neutral_input(image, "mean")
    torch.testing.assert_close(mean, image.mean(axes, keepdim=True).expand_as(image))
    noise = neutral_input(image, "noise")
    torch.testing.assert_close(noise.mean(axes), image.mean(axes), atol=0.3, rtol=0)
    torch.testing.assert_close(noise.std(axes), image.std(axes), atol=0.3, rtol=0)
    blurred = neutral_input(image, "blur")
    assert (blurred.std(axes) < 0.1 * image.std(axes)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_constant_image_all_but_zero_are_the_image(kind) -> None:
    image = torch.full((1, 1, 20, 24), 1.5)
    expected = torch.zeros_like(image) if kind == "zero" else image
    torch.testing.assert_close(neutral_input(image, kind), expected)


@given(st.integers(0, 2**60))
def test_noise_is_of_its_seed(seed: int) -> None:
    image = IMAGES[2]
    assert torch.equal(neutral_input(image, "noise", seed), neutral_input(image, "noise", seed))
    assert not torch.equal(
        neutral_input(image, "noise", seed), neutral_input(image, "noise", seed + 1)
    )


def test_what_is_no_baseline() -> None:
    with pytest.raises(OptionError, match="no baseline 'white'; expected one of 'zero'"):
        neutral_input(IMAGES[2], "white")
    with pytest.raises(ShapeError, match=r"\(1, 2, 40, 49\)"):
        neutral_input(IMAGES[2], IMAGES[2][..., 1:])
