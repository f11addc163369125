"""What TorchScript networks may do beside convolutions, each against the Python it came from."""

import copy
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from architectures import Function
from napari_seggradcam.errors import NetworkError, NetworkFileError
from napari_seggradcam.networks.running import FunctionCalls
from napari_seggradcam.networks.torchscript.mirroring import mirror
from torchscript_files import export, written

IMAGE = torch.rand(1, 2, 6, 8)


class Containers(nn.Module):
    """Lists, tuples, dicts, loops, branches and strings."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(2, 2, 1) for _ in range(3))
        self.factors = [1, 2, 3]
        self.mode = "yes"

    def parts(self, x: torch.Tensor, n: int = 2) -> tuple[torch.Tensor, int]:
        return x * n, n + 1

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        kept: list[torch.Tensor] = []
        for i, conv in enumerate(self.convs):
            kept.append(conv(x) * self.factors[i])
        y, n = self.parts(kept[-1])
        count = 0
        while count < n and y.dim() == 4:
            y = y + kept[count % len(kept)]
            count += 1
        y = y[:, :, 1:, ::2] if self.mode == "yes" and n > 2 else y[:, 0]
        a, b = torch.split(y, [1, 1], dim=1)
        sizes = [s // 2 for s in y.shape[2:]]
        small = functional.adaptive_avg_pool2d(a, sizes)
        assert b.shape[0] == 1, f"batch is {b.shape[0]}"
        return {"out": torch.cat([a, b], 1), "small": small}


def test_lists_dicts_loops_and_branches(tmp_path: Path) -> None:
    module = Containers().eval()
    expected, found = (
        m(IMAGE) for m in (module, mirror(written(module, IMAGE, "scripted", tmp_path)))
    )
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


class ChangesItsInput(nn.Module):
    """What stands in the residual is the rectified image, as in more than one published network."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.relu(x)) + x


@pytest.mark.parametrize("how", ["traced", "scripted"])
def test_what_works_in_place_does_so(how: str, tmp_path: Path) -> None:
    module, image = ChangesItsInput().eval(), IMAGE - 0.5
    mirrored = mirror(written(module, image.clone(), how, tmp_path))
    assert mirrored(image.clone()).equal(module(image.clone()))


class CalledTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.same = self.conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.same(self.conv(x).relu())


@pytest.mark.parametrize("how", ["traced", "scripted"])
def test_hooks_fire_for_every_call(how: str, tmp_path: Path) -> None:
    module = CalledTwice().eval()
    mirrored = mirror(written(module, IMAGE, how, tmp_path))
    calls: list[torch.Tensor] = []
    mirrored.conv.register_forward_hook(lambda m, args, output: calls.append(output))
    expected = module(IMAGE)
    assert mirrored(IMAGE).equal(expected)
    assert len(calls) == 2
    assert calls[1].equal(expected)


class Calls(FunctionCalls):
    def __init__(self) -> None:
        super().__init__(2)
        self.names: list[str] = []

    def call(self, name, func, args, kwargs):  # type: ignore[no-untyped-def]
        self.names.append(name)
        return func(*args, **kwargs)


