"""Axes in other orders than the usual one."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_seggradcam.networks.layouts import Layout, put_in_order

SIZES = {"B": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    letters = draw(st.permutations(draw(st.sampled_from(["BCYX", "BCZYX", "BYX"]))))
    for _ in range(draw(st.integers(0, 2))):
        letters = list(letters)
        letters.insert(draw(st.integers(0, len(letters))), "1")
    return Layout("".join(letters))


@given(layouts())
def test_axes_are_where_they_are_named(layout: Layout) -> None:
    channels = 3 if "C" in layout.order else 1
    shape = (2, channels, *(SIZES[letter] for letter in layout.spatial))
    usual = torch.rand(shape)
    arranged = layout.arrange(usual)
    assert list(arranged.shape) == [SIZES.get(letter, 1) for letter in layout.order]
    assert torch.equal(layout.restore(arranged), usual)
    # One step along an axis is one step along its letter.
    for letter in layout.spatial:
        moved = layout.arrange(usual.roll(1, 2 + layout.spatial.index(letter)))
        assert torch.equal(moved, arranged.roll(1, layout.order.index(letter)))


class Last(nn.Module):
    """Channels last, in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.scale(x), x


@pytest.mark.parametrize("copied", [False, True])
def test_the_module_itself_takes_the_usual_order(copied: bool) -> None:
    module = Last()
    image = torch.rand(1, 3, 4, 5)
    with torch.no_grad():
        expected = module.scale(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        last = Layout("BYXC")
        assert put_in_order(module, last, {"logits": last, "same": last}) is module
        if copied:
            module = copy.deepcopy(module)
        found = module(image)
    assert list(found) == ["logits", "same"]
    assert torch.equal(found["logits"], expected)
    assert torch.equal(found["same"], image)
    assert [name for name, _ in module.named_modules()] == ["", "scale"]


def test_the_usual_order_needs_nothing() -> None:
    module = nn.Conv2d(1, 1, 1)
    put_in_order(module, Layout("BCYX"), {"logits": Layout("BCYX")})
    assert not module._forward_pre_hooks
    assert not module._forward_hooks
