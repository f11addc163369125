"""Opening network files. What a file is, its content tells, not its name."""

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import NetworkFileError, OptionError, UntrustedNetwork
from .native import KEY, file_sha256, read_native, read_safetensors
from .network import Network
from .normalisation import Normalisation
from .state_dicts import WRAPPERS, build_module, find_state_dict, load_into


def open_network(
    path: str | Path,
    *,
    trust: bool = False,
    device: str = "auto",
    factory: str | Callable[..., nn.Module] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    axes: str | None = None,
    channels: int | None = None,
    normalisation: Normalisation | None = None,
) -> Network:
    """Open a network file.

    Parameters
    ----------
    path
        A native file (safetensors, written by `Network.save`), or a state dict (safetensors, or
        ``torch.save`` of tensors) together with ``factory``.
    trust
        Whether a file may run Python code when it is opened. Neither kind above needs it; a
        pickled module does.
    device
        ``"auto"`` (CUDA, else Apple's MPS, else the CPU) or a torch device.
    factory, kwargs
        For a state dict: ``"package.module:function"`` (or the callable itself) that builds the
        module, and its keyword arguments. It is code that the caller names, so it is run.
    classes, colours, axes, channels, normalisation
        As for `Network.from_module`, where the file does not tell them.

    Returns
    -------
    Network

    Raises
    ------
    NetworkFileError
        If the file is missing, is no network, or does not fit the factory's module.
    UntrustedNetwork
        If opening it would run code and ``trust`` is False.
    OptionError
        If options do not go together.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise NetworkFileError(f"There is no network file {path}; expected an existing file.")
    if factory is None and kwargs:
        raise OptionError("The option kwargs is for a factory; give factory= as well.")
    if factory is None and _is_native(path):
        described = {
            "classes": classes,
            "axes": axes,
            "channels": channels,
            "normalisation": normalisation,
            "colours": colours,
        }
        given = [name for name, value in described.items() if value is not None]
        if given:
            raise OptionError(
                f"{path.name} says itself what {', '.join(given)} are; leave the option out."
            )
        network = read_native(path)
    else:
        module = _module_from(path, trust=trust, factory=factory, kwargs=kwargs or {})
        network = Network(
            module,
            axes=_axes(module) if axes is None else axes,
            channels=_channels(module) if channels is None else channels,
            classes=classes,
            colours=colours,
            normalisation=normalisation,
            name=path.stem,
            path=path,
            sha256=file_sha256(path),
        )
    return network.to(best_device() if device == "auto" else device)


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


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise NetworkFileError(f"{path} can't be read: {error}") from error


def _is_safetensors(path: Path) -> bool:
    return _first_bytes(path)[8:9] == b"{"  # behind eight bytes of length stands a JSON header


def _is_native(path: Path) -> bool:
    return _is_safetensors(path) and KEY in read_safetensors(path)[1]


def _module_from(
    path: Path,
    *,
    trust: bool,
    factory: str | Callable[..., nn.Module] | None,
    kwargs: Mapping[str, Any],
) -> nn.Module:
    saved = _read(path, trust)
    whole = _whole_module(saved)
    if whole is not None and factory is None:
        return whole
    state = find_state_dict(saved if whole is None else whole.state_dict(), path)
    if factory is None:
        raise NetworkFileError(
            f"{path} is a state dict, which has numbers and no architecture. Give "
            'factory="package.module:function" that builds the module it belongs to.'
        )
    return load_into(build_module(factory, kwargs), state, path)


def _read(path: Path, trust: bool) -> Any:
    """Content of a file of tensors, or with trust of any file of torch."""
    if _is_safetensors(path):
        return read_safetensors(path)[0]
    if _is_torchscript(path):
        raise NetworkFileError(
            f"{path} is a TorchScript file, whose modules can't be hooked. Save the state dict of "
            "the module that it was made from, and open that with factory=."
        )
    try:
        with warnings.catch_warnings():  # of pickles that torch did not write
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not trust and _is_pickle(path):
            raise UntrustedNetwork(
                f"Opening {path} would run Python code from the file. If you trust where it comes "
                "from, open it with trust=True; better, ask for a state dict or safetensors."
            ) from error
        if not trust:
            raise NetworkFileError(_no_network(path)) from error
    except Exception as error:
        raise NetworkFileError(_no_network(path)) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise NetworkFileError(f"{path} can't be opened by torch.load: {error}") from error


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_pickle(path: Path) -> bool:
    start = _first_bytes(path)
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] <= b"\x05")


def _no_network(path: Path) -> str:
    return (
        f"{path} is no network that can be opened; expected a native file (safetensors) or a "
        "state dict (safetensors or torch.save) together with factory=."
    )


def _whole_module(saved: Any) -> nn.Module | None:
    """A module that was saved whole, alone or in the wrapper of a training script."""
    if isinstance(saved, dict):
        saved = next((saved[k] for k in WRAPPERS if isinstance(saved.get(k), nn.Module)), None)
    return saved if isinstance(saved, nn.Module) else None


def _channels(module: nn.Module) -> int:
    """Input channels of the first convolution; 1 where there is none."""
    convolution = _first_convolution(module)
    return 1 if convolution is None else convolution.in_channels


def _axes(module: nn.Module) -> str:
    """Axes for which the first convolution was made."""
    return "CZYX" if isinstance(_first_convolution(module), nn.Conv3d) else "CYX"


def _first_convolution(module: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    return next((m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
