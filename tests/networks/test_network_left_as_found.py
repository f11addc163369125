"""A module is left exactly as it was found, whatever happens while it runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from napari_seggradcam.errors import Cancelled, NetworkError
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.running import as_found, leaves

IMAGE = np.random.default_rng(1).random((24, 20), np.float32)


class Awkward(nn.Module):
    """Shared and in-place modules, noise, buffers that change, and failure on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout2d(0.5)
        self.head = nn.Conv2d(4, 2, 1)
        self.register_buffer("runs", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(2))
        self.register_buffer("nothing", None)
        self.fails = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        self.last = torch.ones(2)
        self.nothing = torch.ones(3)
        x = self.relu(self.norm(self.first(x)))
        # Some write their own dropout, or norms that learn in evaluation as well.
        x = x + 0 * torch.rand_like(x) + 0 * float(np.random.default_rng(0).random())
        mean, var = self.norm.running_mean, self.norm.running_var
        nn.functional.batch_norm(x, mean, var, training=True)
        if self.fails:
            raise KeyError("as it was asked")
        return self.head(self.relu(self.drop(x)))


def awkward() -> Awkward:
    """In mixed states: some frozen, some in training, with gradients and hooks."""
    module = Awkward().train()
    module(torch.rand(2, 1, 8, 8)).sum().backward()
    module.nothing = None
    module.norm.eval()
    module.drop.eval()
    module.first.weight.requires_grad_(False)
    module.norm.bias.requires_grad_(False)
    module.first.register_forward_hook(lambda m, args, out: None)
    module.head.register_forward_pre_hook(lambda m, args: None)
    module.head.register_full_backward_hook(lambda m, before, after: None)
    module.first.bias.register_hook(lambda g: None)
    return module


def hooks_of(module: nn.Module) -> list[Any]:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [list(getattr(m, name).items()) for m in module.modules() for name in names]


def state_of(module: nn.Module) -> dict[str, Any]:
    """Everything that a caller could see, as values that compare."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    return {
        "flags": [m.training for m in module.modules()],
        "in place": [m.inplace for m in module.modules() if hasattr(m, "inplace")],
        "requires_grad": {name: p.requires_grad for name, p in parameters.items()},
        "tensors": {name: (id(t), t.tolist()) for name, t in (parameters | buffers).items()},
        "gradients": {
            name: None if p.grad is None else (id(p.grad), p.grad.tolist())
            for name, p in parameters.items()
        },
        "hooks": hooks_of(module),
        "random": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
    }


def cancel_after(calls: int) -> Callable[[], bool]:
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_layers_and_prediction() -> None:
    module = awkward()
    before = state_of(module)
    network = Network.from_module(module)
    _ = network.layers
    network.predict(IMAGE)
    assert state_of(module) == before
    assert module.training


def test_failure_inside_forward() -> None:
    module = awkward()
    network = Network.from_module(module)
    _ = network.layers
    module.fails = True
    before = state_of(module)
    with pytest.raises(NetworkError, match="KeyError: 'as it was asked'"):
        network.predict(IMAGE)
    assert state_of(module) == before


def test_failure_while_probing() -> None:
    module = awkward()
    module.fails = True
    before = state_of(module)
    with pytest.raises(NetworkError, match="as it was asked"):
        _ = Network.from_module(module).layers
    assert state_of(module) == before


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_cancel(calls: int) -> None:
    module = awkward()
    network = Network.from_module(module)
    _ = network.layers
    before = state_of(module)
    with pytest.raises(Cancelled):
        network.predict(IMAGE, cancel=cancel_after(calls))
    assert state_of(module) == before
    assert network.predict(IMAGE, cancel=lambda: False).shape == (2, 24, 20)


def test_twin_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_seggradcam.networks.probing._MANY", {2: 0})
    module = awkward()
    before = state_of(module)
    _ = Network.from_module(module).layers
    assert state_of(module) == before


def test_pending_backward_of_the_caller_still_works() -> None:
    """Buffers that did not change are not written to, which would count as a change."""
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    pending = module(torch.rand(1, 1, 8, 8)).sum()
    Network.from_module(module).predict(IMAGE)
    pending.backward()


def test_as_found_freezes_and_evaluates_inside() -> None:
    module = awkward()
    with as_found(module):
        assert not any(m.training for m in module.modules())
        assert not any(p.requires_grad for p in module.parameters())


def test_leaves_have_their_first_path_and_no_children() -> None:
    shared = nn.ReLU()
    module = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1), shared), shared)
    assert list(leaves(module)) == ["0.0", "0.1"]
    nn.utils.parametrizations.weight_norm(module[0][0])
    assert list(leaves(module)) == ["0.0", "0.1"]
