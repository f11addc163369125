"""The native network file: safetensors with everything else in its metadata.

Opening one reads numbers and JSON and builds a `UNet`; no code from the file ever runs.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...errors import NetworkFileError, OptionError
from ..network import Network
from ..normalisation import normalisation_from_dict, normalisation_to_dict
from ..trust import Level, Needs
from ..unet import UNet
from .building import build_with_weights
from .contents import Contents
from .reading import Reading, Request

NAME = "native"
KEY = "napari-seggradcam"
VERSION = 1
_DTYPES = {"float32": torch.float32, "float16": torch.float16}


def save_network(network: Network, path: str | Path, dtype: str = "float32") -> Path:
    """Write a network with this package's `UNet` as a native file.

    Parameters
    ----------
    network
        Its module must be a `UNet`, because the file holds numbers and no code.
    path
        File to write; an existing one is replaced.
    dtype
        ``"float32"``, or ``"float16"`` for half the size; opened again it runs in float32.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OptionError
        If the module is no `UNet`, there is no such dtype, or its numbers do not fit into it.
    NetworkFileError
        If the file can't be written.
    """
    if not isinstance(network.module, UNet):
        raise OptionError(
            f"The network's module is a {type(network.module).__name__}; a native file holds a "
            "napari_seggradcam.UNet and no code. Save its state dict with torch.save, and open "
            'that with factory="package.module:function".'
        )
    if dtype not in _DTYPES:
        raise OptionError(f"The dtype is {dtype!r}; expected 'float32' or 'float16'.")
    description = {
        "version": VERSION,
        "name": network.name,
        "architecture": {"kind": "unet", **network.module.config},
        "axes": network.axes,
        "channels": network.channels,
        "channel_names": None if network.channel_names is None else list(network.channel_names),
        "classes": list(network.classes),
        "colours": list(network.colours),
        "normalisation": normalisation_to_dict(network.normalisation),
        "provenance": network.provenance,
    }
    tensors = {}
    for name, tensor in network.module.state_dict().items():
        wanted = _DTYPES[dtype] if tensor.is_floating_point() else tensor.dtype
        tensors[name] = tensor.detach().to("cpu", wanted).contiguous()
    _check_finite(tensors, dtype)
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        save_file(tensors, unfinished, metadata={KEY: json.dumps(description)})
        unfinished.replace(path)  # so that an interrupt leaves the file that was there
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise NetworkFileError(f"The network can't be written to {path}: {error}") from error
    return path


def _check_finite(tensors: dict[str, torch.Tensor], dtype: str) -> None:
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise OptionError(
            f"{len(bad)} tensors of the network, such as {bad[0]!r}, are not finite in {dtype}; "
            "expected finite numbers. Save in float32, or train the network anew."
        )


def recognises(contents: Contents) -> bool:
    """Whether it is safetensors with a description of this package."""
    if not contents.is_safetensors:
        return False
    try:
        return KEY in read_safetensors(contents.path, tensors=False)[1]
    except NetworkFileError:
        return False


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers and JSON."""
    return Needs(Level.DATA)


def read(contents: Contents, request: Request) -> Reading:
    """Open a native file.

    Raises
    ------
    NetworkFileError
        If its parts do not fit together.
    """
    path = contents.path
    tensors, metadata = read_safetensors(path)
    try:
        description: dict[str, Any] = json.loads(metadata[KEY])
        if description["version"] > VERSION:
            raise NetworkFileError(
                f"{path} was written by a newer napari-seggradcam (file version "
                f"{description['version']}, this one reads {VERSION}); update the package."
            )
        return _reading(description, tensors, path)
    except NetworkFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise NetworkFileError(
            f"{path} is damaged or was not written by Network.save: {error}"
        ) from error


def _reading(description: dict[str, Any], tensors: dict[str, torch.Tensor], path: Path) -> Reading:
    architecture = dict(description["architecture"])
    if architecture.pop("kind") != "unet":
        raise ValueError("it holds an architecture that this version can't build")
    # Copies, because those lie in the file, which may be overwritten.
    weights = {name: tensor.clone() for name, tensor in tensors.items()}
    module = build_with_weights(lambda: UNet(**architecture), weights, path)
    told = {name: description[name] for name in ("axes", "channels", "classes", "colours")}
    told["channel_names"] = description.get("channel_names")  # which older files lack
    network = Network(module, **told)
    _ = network.colours  # looks whether classes and colours fit the module
    takes = network.ndim, network.channels
    if takes != (architecture["ndim"], architecture["in_channels"]):
        raise ValueError("the module does not take images of such axes and channels")
    return Reading(
        module,
        **told,
        normalisation=normalisation_from_dict(description["normalisation"]),
        values_known=True,
        name=description["name"],
        provenance=description["provenance"],
    )


def read_safetensors(
    path: Path, tensors: bool = True
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors, if wanted, and metadata of a safetensors file.

    Raises
    ------
    NetworkFileError
        If it can't be read as one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys() if tensors else ()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise NetworkFileError(f"{path} can't be read as safetensors: {error}") from error
