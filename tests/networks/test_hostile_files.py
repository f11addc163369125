"""Files that would do harm, and damaged ones: nothing runs, nothing crashes, and it is said.

Every payload is shown to be a live one: loaded without care it does what it is not to do here.
Here are 81 of them in 9 places, and some 500 damaged copies; `formats/test_hostile_formats.py` has
more than 30 of other formats, and files that ask for too much.
"""

import io
import json
import os
import pickle
import runpy
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from napari_seggradcam.errors import NetworkFileError, UntrustedNetwork
from napari_seggradcam.networks.formats.contents import Contents
from napari_seggradcam.networks.opening import open_network
from napari_seggradcam.networks.unet import UNet
from network_files import WRITERS
from payloads import Payload


def touch(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


def a_script(marker: Path) -> str:
    script = marker.with_suffix(".script.py")
    script.write_text(touch(marker))
    return str(script)


# Ways to have a pickle do something.
CALLS: dict[str, Callable[[Path], Payload]] = {
    "os.system": lambda m: Payload(os.system, f"touch {m}"),
    "subprocess": lambda m: Payload(subprocess.check_call, ["touch", str(m)]),
    "exec": lambda m: Payload(exec, touch(m)),
    "eval": lambda m: Payload(eval, touch(m)),
    "a file written": lambda m: Payload(open, str(m), "w"),
    "a file copied": lambda m: Payload(shutil.copy, "/etc/hostname", str(m)),
    "runpy": lambda m: Payload(runpy.run_path, a_script(m)),
    "numpy": lambda m: Payload(np.save, f"{m}", np.zeros(1)),
    "torch.save": lambda m: Payload(torch.save, 1, str(m)),
}


def state() -> dict[str, torch.Tensor]:
    return nn.Conv2d(1, 2, 1).state_dict()


def whole_module(payload: Any) -> nn.Module:
    module = nn.Sequential(nn.Conv2d(1, 2, 1))
    module.extra = payload
    return module


def saved(path: Path, content: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path, **options)
    return path


def pickled(path: Path, content: Any, protocol: int) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


# Where it can hide: writes the file and returns what is opened.
PLACES: dict[str, Callable[[Path, Any], Path]] = {
    "archive": lambda f, p: saved(f / "n.pt", p),
    "legacy": lambda f, p: saved(f / "n.pth", p, _use_new_zipfile_serialization=False),
    "lightning": lambda f, p: saved(
        f / "n.ckpt", {"state_dict": state(), "hyper_parameters": {"model": p}}
    ),
    "beside a state dict": lambda f, p: saved(f / "n.pt", {**state(), "loss": p}),
    "in a module": lambda f, p: saved(f / "n.pt", whole_module(p)),
    "pickle 0": lambda f, p: pickled(f / "n.pkl", p, 0),
    "pickle 2": lambda f, p: pickled(f / "n.pt", {"state_dict": p}, 2),
    "pickle 5": lambda f, p: pickled(f / "n.pth", [p], 5),
    "nnU-Net": lambda f, p: an_nnunet(f / "n", {"network_weights": state(), "logging": p}),
}


def an_nnunet(folder: Path, checkpoint: Any) -> Path:
    saved(folder / "fold_0" / "checkpoint_final.pth", checkpoint)
    (folder / "plans.json").write_text(json.dumps({"configurations": {"2d": {}}}))
    (folder / "dataset.json").write_text(json.dumps({"labels": {"background": 0}}))
    return folder


def unsafe(path: Path) -> None:
    """Load as one does who thinks of nothing bad."""
    file = path / "fold_0" / "checkpoint_final.pth" if path.is_dir() else path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.load(file, weights_only=False)
        except Exception:
            pickle.loads(file.read_bytes())


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("place", PLACES)
def test_no_payload_runs(place: str, call: str, tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    path = PLACES[place](tmp_path, CALLS[call](marker))
    for options in ({}, {"factory": UNet}):
        with pytest.raises((UntrustedNetwork, NetworkFileError)) as raised:
            open_network(path, **options)
        assert str(tmp_path) in str(raised.value)
    assert not any(tmp_path.glob("it-ran*")) or call == "runpy"
    assert not marker.exists()
    unsafe(path)
    assert any(tmp_path.glob("it-ran*"))


@pytest.mark.parametrize("place", ["archive", "lightning", "pickle 5"])
def test_what_would_run_is_named(place: str, tmp_path: Path) -> None:
    path = PLACES[place](tmp_path, CALLS["os.system"](tmp_path / "it-ran"))
    with pytest.raises(UntrustedNetwork) as raised:
        open_network(path)
    assert ("system" in raised.value.what) or place.startswith("pickle")
    assert raised.value.sha256 == Contents(path).sha256


def archive(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def a_bomb(path: Path) -> Path:
    """As one of 2 GB of zeros looks before it is unfolded."""
    archive(path, {"x/data.pkl": bytes(2**20)}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    return path


def a_link(path: Path) -> Path:
    info = zipfile.ZipInfo("x/data.pkl")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, "/etc/passwd")
    return path


def twice(path: Path) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        file.writestr("x/data.pkl", b"one")
        file.writestr("x/data.pkl", b"two")
    return path


def cyclic(path: Path) -> Path:
    path.write_text("&a\nformat_version: 0.5.3\nweights: *a\ninputs: [*a, *a]\n")
    return path


def billion_laughs(path: Path) -> Path:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 12):
        row = ", ".join([f"*a{n - 1}"] * 9)
        lines.append(f"a{n}: &a{n} [{row}]")
    path.write_text("\n".join([*lines, "format_version: 0.5.3", "weights: *a11", ""]))
    return path


def tagged(path: Path) -> Path:
    marker = path.parent / "it-ran"
    path.write_text(
        f'format_version: !!python/object/apply:os.system ["touch {marker}"]\nweights: 1\n'
    )
    yaml.unsafe_load(path.read_text())  # a live one
    marker.unlink()
    return path


def header(path: Path, length: int) -> Path:
    path.write_bytes(length.to_bytes(8, "little") + b'{"a":' + bytes(100))
    return path


BAD: dict[str, Callable[[Path], Path]] = {
    "bomb": lambda f: a_bomb(f / "n.pt"),
    "traversal": lambda f: archive(f / "n.zip", {"../../etc/rdf.yaml": b"x", "x/data.pkl": b""}),
    "absolute": lambda f: archive(f / "n.zip", {"/etc/rdf.yaml": b"x"}),
    "drive": lambda f: archive(f / "n.zip", {"C:/rdf.yaml": b"x"}),
    "backslashes": lambda f: archive(f / "n.zip", {"..\\..\\rdf.yaml": b"x"}),
    "link": lambda f: a_link(f / "n.zip"),
    "same name twice": lambda f: twice(f / "n.pt"),
    "cyclic yaml": lambda f: cyclic(f / "rdf.yaml"),
    "billion laughs": lambda f: billion_laughs(f / "rdf.yaml"),
    "yaml with a call": lambda f: tagged(f / "rdf.yaml"),
    "header of 2 GB": lambda f: header(f / "n.safetensors", 2**31),
    "header of 16 EB": lambda f: header(f / "n.safetensors", 2**64 - 1),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_honest_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = BAD[kind](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NetworkFileError) as raised:
        open_network(path)
    assert str(path) in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_copies_are_told(tmp_path: Path) -> None:
    """Cut-off and bit-flipped copies of a file of every format open, or it is said why not."""
    command = [sys.executable, Path(__file__).with_name("damaged_copies.py"), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1], done.stderr)
    told = [line for line in lines if "said" in line]
    assert [(line["file"], line["others"]) for line in told if line["others"]] == []
    assert {line["file"].split(":")[0] for line in told} >= set(WRITERS)
    for line in told:
        assert all(len(message) > 40 for message in line["said"]), line
    assert sum(len(line["said"]) for line in told) > 300
    assert sum(line["opened"] + len(line["said"]) for line in told) > 450


def test_members_have_a_most(tmp_path: Path) -> None:
    path = archive(tmp_path / "n.zip", {"a": b"x" * 100})
    assert Contents(path).read("a", most=100) == b"x" * 100
    with pytest.raises(NetworkFileError, match="more than 99 bytes"):
        Contents(path).read("a", most=99)
    with pytest.raises(NetworkFileError, match="has no b"):
        Contents(path).read("b")
    buffer = io.BytesIO(path.read_bytes())
    assert zipfile.ZipFile(buffer).namelist() == ["a"]
