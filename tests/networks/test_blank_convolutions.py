"""Convolutions without content have the shapes of those with it, and refuse what those refuse."""

from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as some
from torch import nn
from torch.nn import functional

from napari_seggradcam.networks.blank_convolutions import BlankConvolutions
from napari_seggradcam.networks.network import Network

small = some.integers(1, 3)


@given(
    ndim=small,
    transposed=some.booleans(),
    groups=small,
    channels=some.tuples(small, small),
    kernel=small,
    size=some.integers(1, 9),
    options=some.fixed_dictionaries(
        {"stride": some.integers(2, 3), "padding": some.integers(0, 1), "dilation": small}
    ),
    by_name=some.booleans(),
)
def test_shapes(
    ndim: int,
    transposed: bool,
    groups: int,
    channels: tuple[int, int],
    kernel: int,
    size: int,
    options: dict[str, Any],
    by_name: bool,
) -> None:
    function = getattr(functional, f"conv{'_transpose' if transposed else ''}{ndim}d")
    taken, made = channels
    rows = (taken * groups, made) if transposed else (made * groups, taken)
    image = torch.ones(2, taken * groups, *[size] * ndim)
    weight, bias = torch.ones(*rows, *[kernel] * ndim), torch.ones(made * groups)
    options = {**options, "output_padding": 1, "groups": groups}
    order = ["output_padding", "groups", "dilation"] if transposed else ["dilation", "groups"]
    options = {name: options[name] for name in ("stride", "padding", *order)}
    try:
        expected = function(image, weight, bias, **options)
    except RuntimeError as error:
        assume("kernel size" in str(error).lower() or "output size" in str(error).lower())
        with BlankConvolutions(), pytest.raises(RuntimeError):
            function(image, weight, bias, **options)
        return
    with BlankConvolutions():
        if by_name:
            found = function(input=image, weight=weight, bias=bias, **options)
        else:
            found = function(image, weight, bias, *options.values())
    assert not found.any()
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


def test_channels_that_do_not_fit_are_refused_in_the_same_words() -> None:
    weight = torch.ones(2, 3, 3, 3)
    with pytest.raises(RuntimeError) as expected:
        functional.conv2d(torch.ones(1, 4, 9, 9), weight)
    with BlankConvolutions(), pytest.raises(RuntimeError) as found:
        functional.conv2d(torch.ones(1, 4, 9, 9), weight)
    assert str(found.value) == str(expected.value)


def test_all_else_is_computed() -> None:
    with BlankConvolutions():
        assert functional.linear(torch.ones(1, 2), torch.ones(3, 2)).tolist() == [[2, 2, 2]]


class Watchful(nn.Module):
    """Refuses maps without content."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.down = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(2, 2, 2, 2)
        self.blank = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if not x.any():
            self.blank += 1
            raise ValueError("there is nothing")
        return self.up(self.down(x)) + x


def test_a_network_that_looks_at_values_runs_as_it_is() -> None:
    network = Network.from_module(Watchful())
    assert network.step == (2, 2)
    assert {layer.stride for layer in network.layers} == {(1, 1), (2, 2)}
    assert network.module.blank == 1  # it is not tried again
