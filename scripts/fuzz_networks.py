"""Fuzz what is done with a network file before anybody trusts it; coverage leads the way.

Usage: python scripts/fuzz_networks.py [--seconds 600]

It begins with small files of the formats. Every input becomes a file, an archive or a folder with
the members of one of them. Each format is asked whether it is its own, and what opening it would
run. Nothing but the errors that callers are told about may come out; anything else ends the run
with the input that did it. Where there is no atheris for the machine's Python, nothing is done.
"""

import argparse
import importlib.util
import io
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

# Members of a network of each format; an input divides into their contents.
_ARCHIVES = (
    ("x/data.pkl", "x/version", "x/data/0"),
    ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py", "x/version"),
    ("rdf.yaml", "weights.pt", "unet.py"),
    (
        "p/archive_format",
        "p/models/model.json",
        "p/data/weights/model_weights_config.json",
        "p/data/constants/model_constants_config.json",
        "p/data/sample_inputs/model.pt",
    ),
    ("configs/inference.json", "configs/metadata.json", "models/model.pt"),
    ("serialized_exported_program.json", "serialized_state_dict.pt", "version"),
)
_FOLDERS = (
    ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"),
    ("config.json", "model.safetensors"),
    ("configs/inference.json", "configs/metadata.json", "models/model.pt"),
    ("rdf.yaml", "weights.onnx"),
    ("configs/inference.yaml", "configs/metadata.json", "models/model.pt"),
)
_FILE = 0
_PICKLE, _SCRIPT, _PACKAGE, _EXPORTED, _BUNDLE, _OLD_EXPORTED = range(1, 7)
_NNUNET, _PRETRAINED, _BUNDLE_FOLDER, _PACKAGE_FOLDER, _BUNDLE_YAML = range(7, 12)


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
    state = {"state_dict": module.state_dict(), "epoch": 3}
    for saved in (module, state):
        for zipped in (True, False):
            content = _written(torch.save, saved, _use_new_zipfile_serialization=zipped)
            yield encode(_FILE, [content])
    pickled = _members(_written(torch.save, state))["archive/data.pkl"]
    yield encode(_PICKLE, [pickled, b"3\n", bytes(8)])
    plan = b'{"configurations": {"2d": {"architecture": {}, "patch_size": [8, 8]}}}'
    labels = b'{"labels": {"background": 0, "cell": 1}, "channel_names": {"0": "a"}}'
    yield encode(_NNUNET, [plan, labels, _written(torch.save, state)])
    yield from _safetensors(module)
    yield from _packages()
    yield from _bundles(_written(torch.save, module.state_dict()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from _scripts(module)
        yield from _exported(module)
    yield from _onnx()


def _written(save: Callable[..., None], content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    save(content, file, **options)
    return file.getvalue()


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _ending(members: dict[str, bytes], *ends: str) -> list[bytes]:
    """Contents of the first member with each end; empty where there is none."""
    return [next((members[n] for n in members if n.endswith(end)), b"") for end in ends]


def _safetensors(module: torch.nn.Module) -> Iterator[bytes]:
    with tempfile.NamedTemporaryFile() as file:
        save_file(module.state_dict(), file.name)
        content = Path(file.name).read_bytes()
    yield encode(_FILE, [content])
    yield encode(_PRETRAINED, [b'{"_model_class": "Unet", "in_channels": 1}', content])
    config = b'{"architectures": ["XForSemanticSegmentation"], "auto_map": {"a": "b.C"}}'
    yield encode(_PRETRAINED, [config, content])


def _packages() -> Iterator[bytes]:
    described = b"format_version: 0.5.3\ntype: model\nweights:\n"
    yield encode(_PACKAGE, [described + b"  torchscript: {source: weights.pt}\n", b"", b""])
    yield encode(_PACKAGE_FOLDER, [described + b"  onnx: {source: weights.onnx}\n", b""])
    yield encode(_FILE, [described + b"inputs: &a [1]\noutputs: *a\n"])


def _bundles(weights: bytes) -> Iterator[bytes]:
    config = (
        b'{"network_def": {"_target_": "UNet", "spatial_dims": 2, "in_channels": "@n"}, "n": 1}'
    )
    yield encode(_BUNDLE, [config, b'{"network_data_format": {}}', weights])
    yield encode(_BUNDLE_FOLDER, [config.replace(b"@n", b"$1"), b"{}", weights])
    text = b"n: 1\nnetwork_def:\n  _target_: UNet\n  in_channels: '@n'\n"
    yield encode(_BUNDLE_YAML, [text, b"{}", weights])


def _scripts(module: torch.nn.Module) -> Iterator[bytes]:
    content = _written(torch.jit.save, torch.jit.script(module))
    yield encode(_FILE, [content])
    inner = _members(content)
    ends = ("data.pkl", "constants.pkl", "conv.py", "version")
    yield encode(_SCRIPT, _ending(inner, *ends))
    hostile = b"def forward(self, x):\n  torch.save(x, 'a')\n  return ops.image.read_file('a')\n"
    yield encode(_SCRIPT, [pickle.dumps((), 2), pickle.dumps((), 2), hostile, b"3\n"])


def _exported(module: torch.nn.Module) -> Iterator[bytes]:
    size = torch.export.Dim.AUTO
    program = torch.export.export(
        module, (torch.rand(2, 1, 8, 8),), dynamic_shapes=({0: size, 2: size, 3: size},)
    )
    inner = _members(_written(torch.export.save, program))
    ends = ("archive_format", "model.json", "weights_config.json", "constants_config.json", ".pt")
    yield encode(_EXPORTED, _ending(inner, *ends))
    (graph,) = _ending(inner, "model.json")
    yield encode(_OLD_EXPORTED, [graph, b"", b"1"])


def _onnx() -> Iterator[bytes]:
    import onnx
    from onnx import TensorProto, helper

    shapes = {"x": ("n", 1, "h", 16), "y": None}
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    weight = helper.make_tensor("w", TensorProto.FLOAT, (2, 1, 1, 1), [1.0, 2.0])
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "graph", values[:1], values[1:], [weight])
    model: onnx.ModelProto = helper.make_model(graph)
    yield encode(_FILE, [model.SerializeToString()])
    yield encode(_PACKAGE_FOLDER, [b"format_version: 0.5.3\n", model.SerializeToString()])


def look() -> None:
    """Give libFuzzer what is done with a file; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["napari_seggradcam.networks", "yaml"]):
        from napari_seggradcam.errors import SegGradCamError
        from napari_seggradcam.networks import opening
        from napari_seggradcam.networks.formats import onnx
        from napari_seggradcam.networks.formats.contents import Contents
        from napari_seggradcam.networks.formats.reading import Request
        from napari_seggradcam.networks.onnx import describe_onnx

    def look_at(contents: Contents) -> None:
        for format_ in opening.FORMATS:
            try:
                if format_.recognises(contents):
                    format_.needs(contents, Request())
                    if format_ is onnx:
                        describe_onnx(contents.read())
            except SegGradCamError:
                continue

    def one_input(data: bytes) -> None:
        if not data:
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                look_at(Contents(write(data, Path(folder))))
            except SegGradCamError:
                return

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


def fuzz(seconds: int) -> None:
    """Fuzz for some time and tell in one line what was done, or all that is known of a failure."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=32768", "-len_control=0"]
        command = [sys.executable, __file__, *options, "-print_final_stats=1", corpus]
        found = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if found.returncode != 0:
        sys.exit(f"{found.stdout}{found.stderr}")
    units = int(re.findall(r"number_of_executed_units: (\d+)", found.stderr)[-1])
    covered = re.findall(r"cov: (\d+) ft: (\d+)", found.stderr)[-1]
    print(
        f"fuzzed {units:,} inputs in {seconds} s ({units / seconds:.0f}/s), covering "
        f"{covered[0]} edges ({covered[1]} features); nothing got out"
    )


def main() -> None:
    """Fuzz, or be the process that libFuzzer ends."""
    if any(argument.startswith("-max_total_time=") for argument in sys.argv[1:]):
        look()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("not fuzzed: there is no atheris for this Python on this system")
        return
    fuzz(given.seconds)


if __name__ == "__main__":
    main()
