"""Fuzz what is done with a network file before anybody trusts it; coverage leads the way.

Usage: python scripts/fuzz_networks.py [--seconds 600]

It begins with small files of the formats. Every input becomes a file, an archive or a folder with
the members of one of them. Each format is asked whether it is its own, and what opening it would
run. Nothing but the errors that callers are told about may come out; anything else ends the run
with the input that did it.
"""

import argparse
import pickle
import struct
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import atheris
import torch
from safetensors.torch import save_file

with atheris.instrument_imports(include=["napari_seggradcam.networks", "yaml"]):
    from napari_seggradcam.errors import SegGradCamError
    from napari_seggradcam.networks import opening
    from napari_seggradcam.networks.formats.contents import Contents
    from napari_seggradcam.networks.formats.reading import Request

# Members of a network of each format; an input divides into their contents.
_ARCHIVES = (
    ("x/data.pkl", "x/version", "x/data/0"),
    ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py", "x/version"),
    ("rdf.yaml", "weights.pt", "unet.py"),
    (
        "p/archive_format",
        "p/models/model.json",
        "p/data/weights/model_weights_config.json",
        "p/data/sample_inputs/model.pt",
    ),
    ("configs/inference.json", "configs/metadata.json", "models/model.pt"),
)
_FOLDERS = (
    ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"),
    ("config.json", "model.safetensors"),
    ("configs/inference.json", "configs/metadata.json", "models/model.pt"),
    ("rdf.yaml", "weights.onnx"),
)


def encode(kind: int, parts: Sequence[bytes]) -> bytes:
    """Input for the members of one kind; kind 0 is a file."""
    return bytes([kind]) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def write(data: bytes, folder: Path) -> Path:
    """Make an input's file, archive or folder."""
    kind, rest = data[0] % (1 + len(_ARCHIVES) + len(_FOLDERS)), data[1:]
    path = folder / "network"
    if kind == 0:
        path.write_bytes(rest[2:])
        return path
    parts = {}
    for name in (*_ARCHIVES, *_FOLDERS)[kind - 1]:
        length = int.from_bytes(rest[:2])
        parts[name], rest = rest[2 : 2 + length], rest[2 + length :]
    if kind <= len(_ARCHIVES):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return path
    for name, content in parts.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def seeds() -> Iterator[bytes]:
    """Inputs to begin with: files as they are written by those who write them."""
    module = torch.nn.Conv2d(1, 2, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for saved in (module, {"state_dict": module.state_dict(), "epoch": 3}):
            torch.save(saved, path)
            yield encode(0, [path.read_bytes()])
            with zipfile.ZipFile(path) as archive:
                pickled = archive.read("x/data.pkl")
            yield encode(1, [pickled, b"3\n", bytes(8)])
            torch.save(saved, path, _use_new_zipfile_serialization=False)
            yield encode(0, [path.read_bytes()])
        save_file(module.state_dict(), path)
        yield encode(0, [path.read_bytes()])
        yield encode(7, [b'{"_model_class": "Unet", "in_channels": 1}', path.read_bytes()])
    script = b"class Net(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    return x\n"
    yield encode(2, [pickled, pickle.dumps((), 2), script, b"3\n"])
    description = b"format_version: 0.5.3\nweights:\n  torchscript: {source: weights.pt}\n"
    yield encode(3, [description, b"", b"class UNet: pass\n"])
    yield encode(9, [description, b""])
    yield encode(4, [b"pt2", b'{"graph_module": {"expr_str": "s0"}}', b'{"config": {}}', b""])
    bundle = b'{"network_def": {"_target_": "UNet", "spatial_dims": 2, "in_channels": "$1"}}'
    yield encode(5, [bundle, b'{"network_data_format": {}}', pickled])
    yield encode(8, [bundle, b'{"network_data_format": {}}', pickled])
    plans = b'{"configurations": {"2d": {"architecture": {"arch_kwargs": {}}}}}'
    yield encode(6, [plans, b'{"labels": {"background": 0}}', pickled])


def one_input(data: bytes) -> None:
    """Look at one input as `open_network` does before it asks for trust."""
    if not data:
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            contents = Contents(write(data, Path(folder)))
        except SegGradCamError:
            return
        request = Request()
        for format_ in opening.FORMATS:
            try:
                if format_.recognises(contents):
                    format_.needs(contents, request)
            except SegGradCamError:
                continue


def main() -> None:
    """Fuzz for some time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    options = [f"-max_total_time={given.seconds}", "-max_len=16384", "-len_control=0"]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, corpus], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
