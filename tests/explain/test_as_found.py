"""A question leaves the network exactly as it was, however it ends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from progress import CancelAfter

IMAGE = np.random.default_rng(0).random((32, 40), np.float32)


def network() -> sgc.Network:
    module = sgc.UNet(depth=2, base_width=4).train()
    module.encoder[1].eval()  # a mixture, as fine-tuning leaves it
    module.head.weight.requires_grad_(False)
    module(torch.rand(2, 1, 16, 16)).sum().backward()
    module.register_forward_hook(lambda *_: None)
    return sgc.Network.from_module(module)


def state(module: nn.Module) -> dict[str, Any]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "training": [m.training for m in module.modules()],
        "inplace": [getattr(m, "inplace", None) for m in module.modules()],
        "hooks": [[*getattr(m, name)] for m in module.modules() for name in hooks],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "grad": [None if p.grad is None else p.grad.tolist() for p in module.parameters()],
        "values": [t.tolist() for t in module.state_dict().values()],
        "random": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
    }


def same_after(net: sgc.Network, act: Callable[[], object]) -> None:
    before = state(net.module)
    act()
    assert state(net.module) == before


def test_after_an_answer() -> None:
    net = network()
    same_after(net, lambda: sgc.explain(net, IMAGE, sgc.everywhere(), layers="all"))


def test_inside_no_grad() -> None:
    net = network()
    with torch.no_grad():
        explanation = sgc.explain(net, IMAGE, sgc.everywhere(), target=1)
    assert explanation["bottleneck relu 2"].weights.any()


def test_training_mode_does_not_change_the_answer() -> None:
    net = network()
    first = sgc.explain(net, IMAGE, sgc.pixel(3, 3), target=1)
    net.module.eval()
    second = sgc.explain(net, IMAGE, sgc.pixel(3, 3), target=1)
    np.testing.assert_array_equal(
        first["bottleneck relu 2"].signed, second["bottleneck relu 2"].signed
    )


@pytest.mark.parametrize("after", [0, 1, 7, 12, 20, 30, 40])
def test_cancel_is_honoured_in_forward_and_backward(after: int) -> None:
    net = network()
    assert len(net.layers) == 37  # traced before, so that only the question asks `cancel`
    cancel = CancelAfter(after)

    def act() -> None:
        with pytest.raises(sgc.Cancelled):
            sgc.explain(net, IMAGE, sgc.everywhere(), layers="all", cancel=cancel)

    same_after(net, act)
    assert cancel.asked == after + 1


def test_cancel_between_gradients() -> None:
    net = network()
    steps: list[str] = []

    def act() -> None:
        with pytest.raises(sgc.Cancelled):
            sgc.explain(
                net,
                IMAGE,
                sgc.everywhere(),
                layers="all",
                progress=lambda done, total, what: steps.append(what),
                cancel=lambda: len(steps) > len(net.layers) + 3,
            )

    same_after(net, act)
    assert len(steps) == len(net.layers) + 4


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError])
def test_after_an_error_inside_forward(error: type[Exception]) -> None:
    net = network()
    assert net.layers

    def fail(*_: object) -> None:
        raise error("deep inside")

    handle = net.module.decoder[0].block.register_forward_hook(fail)

    def act() -> None:
        with pytest.raises((sgc.NetworkError, KeyError), match="deep inside"):
            sgc.explain(net, IMAGE, sgc.everywhere(), layers="all")

    same_after(net, act)
    handle.remove()
    sgc.explain(net, IMAGE, sgc.everywhere())


def test_random_numbers_in_forward_do_not_move_the_generator() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) + 1e-3 * torch.rand_like(x)

    net = sgc.Network.from_module(Noisy())
    same_after(net, lambda: sgc.explain(net, IMAGE, sgc.everywhere(), layers="all"))


def test_progress_counts_to_the_end() -> None:
    net = network()
    steps = []
    sgc.explain(
        net,
        IMAGE,
        sgc.everywhere(),
        layers="levels",
        progress=lambda done, total, what: steps.append((done, total)),
    )
    assert steps == [(number, 10) for number in range(1, 11)]
