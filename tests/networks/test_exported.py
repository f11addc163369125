"""Files of torch.export: their modules, and what is found in those that would run code."""

import contextlib
import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks import nets
from torch import nn
from torch.export import Dim

from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.explain.explainer import explain
from napari_seggradcam.explain.habits import habits_of
from napari_seggradcam.networks.exported import read_exported, scan
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.running import as_found
from napari_seggradcam.networks.unet import UNet
from payloads import Payload


class Ending(nn.Module):
    """Bilinear, added skip, a softmax at the end: what the package looks for by name."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, 2, 1)
        self.act = nn.SiLU()
        self.deep = nn.Conv2d(4, 4, 3, 1, 1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.side = nn.Conv2d(1, 4, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = self.up(self.deep(self.act(self.down(x))))
        up += self.side(x)
        return torch.softmax(self.head(up), dim=1)


FACTORIES: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: UNet(2, depth=1, base_width=2),
    "UNet": lambda: nets.UNet(2, 1, 2, (4, 8), (2,), num_res_units=1),
    "ending": Ending,
}
FREE = dict.fromkeys((0, 2, 3), Dim.AUTO)


@cache
def module_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return FACTORIES[name]().eval()


@cache
def content_of(name: str, free: bool = True) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = (torch.rand(2, 1, 64, 32),)
        shapes = (FREE,) if free else None
        program = torch.export.export(module_of(name), example, dynamic_shapes=shapes)
        torch.export.save(program, file)
    return file.getvalue()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "network.pt2"
        path.write_bytes(content)
        return path

    return write


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def findings(content: bytes) -> str:
    parts = members(content)
    return "; ".join(map(str, scan(tuple(parts), parts.__getitem__)))


@pytest.mark.parametrize("name", list(FACTORIES))
def test_the_module_computes_the_same(name: str, written: Callable[[bytes], Path]) -> None:
    assert findings(content_of(name)) == ""
    opened = read_exported(written(content_of(name)))
    assert opened.shape == (None, 1, None, None)
    assert (opened.channels, opened.axes) == (1, "CYX")
    for shape in ((1, 1, 96, 64), (3, 1, 32, 64)):
        image = torch.rand(shape)
        with torch.no_grad():
            wanted = module_of(name)(image)
            torch.testing.assert_close(opened.module(image), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", list(FACTORIES))
def test_layers_and_heatmaps_are_those_of_the_module(
    name: str, written: Callable[[bytes], Path]
) -> None:
    mine = Network.from_module(read_exported(written(content_of(name))).module)
    eager = Network.from_module(module_of(name))
    fields = ("name", "module", "role", "level", "kind", "channels", "stride", "shape", "argument")
    described = [
        [tuple(getattr(layer, field) for field in fields) for layer in network.layers]
        for network in (eager, mine)
    ]
    assert described[0] == described[1]
    assert mine.activation == eager.activation
    image = np.random.default_rng(0).random((64, 96), dtype=np.float32)
    region = np.zeros((64, 96), dtype=bool)
    region[20:40, 20:50] = True
    first, second = (
        explain(network, image, region, axes="YX", target=1, layers="all")
        for network in (eager, mine)
    )
    for layer in first.layers:
        largest = max(np.abs(first[layer].signed).max(), 1e-7)
        assert np.abs(first[layer].signed - second[layer].signed).max() <= 1e-5 * largest


def test_the_engine_keeps_a_tape_of_it(written: Callable[[bytes], Path]) -> None:
    network = Network.from_module(read_exported(written(content_of("own"))).module)
    with as_found(network.module):
        assert habits_of(network, (48, 80)).recordable


def test_files_for_a_batch_of_several_are_refused(written: Callable[[bytes], Path]) -> None:
    content = content_of("own", free=False)
    assert findings(content) == ""
    with pytest.raises(NetworkFileError, match=r"a batch of 2 images.*dynamic_shapes"):
        read_exported(written(content))


def torch_pickle(payload: Payload) -> bytes:
    file = io.BytesIO()
    torch.save((payload,), file)
    return file.getvalue()


def end_of(parts: dict[str, bytes], end: str) -> str:
    return next(name for name in parts if name.endswith(end))


def with_payload(kind: str, mark: Path) -> bytes:
    """A file that makes a folder when torch opens it."""
    parts = members(content_of("own"))
    root = next(iter(parts)).split("/")[0]
    if kind == "sample inputs":
        parts[end_of(parts, "sample_inputs/model.pt")] = torch_pickle(Payload(os.mkdir, str(mark)))
        return packed(parts)
    if kind == "weight":
        name, path = end_of(parts, "weights_config.json"), "weight_0"
        config = json.loads(parts[name])
        next(iter(config["config"].values()))["use_pickle"] = True
        parts[f"{root}/data/weights/{path}"] = torch_pickle(Payload(os.mkdir, str(mark)))
    else:
        name, path = end_of(parts, "constants_config.json"), "opaque_obj_0"
        weights = json.loads(parts[end_of(parts, "weights_config.json")])["config"]
        entry = {**next(iter(weights.values())), "path_name": path, "use_pickle": True}
        config = {"config": {"thing": entry}}
        parts[f"{root}/data/constants/{path}"] = pickle.dumps(Payload(os.mkdir, str(mark)))
    parts[name] = json.dumps(config).encode()
    return packed(parts)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("sample inputs", r"calls \S*mkdir"),
        ("weight", "stored as a pickle"),
        ("object", "'thing' is stored as a pickle"),
    ],
)
def test_payloads_fire_in_torch_and_not_here(
    kind: str, told: str, tmp_path: Path, written: Callable[[bytes], Path]
) -> None:
    mark = tmp_path / "fired"
    content = with_payload(kind, mark)
    with pytest.raises(UntrustedNetwork, match=told):
        read_exported(written(content))
    assert not mark.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # What torch makes of the result afterwards does not matter.
        with contextlib.suppress(Exception):
            torch.export.load(io.BytesIO(content))
    assert mark.exists()


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The good file with another graph."""
    parts = members(content_of("own"))
    name = end_of(parts, "models/model.json")
    graph = json.loads(parts[name])
    change(graph)
    parts[name] = json.dumps(graph).encode()
    return packed(parts)


