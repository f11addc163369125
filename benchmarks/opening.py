"""How long `seggradcam open FILE` takes for a file of every format, from start to end.

Usage: python benchmarks/opening.py [--repeats 3] [--formats NAME …] [--write FILE]

Every file is a network of about 12.5 million float32 parameters (50 MB), with weights as they are
drawn, written by the library that writes such files. A fresh process opens it and prints its card:
imports, reading, checks and probing included. Another fresh process imports torch and the library
that builds or reads networks of the format, and does nothing with them; the first row is torch
alone. Times are medians, on the clock and of the processor (user and system).

A process whose library imports torchvision imports torch before anything else, for torchvision's
sake, and so without what the program does to import it faster (see `cli.collecting`).
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_seggradcam.networks.unet import UNet

# torchvision's wheels for CUDA lack these on a CPU; timm imports torchvision. Kept, or they go.
TORCHVISION = """
import torch
kept = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    kept.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
exec(TORCHVISION)
TORCH = "import torch\n"
WIDTH = 41  # of the U-Net with depth 4: 12.7 million parameters


def unet() -> nn.Module:
    torch.manual_seed(0)
    return UNet(**options()).eval()


def options() -> dict[str, int]:
    return {"ndim": 2, "in_channels": 1, "out_channels": 2, "depth": 4, "base_width": WIDTH}


def native(folder: Path) -> list[str]:
    import napari_seggradcam as sgc

    network = sgc.Network.from_module(unet(), axes="CYX", channels=1)
    network.save(folder / "native.safetensors")
    return [str(folder / "native.safetensors")]


def state_dict(folder: Path) -> list[str]:
    torch.save(unet().state_dict(), folder / "state.pt")
    return [str(folder / "state.pt")]


def with_factory(folder: Path) -> list[str]:
    given = ["--factory", "napari_seggradcam.networks.unet:UNet", "--kwargs", json.dumps(options())]
    return [*state_dict(folder), *given]


def whole_module(folder: Path) -> list[str]:
    torch.save(unet(), folder / "module.pt")
    return [str(folder / "module.pt"), "--trust"]


def torchscript(folder: Path) -> list[str]:
    traced = torch.jit.trace(unet(), torch.rand(1, 1, 128, 128), check_trace=False)
    torch.jit.save(traced, str(folder / "traced.pt"))
    return [str(folder / "traced.pt")]


def exported(folder: Path) -> list[str]:
    dim = torch.export.Dim
    sizes = {0: dim("batch"), 2: 16 * dim("y"), 3: 16 * dim("x")}
    program = torch.export.export(unet(), (torch.rand(2, 1, 128, 128),), dynamic_shapes=(sizes,))
    torch.export.save(program, str(folder / "exported.pt2"))
    return [str(folder / "exported.pt2")]


def onnx(folder: Path) -> list[str]:
    free = {"x": {0: "batch", 2: "h", 3: "w"}}
    path = str(folder / "network.onnx")
    torch.onnx.export(
        unet(), torch.rand(1, 1, 128, 128), path, input_names=["x"], dynamic_axes=free, dynamo=False
    )
    return [path]


