"""A small file of every format that can be opened, and the module that is in it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

import napari_seggradcam as sgc
from architectures import Positioned
from torchscript_files import SmallUNet, export, noisy, save

# The writers of other formats lie beside those formats' own tests, and are imported from there
# when they are called, because they need libraries that load for seconds.


@dataclass(frozen=True)
class NetworkOnDisk:
    """A file or folder, and what opening it must show.

    Attributes
    ----------
    path, module
        Where it is, and the module that was saved.
    format, trust
        As in `NetworkFile`.
    options
        What `open_network` needs beside the path.
    checked
        Whether there is something in the file to compare with.
    tolerance
        Of logits, and as a share of the largest value of every heatmap.
    """

    path: Path
    module: nn.Module
    format: str
    trust: str = "data only"
    options: Mapping[str, Any] = field(default_factory=dict)
    checked: bool = False
    tolerance: tuple[float, float] = (1e-6, 1e-5)

    @property
    def words(self) -> list[str]:
        """The options on the command line."""
        words = []
        for name, value in self.options.items():
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            words += [f"--{name}"] if value is True else [f"--{name}", text]
        return words

    def opened(self) -> sgc.Network:
        return sgc.open_network(self.path, device="cpu", **self.options)


OWN = {"depth": 1, "base_width": 2}
_ONNX = {"trust": "data only", "checked": True, "tolerance": (1e-4, 1e-4)}


def _own() -> nn.Module:
    return noisy(lambda: sgc.UNet(**OWN))


def _native(folder: Path) -> NetworkOnDisk:
    module = _own()
    path = sgc.Network.from_module(module).save(folder / "network.safetensors")
    return NetworkOnDisk(path, module, "native")


def _checkpoint(folder: Path) -> NetworkOnDisk:
    module = noisy(SmallUNet)
    torch.save({"model": module.state_dict(), "epoch": 3}, folder / "network.pth")
    options = {"factory": "torchscript_files:SmallUNet", "kwargs": {"width": 4}}
    return NetworkOnDisk(folder / "network.pth", module, "checkpoint", options=options)


def _lightning(folder: Path) -> NetworkOnDisk:
    module = _own()
    state = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
    saved = {"state_dict": state, "epoch": 3, "pytorch-lightning_version": "2.6.6"}
    torch.save({**saved, "hyper_parameters": {"rate": 0.1}}, folder / "network.ckpt")
    return NetworkOnDisk(folder / "network.ckpt", module, "checkpoint")


def _pickle(folder: Path) -> NetworkOnDisk:
    module = noisy(SmallUNet)
    torch.save(module, folder / "network.pt")
    code = {"trust": "runs Python code", "options": {"trust": True}}
    return NetworkOnDisk(folder / "network.pt", module, "checkpoint", **code)


def _torchscript(how: str) -> Callable[[Path], NetworkOnDisk]:
    def write(folder: Path) -> NetworkOnDisk:
        from networks.formats.bioimageio_packages import small_unet

        # Freezing multiplies norms into convolutions; this one has none.
        module = small_unet() if "frozen" in how else noisy(SmallUNet)
        path = save(export(module, torch.rand(1, 1, 16, 24), how), folder / "network.pt")
        return NetworkOnDisk(path, module, "TorchScript", "scanned graph", checked=True)

    return write


def _package(form: str, kind: str = "pytorch_state_dict", **more: Any) -> Any:
    def write(folder: Path) -> NetworkOnDisk:
        from networks.formats import bioimageio_packages as packages

        module = packages.small_unet()
        path = packages.write_package(folder, module, weights=[kind], as_folder=form != "zip")
        if form == "yaml":
            path = packages.description_of(path)
        return NetworkOnDisk(path, module, "BioImage.IO", **more)

    return write


def _package_0_4(folder: Path) -> NetworkOnDisk:
    from networks.formats.bioimageio_packages import small_unet, write_package_0_4

    module = small_unet(classes=1)
    return NetworkOnDisk(write_package_0_4(folder, module), module, "BioImage.IO", **_CODE)


_CODE: dict[str, Any] = {
    "trust": "runs Python code",
    "options": {"trust": True},
    "checked": True,
}


def _nnunet(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_nnunet import module_of, without_deep_supervision, write

    module = module_of()
    path = write(folder, module)
    return NetworkOnDisk(path, without_deep_supervision(module), "nnU-Net")


def _smp(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_smp import save as save_pretrained

    module, path = save_pretrained(folder, in_channels=1, classes=2)
    return NetworkOnDisk(path, module, "segmentation-models-pytorch")


def _monai(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_monai import make, write

    module = make()
    return NetworkOnDisk(write(folder, module), module, "MONAI bundle")


def _exported(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_torch_export import write

    module = noisy(SmallUNet)
    path = write(folder, module, (1, 16, 24))
    return NetworkOnDisk(path, module, "torch.export", "scanned graph", checked=True)


def _onnx(folder: Path) -> NetworkOnDisk:
    from networks.formats.bioimageio_packages import small_unet
    from networks.formats.test_onnx import write

    module = small_unet()  # without norms, which are multiplied into convolutions
    return NetworkOnDisk(write(folder, module, (1, 16, 24)), module, "ONNX", **_ONNX)


def _one_size(suffix: str) -> Callable[[Path], NetworkOnDisk]:
    """Of a network that takes images of one size, which only some of the files tell."""

    def write(folder: Path) -> NetworkOnDisk:
        from networks.formats import bioimageio_packages, test_onnx, test_torch_export

        size = {"pt": (64, 64), "zip": bioimageio_packages.SHAPES[2]}.get(suffix, (16, 24))
        module = noisy(lambda: Positioned(size))
        scanned: dict[str, Any] = {"trust": "scanned graph", "checked": True}
        if suffix == "onnx":
            path = test_onnx.write(folder, module, (1, *size), free=False)
            return NetworkOnDisk(path, module, "ONNX", **_ONNX)
        if suffix == "pt2":
            path = test_torch_export.write(folder, module, (1, *size), free=(), batch=1)
            return NetworkOnDisk(path, module, "torch.export", **scanned)
        if suffix == "pt":
            path = save(export(module, torch.rand(1, 1, *size), "traced"), folder / "network.pt")
            return NetworkOnDisk(path, module, "TorchScript", **scanned)
        path = bioimageio_packages.write_package(
            folder, module, weights=["torchscript"], change=bioimageio_packages.fix_sizes
        )
        return NetworkOnDisk(path, module, "BioImage.IO", **scanned)

    return write


def _cellpose(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_cellpose import WIDTHS, CellposeNetwork, save

    module = CellposeNetwork(WIDTHS).eval()
    return NetworkOnDisk(save(folder / "cyto", module), module, "Cellpose")


def _huggingface(folder: Path) -> NetworkOnDisk:
    from networks.formats.test_huggingface import save

    module, path = save(folder)
    return NetworkOnDisk(path, module, "Hugging Face")


WRITERS: dict[str, Callable[[Path], NetworkOnDisk]] = {
    "native": _native,
    "checkpoint with factory": _checkpoint,
    "Lightning checkpoint": _lightning,
    "pickled module": _pickle,
    "BioImage.IO 0.4 folder": _package_0_4,
    "BioImage.IO 0.5 archive": _package("zip", **_CODE),
    "BioImage.IO 0.5 folder": _package("folder", **_CODE),
    "BioImage.IO 0.5 description": _package("yaml", **_CODE),
    "BioImage.IO 0.5 with ONNX": _package("zip", "onnx", **_ONNX),
    "TorchScript traced": _torchscript("traced"),
    "TorchScript scripted": _torchscript("scripted"),
    "TorchScript frozen": _torchscript("frozen traced"),
    "nnU-Net": _nnunet,
    "smp": _smp,
    "MONAI bundle": _monai,
    "torch.export": _exported,
    "ONNX": _onnx,
    "BioImage.IO of one size": _one_size("zip"),
    "TorchScript of one size": _one_size("pt"),
    "torch.export of one size": _one_size("pt2"),
    "ONNX of one size": _one_size("onnx"),
    "Cellpose": _cellpose,
    "Hugging Face": _huggingface,
}


@cache
def network_on_disk(name: str, root: Path) -> NetworkOnDisk:
    """Write one below a folder, once."""
    folder = root / "networks" / name
    folder.mkdir(parents=True)
    return WRITERS[name](folder)
