"""Files of ``torch.save``: what they hold, and what unpickling them would call.

``torch.load(weights_only=True)`` rebuilds tensors and containers and calls nothing else. What
training scripts save beside them (numpy's numbers, options, paths) only holds values and is let
through as well, and so are the modules of torch itself where a file has no others.
"""

import argparse
import pickle
import warnings
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from torch import nn

from ...errors import NetworkFileError
from ..trust import Level, Needs
from .contents import Contents

_VALUES: list[Any] = [
    argparse.Namespace,
    np.dtype,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    (multiarray.scalar, "numpy.core.multiarray.scalar"),
    (multiarray.scalar, "numpy._core.multiarray.scalar"),
    # Paths become those that touch no disk.
    (PurePosixPath, "pathlib.PosixPath"),
    (PureWindowsPath, "pathlib.WindowsPath"),
]
_STRINGS = 2**22  # bytes in which the strings of a file from before torch 1.6 lie


class NeedsCode(Exception):
    """Unpickling would call what is neither a value nor a module of torch.

    Attributes
    ----------
    names
        What it would import, as far as it can be told.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__(", ".join(names))
        self.names = tuple(names)


def load_values(contents: Contents) -> Any:
    """Content of a file that holds nothing but values, or modules of torch.

    Raises
    ------
    NeedsCode
        If it would call other code.
    NetworkFileError
        If it is damaged, or no file of ``torch.save``.
    """
    foreign = foreign_names(contents)
    modules = {name: kind for name in foreign if (kind := _torch_module(name)) is not None}
    allowed = [*_VALUES, *modules.values()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(contents.path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if contents.is_zip or contents.is_pickle:
            raise NeedsCode([name for name in foreign if name not in modules]) from error
        raise NetworkFileError(_no_network(contents)) from error
    except Exception as error:
        raise NetworkFileError(_no_network(contents)) from error


def load_agreed(contents: Contents, trusted: bool) -> Any:
    """Content of a file of numbers, or if somebody has agreed to it of one that runs code.

    Raises
    ------
    NetworkFileError
        If it is damaged, or would run code that nobody has agreed to.
    """
    try:
        return load_values(contents)
    except NeedsCode as error:
        if not trusted:
            names = str(error) or "it is damaged, or calls what can't be told"
            raise NetworkFileError(
                f"{contents.path} holds more than numbers and can't be opened: {names}."
            ) from error
        return load_trusted(contents)


def needs_of(contents: Contents) -> Needs:
    """What opening a file would run, which should hold numbers alone."""
    names = foreign_names(contents)
    if names:
        return Needs(Level.CODE, f"{contents.path.name} imports {', '.join(names)}.")
    return Needs(Level.DATA)


def load_trusted(contents: Contents) -> Any:
    """Content of a file whose code may run.

    Raises
    ------
    NetworkFileError
        If that fails.
    """
    try:
        return torch.load(contents.path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise NetworkFileError(
            f"{contents.path} can't be opened by torch.load: {error}. The code that it was saved "
            "with may have to be installed."
        ) from error


def mentions(contents: Contents, *names: str) -> bool:
    """Whether the pickled part of a file has some strings; nothing is unpickled to find out."""
    try:
        if contents.is_zip:
            pickled = contents.find("data.pkl")
            content = b"" if pickled is None else contents.read(pickled)
        elif contents.is_pickle:  # of torch before 1.6: strings come first, numbers behind them
            with contents.path.open("rb") as file:
                content = file.read(_STRINGS)
        else:
            return False
    except (NetworkFileError, OSError):
        return False
    return all(name.encode() in content for name in names)


def foreign_names(contents: Contents) -> list[str]:
    """What a file would import beside values; empty where that can't be told."""
    try:
        with torch.serialization.safe_globals(_VALUES):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(contents.path))
    except Exception:  # of files that are damaged, or older than torch's archives
        return []


def _torch_module(name: str) -> type[nn.Module] | None:
    """The module of torch itself that a name means; it only holds numbers and modules."""
    kind: Any = getattr(nn, name.rsplit(".", 1)[-1], None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        return None
    is_torch = kind.__module__.startswith("torch.nn.modules.")
    return kind if is_torch and f"{kind.__module__}.{kind.__qualname__}" == name else None


def _no_network(contents: Contents) -> str:
    return (
        f"{contents.path} is no network that can be opened. Expected one of the formats in the "
        "documentation, such as a native file (safetensors), or a state dict (safetensors or "
        "torch.save) together with factory=."
    )