FUNCTIONS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "reflect": (lambda x: functional.pad(x, [1, 1, 1, 1], "reflect"), "pad"),
    "zeros": (lambda x: functional.pad(x, [1, 1, 1, 1]), "pad"),
    "size": (lambda x: functional.interpolate(x, size=[12, 16], mode="bilinear"), "interpolate"),
    "factor": (lambda x: functional.interpolate(x, scale_factor=1.3), "interpolate"),
    "corners": (
        lambda x: functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True),
        "interpolate",
    ),
    "exact": (
        lambda x: functional.interpolate(x, scale_factor=3.0, mode="nearest-exact"),
        "interpolate",
    ),
    "max": (lambda x: functional.max_pool2d(x, 2), "max_pool2d"),
    "mean": (lambda x: functional.avg_pool2d(x, 2), "avg_pool2d"),
    "softmax": (lambda x: functional.softmax(x, 1), "softmax"),
    "sigmoid": (lambda x: torch.sigmoid(x), "sigmoid"),
    "leaky": (lambda x: functional.leaky_relu(x, 0.2), "leaky_relu"),
    "elu": (lambda x: functional.elu(x, 0.5), "elu"),
    "gelu": (lambda x: functional.gelu(x, approximate="tanh"), "gelu"),
    "dropout": (lambda x: functional.dropout2d(x, 0.5, training=False), "dropout2d"),
    "group": (lambda x: functional.group_norm(x, 2), "group_norm"),
    "instance": (lambda x: functional.instance_norm(x), "instance_norm"),
    "layer": (lambda x: functional.layer_norm(x, [8]), "layer_norm"),
    "sum": (lambda x: torch.add(x, x, alpha=2), "add"),
    "slice": (lambda x: x[:, :1, 2:], "__getitem__"),
    "shape": (lambda x: x.reshape(x.shape[0], -1, x.shape[3]).flip(1), "flip"),
    "ones": (lambda x: x + torch.ones(x.shape[2], 1, device=x.device), "add"),
    "same": (
        lambda x: functional.conv2d(x, torch.ones(1, 2, 3, 3).to(x), padding="same"),
        "conv2d",
    ),
    "up": (
        lambda x: functional.conv_transpose2d(
            x, torch.ones(2, 1, 3, 3).to(x), stride=2, output_padding=1
        ),
        "conv_transpose2d",
    ),
    "chunks": (lambda x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0], "mul"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_that_people_call(name: str, tmp_path: Path) -> None:
    function, expected = FUNCTIONS[name]
    module = nn.Sequential(nn.Conv2d(2, 2, 1), Function(function)).eval()
    mirrored = mirror(written(module, IMAGE, "traced", tmp_path))
    calls = Calls()
    with calls:
        found = mirrored(IMAGE)
    assert found.equal(module(IMAGE))
    assert expected in calls.names
    large = torch.rand(2, 2, 6, 8)
    assert mirrored(large).equal(module(large))
    double = copy.deepcopy(mirrored).double()(IMAGE.double())
    assert double.dtype == torch.float64


class Refuses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] > 6:
            raise ValueError("too tall")
        return x


def test_errors_of_the_network_are_its_own(tmp_path: Path) -> None:
    mirrored = mirror(written(Refuses(), IMAGE, "scripted", tmp_path))
    assert mirrored(IMAGE).equal(IMAGE)
    with pytest.raises(NetworkError, match="too tall"):
        mirrored(torch.rand(1, 1, 8, 8))


class Seeds(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return x


class Forks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.jit.wait(torch.jit.fork(torch.relu, x))


@pytest.mark.parametrize(("module", "kind"), [(Seeds(), "manual_seed"), (Forks(), "prim::fork")])
def test_operations_that_are_not_supported_are_named(module: nn.Module, kind: str) -> None:
    with pytest.raises(NetworkFileError, match=kind):
        mirror(export(module, IMAGE, "scripted"))


def test_feature_maps_are_freed_as_soon_as_nothing_reads_them(tmp_path: Path) -> None:
    blocks = [nn.Sequential(nn.Conv2d(2, 2, 1), Function(torch.tanh)) for _ in range(4)]
    mirrored = mirror(written(nn.Sequential(*blocks), IMAGE, "traced", tmp_path))
    seen: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def hook(m: nn.Module, args: object, output: torch.Tensor) -> None:
        alive.append(sum(ref() is not None for ref in seen))
        seen.append(weakref.ref(output))

    for n in range(4):
        mirrored.get_submodule(f"{n}").register_forward_hook(hook)
    with torch.no_grad():
        mirrored(IMAGE)
    assert max(alive) <= 1
