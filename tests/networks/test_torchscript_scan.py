"""What the scan finds in TorchScript files, hostile and good, without loading them."""

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_seggradcam.errors import NetworkFileError
from napari_seggradcam.networks.torchscript.mirroring import mirror
from napari_seggradcam.networks.torchscript.reading import read_scripted
from napari_seggradcam.networks.torchscript.scanning import scan
from torchscript_files import Mapping, SmallUNet, Writing, WritingWhileLoading, export, noisy, save


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def scanned(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return scan(archive)


def test_a_network_that_writes_a_file_does_so_and_is_found(tmp_path: Path) -> None:
    target = tmp_path / "written"
    path = save(export(Writing(str(target)), torch.zeros(1), "scripted"), tmp_path / "evil.pt")
    assert any("save" in finding and "writes files" in finding for finding in scanned(path))
    scripted = read_scripted(path)
    assert not target.exists()
    scripted(torch.zeros(1))
    assert target.exists()
    target.unlink()
    with pytest.raises(NetworkFileError, match="aten::save"):
        mirror(scripted)
    assert not target.exists()


def test_a_network_that_writes_while_it_is_loaded_does_so_and_is_found(tmp_path: Path) -> None:
    target = tmp_path / "written"
    module = WritingWhileLoading(str(target))
    path = save(export(module, torch.zeros(1), "scripted"), tmp_path / "evil.pt")
    target.unlink(missing_ok=True)
    findings = " ".join(scanned(path))
    assert not target.exists()
    assert "__setstate__" in findings
    assert "writes files" in findings
    read_scripted(path)
    assert target.exists()


def test_a_network_that_maps_a_file_is_found(tmp_path: Path) -> None:
    target = tmp_path / "mapped"
    target.write_bytes(bytes(8))
    path = save(export(Mapping(str(target)), torch.zeros(1), "scripted"), tmp_path / "evil.pt")
    assert any("from_file" in finding for finding in scanned(path))
    with pytest.raises(NetworkFileError, match="aten::from_file"):
        mirror(read_scripted(path))


def test_a_quantised_network_is_found(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2)))
    path = save(export(module, torch.zeros(1, 2), "scripted"), tmp_path / "quantised.pt")
    findings = " ".join(scanned(path))
    assert "quantized.linear_dynamic" in findings
    assert "torch.classes" in findings


@pytest.mark.parametrize("how", ["traced", "scripted", "frozen scripted"])
def test_good_networks_pass(how: str, tmp_path: Path) -> None:
    scripted = export(noisy(SmallUNet), torch.rand(1, 1, 8, 8), how)
    path = save(scripted, tmp_path / "good.pt")
    assert scanned(path) == scan(members(path)) == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("def forward(self, x):\n  torch.save(x, 'a')\n", "save"),
        ("def forward(self, x):\n  f = (ops.aten).save\n", "save"),
        ("def forward(self, x):\n  getattr(x, 'save')('a')\n", "save"),
        ("def forward(self, x):\n  # \f torch.from_file ('a')\n  pass\n", "from_file"),
        ("def forward(self, x):\n  return torch.load('a')\n", "load"),
        ("def forward(self, x):\n  return ops.image.read_file('a')\n", "image.read_file"),
        ("def forward(self, x):\n  return torch.ops.mine.go(x)\n", "mine.go"),
        ("def forward(self, x):\n  return getattr(ops.mine, 'go')(x)\n", "hides"),
        ("def forward(self, x):\n  return ops.prim.rpc_sync(x)\n", "rpc_sync"),
        ("a : __torch__.torch.classes.mine.Thing\n", "torch.classes"),
        ("def __setstate__(self, state):\n  pass\n", "__setstate__"),
        ("import os\n", "imports os"),
        ("def forward(self x)", "can't be read"),
        ("a = " + "(" * 5000, "can't be read"),
        ("a = 1\0", "can't be read"),
    ],
)
def test_what_is_found_in_source(source: str, word: str) -> None:
    (finding,) = scan({"net/code/__torch__.py": source.encode()})
    assert word in finding
    assert finding.startswith("net/code/__torch__.py")


@pytest.mark.parametrize(
    "source",
    [
        "op_version_set = 1\nimport __torch__.torch.nn\n",
        "def forward(self, x):\n  return ops.prim.dtype(torch.relu(x))\n",
        "def save_later(self, x):\n  return (self).loaded(x, 'save')\n",
    ],
)
def test_what_is_harmless_in_source(source: str) -> None:
    assert scan({"net/code/__torch__.py": source.encode()}) == []


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_that_name_other_things_are_found(protocol: int) -> None:
    (finding, *_) = scan({"net/data.pkl": pickle.dumps(Evil(), protocol)})
    assert "eval" in finding or "STACK_GLOBAL" in finding


def test_what_can_not_be_looked_through_is_found() -> None:
    assert scan({"net/code/a.py": b"\xff"})
    assert scan({"net/data.pkl": b"\x80\x02c"})
    assert "too large" in scan({"net/code/a.py": bytes(2**25 + 1)})[0]
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("net/code/a.py", "a = 1\n")
        archive.writestr("net/code/a.py", "a = 2\n")
    with zipfile.ZipFile(stream) as archive:
        assert "2 times" in scan(archive)[0]


@given(st.binary(max_size=200), st.sampled_from(["code/a.py", "data.pkl"]))
def test_no_bytes_raise_an_error(content: bytes, name: str) -> None:
    assert all(isinstance(finding, str) for finding in scan({name: content}))
