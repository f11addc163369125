"""BioImage.IO packages of a small U-Net, written by bioimageio.spec itself."""

import gc
import hashlib
import shutil
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from bioimageio.spec import save_bioimageio_package, save_bioimageio_package_as_folder
from bioimageio.spec.model import v0_5
from torch import nn

ARCHITECTURE = '''
"""A small U-Net, with channels last if wanted."""

import torch
from torch import nn


class SmallUNet(nn.Module):
    def __init__(self, channels=1, classes=2, ndim=2, order=None, heads=1):
        super().__init__()
        conv, up, pool = {
            2: (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d),
            3: (nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d),
        }[ndim]
        self.down = nn.Sequential(conv(channels, 4, 3, padding=1), nn.ReLU())
        self.pool = pool(2)
        self.bottom = nn.Sequential(conv(4, 8, 3, padding=1), nn.ReLU())
        self.up = up(8, 4, 2, stride=2)
        self.join = nn.Sequential(conv(8, 4, 3, padding=1), nn.ReLU())
        self.head = conv(4, classes, 1)
        self.edge = conv(4, 1, 1) if heads == 2 else None
        if heads == 2:  # a test output has to be above 0 somewhere
            nn.init.constant_(self.edge.bias, 5)
        self.order = order

    def forward(self, x):
        if self.order is not None:
            x = x.permute(0, 3, 1, 2)
        skip = self.down(x)
        joined = self.join(torch.cat([skip, self.up(self.bottom(self.pool(skip)))], 1))
        logits = self.head(joined)
        if self.edge is not None:
            return self.edge(joined), logits
        return logits if self.order is None else logits.permute(0, 2, 3, 1)
'''
SHAPES = {2: (24, 40), 3: (8, 12, 16)}
FIRST_OUTPUT = "logits"


def small_unet(**kwargs: Any) -> nn.Module:
    """The network, in evaluation mode."""
    names: dict[str, Any] = {"__name__": "small_unet"}
    exec(compile(ARCHITECTURE, "small_unet.py", "exec"), names)
    torch.manual_seed(1)
    module: nn.Module = names["SmallUNet"](**kwargs).eval()
    return module


def write_package(
    folder: Path,
    module: nn.Module,
    *,
    kwargs: Mapping[str, Any] | None = None,
    weights: Iterable[str] = ("pytorch_state_dict",),
    preprocessing: Sequence[Mapping[str, Any]] = (),
    postprocessing: Sequence[Mapping[str, Any]] = (),
    prepare: Any = None,
    finish: Any = None,
    order: str = "",
    names: Sequence[str] = ("background", "nucleus"),
    outputs: Mapping[str, Sequence[str]] | None = None,
    size: Any = None,
    dtype: str = "float32",
    as_folder: bool = False,
    change: Any = None,
) -> Path:
    """Write a package and return its path.

    `prepare` and `finish` compute, in numpy, what the declared steps are; `change` may edit the
    description before it is written.
    """
    work = folder / "work"
    work.mkdir()
    kwargs = dict(kwargs or {})
    channels, ndim = kwargs.get("channels", 1), kwargs.get("ndim", 2)
    order = order or ("bcyx" if ndim == 2 else "bczyx")
    sizes = {"b": 1, "c": channels, **dict(zip("zyx"[-ndim:], SHAPES[ndim], strict=True))}
    raw = np.random.default_rng(2).gamma(2, 20, [sizes[letter] for letter in order])
    raw = raw.astype(dtype)
    ready = raw.astype(np.float32) if prepare is None else prepare(raw).astype(np.float32)
    with torch.no_grad():
        returned = module(torch.from_numpy(ready))
    tensors = returned if isinstance(returned, tuple) else (returned,)
    outputs = outputs or {FIRST_OUTPUT: names}
    np.save(work / "input.npy", raw)
    for name, tensor in zip(outputs, tensors, strict=True):
        found = tensor.numpy() if finish is None else finish(tensor.numpy())
        np.save(work / f"{name}.npy", found.astype(np.float32))
    (work / "README.md").write_text("# A small U-Net\n\n## Validation\n\nNone.\n")
    files = _write_weights(work, module, torch.from_numpy(ready), weights, ndim)
    description = _description(
        work, files, kwargs, order, channels, outputs, preprocessing, postprocessing, size, dtype
    )
    if change is not None:
        change(description)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves files open
        described = v0_5.ModelDescr.model_validate(description)
        if as_folder:
            path = folder / "package"
            save_bioimageio_package_as_folder(described, output_path=path)
        else:
            path = folder / "package.zip"
            save_bioimageio_package(described, output_path=path)
        gc.collect()
    shutil.rmtree(work)
    return path


def fix_sizes(description: dict[str, Any]) -> None:
    """For images of the size of the test image, and no others; a `change`."""
    for axis, size in zip(description["inputs"][0]["axes"][2:], SHAPES[2], strict=True):
        axis["size"] = size


def _write_weights(
    work: Path, module: nn.Module, example: torch.Tensor, weights: Iterable[str], ndim: int
) -> dict[str, Path]:
    files = {}
    for kind in weights:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "pytorch_state_dict":
                files[kind] = work / "weights.pt"
                torch.save(module.state_dict(), files[kind])
            elif kind == "torchscript":
                files[kind] = work / "scripted.pt"
                torch.jit.save(torch.jit.trace(module, example), str(files[kind]))
            else:
                files[kind] = work / "weights.onnx"
                free = {axis: f"d{axis}" for axis in (0, *range(2, ndim + 2))}
                torch.onnx.export(
                    module,
                    (example.repeat(2, *[1] * (ndim + 1)),),
                    str(files[kind]),
                    dynamo=False,
                    opset_version=17,
                    input_names=["image"],
                    dynamic_axes={"image": free},
                )
    (work / "small_unet.py").write_text(ARCHITECTURE)
    return files


