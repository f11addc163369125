"""Opening networks. What a file is, its content tells, not its name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import NetworkFileError, OptionError
from .files import NetworkFile
from .formats import (
    bioimageio,
    cellpose,
    checkpoints,
    exported,
    huggingface,
    monai,
    native,
    nnunet,
    onnx,
    smp,
    torchscript,
)
from .formats.contents import Contents
from .formats.reading import Format, Reading, Request
from .network import Network
from .normalisation import Normalisation
from .sliding import check_patch
from .trust import gate

# In the order in which they are asked whether a file is their own.
FORMATS: tuple[Format, ...] = (
    native,
    bioimageio,
    nnunet,
    smp,
    monai,
    torchscript,
    exported,
    onnx,
    cellpose,
    huggingface,
    checkpoints,
)


def open_network(
    path: str | Path,
    *,
    trust: bool | str = False,
    device: str = "auto",
    factory: str | Callable[..., nn.Module] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    axes: str | None = None,
    channels: int | None = None,
    channel_names: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    output: str | None = None,
    weights: str | None = None,
    patch: Sequence[int] | None = None,
) -> Network:
    """Open a network file or folder.

    Parameters
    ----------
    path
        A file or folder of any format in the documentation, under *Networks*.
    trust
        Whether Python code from the file may run; only some formats need it. Or the sha256 of the
        file that may.
    device
        ``"auto"`` (CUDA, else Apple's MPS, else the CPU) or a torch device.
    factory, kwargs
        For a state dict: ``"package.module:function"``, ``"path/to/file.py:function"`` or the
        callable itself that builds the module, and its keyword arguments. It is code that the
        caller names, so it is run.
    classes, colours, axes, channels, channel_names, normalisation
        As for `Network.from_module`; None: what the file says, if it does.
    output
        Which of several outputs is explained, such as ``"aux"`` or ``"[1]"``; see
        `Network.outputs`.
    weights
        Which of several weights that a folder or package has; an error lists them.
    patch
        As for `Network.from_module`; None: what the file says, if it does.

    Returns
    -------
    Network

    Raises
    ------
    NetworkFileError
        If the file is missing, is no network, or does not fit the factory's module.
    UntrustedNetwork
        If opening it would run code and ``trust`` is False.
    MissingPackage
        If the format needs an optional package; the message has the command that installs it.
    OptionError
        If options do not go together.
    """
    contents = Contents(Path(path).expanduser())
    if patch is not None:
        patch = check_patch(patch, 3 if len(patch) == 3 else 2)
    request = Request(factory, kwargs or {}, weights, output, patch, bool(trust))
    if factory is None and kwargs:
        raise OptionError("The option kwargs is for a factory; give factory= as well.")
    format_ = _format_of(contents, request)
    if weights is not None and format_ in (native, checkpoints):
        raise OptionError(
            f"{contents.path} has one set of weights and not {weights!r}; leave weights= out."
        )
    try:
        needs = format_.needs(contents, request)
        gate(contents, needs, trust)
        reading = format_.read(contents, request)
    finally:
        contents.clear()
    given = {
        "axes": axes,
        "channels": channels,
        "channel_names": channel_names,
        "classes": classes,
        "colours": colours,
        "normalisation": normalisation,
        "output": output,
        "patch": patch,
    }
    described = _described(reading, given)
    source = reading.source or contents
    network = Network(
        reading.module,
        **described,
        sizes=reading.sizes,
        runs_at=reading.runs_at,
        name=reading.name or contents.path.stem,
        path=source.path,
        sha256=source.sha256,
        provenance=reading.provenance,
        file=NetworkFile(
            format_.NAME,
            needs.level.value,
            reading.architecture,
            reading.check,
            tuple(reading.notices),
            reading.values_known or described["normalisation"] is not None,
        ),
    )
    return network.to(best_device() if device == "auto" else device)


def _format_of(contents: Contents, request: Request) -> Format:
    """The format of a file; with a factory, one of numbers."""
    formats = (checkpoints,) if request.factory is not None else FORMATS
    for format_ in formats:
        if format_.recognises(contents):
            return format_
    raise NetworkFileError(
        f"{contents.path} is no network that can be opened. Expected one of the formats in the "
        "documentation: " + ", ".join(format_.NAME for format_ in FORMATS) + "."
    )


def _described(reading: Reading, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says, unless the caller says something else."""
    described = {
        name: getattr(reading, name) if value is None else value for name, value in given.items()
    }
    described["axes"] = described["axes"] or _axes(reading.module)
    described["channels"] = described["channels"] or _channels(reading.module)
    names = described["channel_names"]
    if given["channel_names"] is None and names is not None and len(names) != described["channels"]:
        described["channel_names"] = None  # the file names other channels than the caller has
    return described


def best_device() -> str:
    """Fastest kind of device that torch can use here."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def available_devices() -> tuple[str, ...]:
    """Devices that torch can use here, the fastest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def _channels(module: nn.Module) -> int:
    """Input channels of the first convolution; 1 where there is none."""
    convolution = _first_convolution(module)
    return 1 if convolution is None else convolution.in_channels


def _axes(module: nn.Module) -> str:
    """Axes for which the first convolution was made."""
    return "CZYX" if isinstance(_first_convolution(module), nn.Conv3d) else "CYX"


def _first_convolution(module: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    return next((m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