def set_target(target: str) -> Callable[[dict[str, Any]], None]:
    return lambda graph: graph["graph_module"]["graph"]["nodes"][0].update(target=target)


@pytest.mark.parametrize(
    "target",
    [
        "torch.hub.load",
        "torch.load",
        "torch.utils.cpp_extension.load_inline",
        "torch.ops.aten.from_file.default",
        "torch.ops.load_library",
        "torch.ops.mine.run.default",
        "_operator.methodcaller",
        "math.__loader__.load_module",
        "torch.ops.aten.relu.default.__globals__",
    ],
)
def test_functions_that_do_more_than_compute_are_found(target: str) -> None:
    assert f"calls {target!r}" in findings(changed(set_target(target)))


def expression(graph: dict[str, Any], text: str) -> None:
    graph["graph_module"]["graph"]["sym_int_values"]["s"] = {
        "as_expr": {"expr_str": text, "hint": None}
    }


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "eval('1')",
        "open(0)",
        "exec",
        "s0.func",
        "Symbol('s0').__class__",
        "lambda: 0",
        "9**9**9",
        "9**999999999",
        "[s0]",
        "s0 if s1 else s2",
    ],
)
def test_expressions_that_are_not_of_sizes_are_found(text: str) -> None:
    assert "evaluates the expression" in findings(changed(lambda graph: expression(graph, text)))


@pytest.mark.parametrize(
    "text",
    [
        "Mul(Integer(8), Symbol('s6', positive=True, integer=True))",
        "Max(1, s0//2) - 1",
        "s77**2 + FloorDiv(s0, 2)",
    ],
)
def test_expressions_of_sizes_pass(text: str) -> None:
    assert findings(changed(lambda graph: expression(graph, text))) == ""


def test_names_that_become_code_are_found(tmp_path: Path) -> None:
    """torch writes the names of a graph's inputs into Python code."""
    name = f"x=__import__('os').mkdir({str(tmp_path / 'fired')!r})"

    def rename(graph: dict[str, Any]) -> None:
        graph["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = name

    def rename_value(graph: dict[str, Any]) -> None:
        graph["graph_module"]["graph"]["tensor_values"][name] = {}

    def rename_module(graph: dict[str, Any]) -> None:
        node = graph["graph_module"]["graph"]["nodes"][0]
        node["metadata"]["nn_module_stack"] = 'a,x"), print("fired"), ("y,b'

    def other_class(graph: dict[str, Any]) -> None:
        spec = '[1, {"type": "mine.Class", "context": "null", "children_spec": []}]'
        graph["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = spec

    for change in (rename, rename_value, rename_module):
        assert "could become code" in findings(changed(change))
    assert "objects of other classes" in findings(changed(other_class))


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("data/aotinductor/model/model.so", "compiled code"),
        ("models/library.so", "compiled code"),
        ("data/constants/custom_obj_0", "class of its own"),
        ("code.py", "do not have"),
    ],
)
def test_other_members_are_found(member: str, told: str) -> None:
    parts = members(content_of("own"))
    root = next(iter(parts)).split("/")[0]
    parts[f"{root}/{member}"] = b"anything"
    assert told in findings(packed(parts))


def test_with_trust_a_file_is_opened_as_torch_opens_it(
    tmp_path: Path, written: Callable[[bytes], Path]
) -> None:
    mark = tmp_path / "fired"
    path = written(with_payload("sample inputs", mark))
    opened = read_exported(path, trust=True)
    assert mark.exists()
    image = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(opened.module(image), module_of("own")(image), rtol=0, atol=1e-6)


def test_damaged_files_never_raise_anything_else(written: Callable[[bytes], Path]) -> None:
    good = content_of("own")
    parts = members(good)
    config = end_of(parts, "weights_config.json")
    damaged = [
        b"",
        b"PK\x03\x04",
        good[: len(good) // 2],
        packed(parts, zipfile.ZIP_DEFLATED),
        packed({**parts, config: b"{"}),
        packed({**parts, config: b"[]"}),
        packed({**parts, config: b'{"config": {"a": 3}}'}),
        packed({**parts, end_of(parts, "models/model.json"): b"{}"}),
        packed({**parts, end_of(parts, "models/model.json"): b"[" * 100_000}),
        packed({name: part for name, part in parts.items() if name != config}),
    ]
    for content in damaged:
        with pytest.raises(NetworkFileError):
            read_exported(written(content))


def test_two_members_of_one_name_are_refused(written: Callable[[bytes], Path]) -> None:
    """torch and Python need not take the same one."""
    file = io.BytesIO(content_of("own"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(archive.namelist()[0], b"other")
    with pytest.raises(NetworkFileError, match="two members"):
        read_exported(written(file.getvalue()))