def _description(
    work: Path,
    files: Mapping[str, Path],
    kwargs: Mapping[str, Any],
    order: str,
    channels: int,
    outputs: Mapping[str, Sequence[str]],
    preprocessing: Sequence[Mapping[str, Any]],
    postprocessing: Sequence[Mapping[str, Any]],
    size: Any,
    dtype: str,
) -> dict[str, Any]:
    def axis(letter: str, names: Sequence[str], tensor: str | None) -> dict[str, Any]:
        if letter == "b":
            return {"type": "batch"}
        if letter == "c":
            return {"type": "channel", "channel_names": list(names)}
        follows = {"tensor_id": "raw", "axis_id": letter}
        own = size or {"min": 8, "step": 4}
        return {"type": "space", "id": letter, "size": own if tensor is None else follows}

    entries: dict[str, Any] = {
        kind: {"source": path, "sha256": digest(path)} for kind, path in files.items()
    }
    if "pytorch_state_dict" in entries:
        source = work / "small_unet.py"
        entries["pytorch_state_dict"] |= {
            "pytorch_version": "2.13.0",
            "architecture": {
                "callable": "SmallUNet",
                "source": source,
                "sha256": digest(source),
                "kwargs": dict(kwargs),
            },
        }
    if "torchscript" in entries:
        entries["torchscript"] |= {"pytorch_version": "2.13.0"}
    if "onnx" in entries:
        entries["onnx"] |= {"opset_version": 17}
    first = next(iter(entries))
    for kind in entries:
        if kind != first:
            entries[kind]["parent"] = first
    return {
        "type": "model",
        "format_version": v0_5.ModelDescr.implemented_format_version,
        "name": "Small U-Net",
        "description": "Made by a test.",
        "version": "1.2.3",
        "authors": [{"name": "A. Tester"}],
        "cite": [{"text": "Ronneberger et al. 2015", "doi": "10.1007/978-3-319-24574-4_28"}],
        "license": "MIT",
        "documentation": {"source": work / "README.md"},
        "inputs": [
            {
                "id": "raw",
                "axes": [axis(a, [f"channel{i}" for i in range(channels)], None) for a in order],
                "test_tensor": {"source": work / "input.npy"},
                "data": {"type": dtype},
                "preprocessing": [
                    *preprocessing,
                    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                ],
            }
        ],
        "outputs": [
            {
                "id": name,
                "axes": [axis(a, names, name) for a in order],
                "test_tensor": {"source": work / f"{name}.npy"},
                "postprocessing": list(postprocessing),
            }
            for name, names in outputs.items()
        ],
        "weights": entries,
    }


def write_package_0_4(folder: Path, module: nn.Module, **more: Any) -> Path:
    """Write a folder of format 0.4 by hand, as bioimageio.core wrote them."""
    path = folder / "package"
    path.mkdir()
    raw = np.random.default_rng(2).gamma(2, 20, (1, 1, *SHAPES[2])).astype(np.float32)
    mean, std = raw.mean(dtype=np.float64), raw.std(dtype=np.float64)
    with torch.no_grad():
        found = module(torch.from_numpy(((raw - mean) / (std + 1e-6)).astype(np.float32)))
    np.save(path / "input.npy", raw)
    np.save(path / "output.npy", found.sigmoid().numpy())
    torch.save(module.state_dict(), path / "weights.pt")
    (path / "small_unet.py").write_text(ARCHITECTURE)
    (path / "README.md").write_text("# A small U-Net\n")
    description: dict[str, Any] = {
        "type": "model",
        "format_version": "0.4.9",
        "name": "Small U-Net of before",
        "description": "Made by a test.",
        "authors": [{"name": "A. Tester"}],
        "cite": [{"text": "Ronneberger et al. 2015", "doi": "10.1007/978-3-319-24574-4_28"}],
        "license": "MIT",
        "documentation": "README.md",
        "tags": ["unet"],
        "test_inputs": ["input.npy"],
        "test_outputs": ["output.npy"],
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": {"min": [1, 1, 16, 16], "step": [0, 0, 8, 8]},
                "preprocessing": [
                    {
                        "name": "zero_mean_unit_variance",
                        "kwargs": {"mode": "per_sample", "axes": "yx", "eps": 1e-6},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "name": "mask",
                "axes": "bcyx",
                "data_type": "float32",
                "halo": [0, 0, 4, 4],
                "shape": {
                    "reference_tensor": "raw",
                    "scale": [1.0, 1.0, 1.0, 1.0],
                    "offset": [0, 0, 0, 0],
                },
                "postprocessing": [{"name": "sigmoid"}],
            }
        ],
        "timestamp": "2020-01-02T03:04:05",
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "sha256": digest(path / "weights.pt"),
                "architecture": "small_unet.py:SmallUNet",
                "architecture_sha256": digest(path / "small_unet.py"),
                "kwargs": {"classes": 1},
                "pytorch_version": "1.12.0",
            }
        },
    }
    (path / "rdf.yaml").write_text(yaml.safe_dump(description | more, sort_keys=False))
    return path


def unpacked(path: Path) -> Path:
    """Folder with what is in an archive."""
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def description_of(folder: Path) -> Path:
    """The description in a folder."""
    return next(path for path in folder.iterdir() if path.suffix == ".yaml")


def digest(path: Path) -> str:
    """Sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