def nnunet(folder: Path) -> list[str]:
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    kinds = "torch.nn.modules"
    arch = {
        "n_stages": 6,
        "features_per_stage": [30, 60, 120, 240, 360, 360],
        "conv_op": f"{kinds}.conv.Conv2d",
        "kernel_sizes": [[3, 3]] * 6,
        "strides": [[1, 1]] + [[2, 2]] * 5,
        "n_conv_per_stage": [2] * 6,
        "n_conv_per_stage_decoder": [2] * 5,
        "conv_bias": True,
        "norm_op": f"{kinds}.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    built = {**arch, "conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    module = PlainConvUNet(input_channels=1, num_classes=2, deep_supervision=False, **built)
    name = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    plans = {
        "dataset_name": "Dataset007_Cells",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "foreground_intensity_properties_per_channel": {},
        "configurations": {
            "2d": {
                "patch_size": [256, 256],
                "spacing": [1.0, 1.0],
                "normalization_schemes": ["ZScoreNormalization"],
                "use_mask_for_norm": [False],
                "architecture": {
                    "network_class_name": name,
                    "arch_kwargs": arch,
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
            }
        },
    }
    dataset = {"channel_names": {"0": "DAPI"}, "labels": {"background": 0, "cell": 1}}
    top = folder / "nnUNetTrainer__nnUNetPlans__2d"
    (top / "fold_0").mkdir(parents=True)
    (top / "plans.json").write_text(json.dumps(plans))
    (top / "dataset.json").write_text(json.dumps(dataset))
    said = {"plans": plans, "configuration": "2d", "fold": 0, "dataset_json": dataset}
    content = {
        "network_weights": module.state_dict(),
        "init_args": said,
        "trainer_name": "nnUNetTrainer",
    }
    torch.save(content, top / "fold_0" / "checkpoint_final.pth")
    return [str(top)]


def smp(folder: Path) -> list[str]:
    import segmentation_models_pytorch

    module = segmentation_models_pytorch.Unet("resnet18", encoder_weights=None, classes=2)
    module.save_pretrained(str(folder / "smp"))
    return [str(folder / "smp")]


def monai(folder: Path) -> list[str]:
    from monai.networks.nets import BasicUNet

    widths = [80, 80, 160, 320, 640, 80]
    given = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "features": widths}
    for part in ("configs", "models"):
        (folder / "bundle" / part).mkdir(parents=True)
    definition = {"network_def": {"_target_": "BasicUNet", **given}}
    (folder / "bundle/configs/inference.json").write_text(json.dumps(definition))
    (folder / "bundle/configs/metadata.json").write_text("{}")
    torch.save(BasicUNet(**given).state_dict(), folder / "bundle/models/model.pt")
    return [str(folder / "bundle")]


def cellpose(folder: Path) -> list[str]:
    from cellpose.resnet_torch import CPnet

    module = CPnet([2, 44, 88, 176, 352], 3, 3)
    module.save_model(str(folder / "cellpose"))
    return [str(folder / "cellpose")]


def huggingface(folder: Path) -> list[str]:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(num_labels=3, hidden_sizes=[64, 128, 320, 512], depths=[2, 2, 2, 2])
    SegformerForSemanticSegmentation(config).save_pretrained(folder / "segformer")
    return [str(folder / "segformer")]


def bioimageio(folder: Path) -> list[str]:
    from bioimageio.spec import save_bioimageio_package
    from bioimageio.spec.model import v0_5

    work, module, image = folder / "work", unet(), torch.rand(1, 1, 128, 128)
    nn.init.constant_(module.head.bias, 5)  # a package's test output has to be of some size
    work.mkdir()
    traced = torch.jit.trace(module, image, check_trace=False)
    torch.jit.save(traced, str(work / "weights.pt"))
    np.save(work / "image.npy", image.numpy())
    np.save(work / "logits.npy", module(image).detach().numpy())
    (work / "README.md").write_text("# U-Net\n\n## Validation\n\nNone.\n")
    described = v0_5.ModelDescr.model_validate(_package(work))
    save_bioimageio_package(described, output_path=folder / "package.zip")
    shutil.rmtree(work)
    return [str(folder / "package.zip")]


def _package(work: Path) -> dict[str, Any]:
    """Description of a package with TorchScript."""

    def tensor(name: str, channels: list[str], size: Callable[[str], Any]) -> dict[str, Any]:
        space = [{"type": "space", "id": axis, "size": size(axis)} for axis in "yx"]
        axes = [{"type": "batch"}, {"type": "channel", "channel_names": channels}, *space]
        return {"id": name, "axes": axes, "test_tensor": {"source": work / f"{name}.npy"}}

    sha256 = hashlib.sha256((work / "weights.pt").read_bytes()).hexdigest()
    weights = {"source": work / "weights.pt", "sha256": sha256, "pytorch_version": "2.13.0"}
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": "U-Net",
        "description": "Made by a benchmark.",
        "authors": [{"name": "A. Tester"}],
        "cite": [{"text": "Ronneberger et al. 2015", "doi": "10.1007/978-3-319-24574-4_28"}],
        "license": "MIT",
        "documentation": {"source": work / "README.md"},
        "inputs": [tensor("image", ["grey"], lambda axis: {"min": 16, "step": 16})],
        "outputs": [
            tensor("logits", ["out", "in"], lambda axis: {"tensor_id": "image", "axis_id": axis})
        ],
        "weights": {"torchscript": weights},
    }


