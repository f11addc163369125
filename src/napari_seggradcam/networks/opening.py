"""Opening network files. What a file is, its content tells, not its name."""

import importlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import NetworkFileError, OptionError, UntrustedNetwork
from .native import KEY, file_sha256, read_native, read_safetensors
from .network import Network
from .normalisation import Normalisation

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network_weights", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


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
    if factory is None and _is_native(path):
        described = {
            "classes": classes,
            "axes": axes,
            "channels": channels,
            "normalisation": normalisation,
            "colours": colours,
            "kwargs": kwargs,
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
            axes=axes or _axes(module),
            channels=channels or _channels(module),
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


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:9] == b"{"  # behind eight bytes of length stands a JSON header


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
    if isinstance(saved, nn.Module):
        return saved
    if factory is None:
        raise NetworkFileError(
            f"{path} is a state dict, which has numbers and no architecture. Give "
            'factory="package.module:function" that builds the module it belongs to.'
        )
    state = _state_dict(saved, path)
    module = _build(factory, kwargs)
    prefix = _best_prefix(state, module)
    state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise NetworkFileError(
            f"The state dict in {path} does not fit the module that {factory!r} built: {error}"
        ) from error
    return module


def _read(path: Path, trust: bool) -> Any:
    """Content of a file of tensors, or with trust of any file of torch."""
    if _is_safetensors(path):
        return read_safetensors(path)[0]
    try:
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


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    return start[:1] == b"\x80" or start == b"PK\x03\x04"


def _no_network(path: Path) -> str:
    return (
        f"{path} is no network that can be opened; expected a native file (safetensors) or a "
        "state dict (safetensors or torch.save) together with factory=."
    )


def _state_dict(saved: Any, path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, taken out of the wrappers that training scripts put around them."""
    while isinstance(saved, dict):
        tensors = {k: v for k, v in saved.items() if isinstance(v, torch.Tensor)}
        if tensors:
            return tensors
        inner = next((saved[k] for k in _WRAPPERS if isinstance(saved.get(k), dict)), None)
        if inner is None:
            break
        saved = inner
    raise NetworkFileError(
        f"{path} holds a {type(saved).__name__} without tensors by name; expected a state dict."
    )


def _build(factory: str | Callable[..., nn.Module], kwargs: Mapping[str, Any]) -> nn.Module:
    function = factory
    if isinstance(factory, str):
        module_name, _, name = factory.partition(":")
        if not (module_name and name):
            raise OptionError(f'The factory is {factory!r}; expected "package.module:function".')
        try:
            function = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError) as error:
            raise OptionError(f"The factory {factory!r} can't be imported: {error}") from error
    if not callable(function):
        raise OptionError(f"The factory {factory!r} is a {type(function).__name__}, no function.")
    try:
        module = function(**kwargs)
    except TypeError as error:
        raise OptionError(
            f"The factory {factory!r} does not take {dict(kwargs)}: {error}"
        ) from error
    if not isinstance(module, nn.Module):
        raise OptionError(
            f"The factory {factory!r} returned a {type(module).__name__}; expected a torch module."
        )
    return module


def _best_prefix(state: Mapping[str, torch.Tensor], module: nn.Module) -> str:
    """Prefix such as ``"module."`` that all names have and the module does not know."""
    known = module.state_dict().keys()
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state) and not state.keys() & known:
            return prefix
    return ""


def _channels(module: nn.Module) -> int:
    """Input channels of the first convolution; 1 where there is none."""
    convolution = _first_convolution(module)
    return 1 if convolution is None else convolution.in_channels


def _axes(module: nn.Module) -> str:
    """Axes for which the first convolution was made."""
    return "CZYX" if isinstance(_first_convolution(module), nn.Conv3d) else "CYX"


def _first_convolution(module: nn.Module) -> nn.Conv2d | nn.Conv3d | None:
    return next((m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
