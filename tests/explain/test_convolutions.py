"""The gradient of a convolution, computed in a box only, against autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from napari_seggradcam.explain.convolutions import Convolution, CutConvolutions, SizeMatters

FUNCTIONS = {
    (2, False): functional.conv2d,
    (2, True): functional.conv_transpose2d,
    (3, False): functional.conv3d,
    (3, True): functional.conv_transpose3d,
}


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_input_gradient_equals_autograd(data: st.DataObject) -> None:
    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(ndim))

    ndim, transposed = data.draw(st.sampled_from(sorted(FUNCTIONS)))
    groups = data.draw(st.sampled_from([1, 2]))
    kernel, stride, dilation = sizes(1, 4), sizes(1, 3), sizes(1, 2)
    extents = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = tuple(data.draw(st.integers(0, e - 1)) for e in extents)
    torch.manual_seed(data.draw(st.integers(0, 99)))
    weight = torch.randn(
        (4, 6 // groups, *kernel) if transposed else (6, 4 // groups, *kernel)
    ).double()
    size = tuple(e + n for e, n in zip(extents, sizes(0, 7), strict=True))
    tensor = torch.randn((1, 4, *size)).double().requires_grad_()
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if transposed:
        options["output_padding"] = tuple(
            data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        )
    output = FUNCTIONS[ndim, transposed](tensor, weight, **options)
    name = FUNCTIONS[ndim, transposed].__name__
    convolution = Convolution.of(name, (tensor, weight), options)
    assert convolution.output_size(size) == tuple(output.shape[2:])
    box = []
    for n in output.shape[2:]:
        first = data.draw(st.integers(0, n - 1))
        box.append(slice(first, data.draw(st.integers(first + 1, n))))
    gradient = torch.zeros_like(output)
    gradient[:, :, *box] = torch.randn_like(output)[:, :, *box]
    (expected,) = torch.autograd.grad(output, tensor, gradient)
    found = convolution.input_gradient(gradient, size)
    torch.testing.assert_close(found, expected)


def test_no_gradient_at_all() -> None:
    convolution = Convolution.of("conv2d", (torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 3, 3)), {})
    assert not convolution.input_gradient(torch.zeros(1, 1, 2, 2), (4, 4)).any()


def test_padding_given_as_a_word_is_left_to_torch() -> None:
    arguments = (torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 3, 3))
    assert Convolution.of("conv2d", arguments, {"padding": "same"}) is None


def cut(kept: torch.Tensor, image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    windows = [(slice(8, 24), slice(4, 28)), (slice(16, 32), slice(0, 24))]
    convolutions = CutConvolutions({0: kept}, (32, 32), windows, [(0.5, 0.5), (0.7, 0.1)])
    crops = torch.cat([image[:, :, *window] for window in windows])
    return convolutions("conv2d", functional.conv2d, (crops, weight), {"padding": 1})


def test_what_is_known_is_cut_out() -> None:
    image, weight = torch.randn(1, 2, 32, 32), torch.randn(3, 2, 3, 3)
    whole = functional.conv2d(image, weight, padding=1)
    found = cut(whole, image, weight)
    assert torch.equal(found[:1], whole[:, :, 8:24, 4:28])
    assert torch.equal(found[1:], whole[:, :, 16:32, 0:24])


@pytest.mark.parametrize("crop", [(slice(8, 24), slice(4, 28)), (slice(17, 32), slice(0, 23))])
def test_another_value_is_noticed(crop: tuple[slice, slice]) -> None:
    """In whichever crop of the batch it is."""
    image, weight = torch.randn(1, 2, 32, 32), torch.randn(3, 2, 3, 3)
    whole = functional.conv2d(image, weight, padding=1)
    kept = torch.full_like(whole, float("nan"))
    kept[:, :, *crop] = whole[:, :, *crop]
    with pytest.raises(SizeMatters):
        cut(kept, image, weight)


def test_outputs_that_do_not_shift_evenly_are_computed() -> None:
    image, weight = torch.randn(1, 2, 32, 32), torch.randn(3, 2, 3, 3)
    odd = torch.randn(1, 3, 31, 30)
    found = cut(odd, image, weight)
    crop = functional.conv2d(image[:, :, 8:24, 4:28], weight, padding=1)
    torch.testing.assert_close(found[:1], crop)


def test_a_batch_has_the_gradients_of_its_items() -> None:
    weight, gradient = torch.randn(3, 2, 3, 3), torch.zeros(2, 3, 12, 14)
    gradient[0, :, 2:4, 3:6] = torch.randn(3, 2, 3)
    gradient[1, :, 9:12, 0:2] = torch.randn(3, 3, 2)
    convolution = Convolution.of("conv2d", (gradient, weight), {"padding": 1})
    both = convolution.input_gradient(gradient, (12, 14))
    alone = [convolution.input_gradient(item[None], (12, 14)) for item in gradient]
    torch.testing.assert_close(both, torch.cat(alone))