FORMATS: dict[str, Callable[[Path], list[str]]] = {
    "native": native,
    "state dict, recognised": state_dict,
    "state dict, factory": with_factory,
    "whole module": whole_module,
    "BioImage.IO": bioimageio,
    "TorchScript": torchscript,
    "torch.export": exported,
    "ONNX": onnx,
    "nnU-Net": nnunet,
    "smp": smp,
    "MONAI": monai,
    "Cellpose": cellpose,
    "Hugging Face": huggingface,
}


WITH_TORCHVISION = ("smp", "MONAI", "Hugging Face")  # or with libraries that import it

# What has to be imported for networks of a format beside torch, by whoever opens them.
LIBRARIES = {
    "BioImage.IO": "import bioimageio.spec.model",
    "torch.export": "import torch.export.pt2_archive._package",
    "ONNX": "import onnx, onnxruntime",
    "nnU-Net": "from dynamic_network_architectures.architectures import unet",
    "smp": "import segmentation_models_pytorch",
    "MONAI": "import monai.networks.nets",
    "Hugging Face": "from transformers import AutoModelForSemanticSegmentation as Auto\n"
    "from transformers import SegformerForSemanticSegmentation",
}


def timed(program: str, words: list[str]) -> tuple[float, float, str]:
    """Seconds on the clock and of the processor, and what was printed."""
    # Installed packages are compiled, and so is this one once it has run.
    ours = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started, before = time.perf_counter(), os.times()
    found = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env=ours,
    )
    wall, after = time.perf_counter() - started, os.times()
    if found.returncode:
        raise SystemExit(f"{words}: {found.stderr}")
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system, found.stdout


def medians(program: str, words: list[str], repeats: int) -> tuple[float, float, str]:
    """The same, of several runs."""
    found = [timed(program, words) for _ in range(repeats)]
    wall, used = (statistics.median(one[i] for one in found) for i in (0, 1))
    return wall, used, found[0][2]


def size_of(path: Path) -> float:
    """Megabytes of a file, or of all in a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files) / 1e6


def measure(name: str, repeats: int) -> str:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's exporters call themselves deprecated
        words = FORMATS[name](Path(folder))
        opening = "from napari_seggradcam.cli import app; app()"
        first = TORCHVISION if name in WITH_TORCHVISION else ""
        wall, used, printed = medians(first + opening, ["open", "--json", *words], repeats)
        card = json.loads(printed)
        megabytes = size_of(Path(words[0]))
    alone = " | "
    if name in LIBRARIES:
        library = medians((first or TORCH) + LIBRARIES[name], [], repeats)
        alone = f"{library[0]:.1f} | {library[1]:.1f}"
    numbers = f"{card['parameters'] / 1e6:.1f} | {megabytes:.0f} | {wall:.1f} | {used:.1f}"
    return f"| {name} | {numbers} | {alone} |"


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    given = parser.parse_args()
    lines = [
        "| format | million parameters | MB | seconds | processor | its library | processor |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    wall, used, _ = medians(TORCH, [], given.repeats)
    lines.append(f"| *torch alone* | | | {wall:.1f} | {used:.1f} | | |")
    print(*lines, sep="\n", flush=True)
    for name in given.formats:
        lines.append(measure(name, given.repeats))
        print(lines[-1], flush=True)
    if given.write:
        given.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
