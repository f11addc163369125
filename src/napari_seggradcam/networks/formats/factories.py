"""Functions of the caller's that build the module of a state dict."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ...errors import OptionError


def build_module(factory: str | Callable[..., nn.Module], kwargs: Mapping[str, Any]) -> nn.Module:
    """Module that a factory makes.

    Parameters
    ----------
    factory
        A callable, or ``"package.module:function"``, or ``"path/to/file.py:function"``.
    kwargs
        Its keyword arguments.

    Raises
    ------
    OptionError
        If the factory can't be found, does not take ``kwargs`` or makes no module.
    """
    function = _find(factory) if isinstance(factory, str) else factory
    if not callable(function):
        raise OptionError(f"The factory {factory!r} is a {type(function).__name__}, no function.")
    try:
        module = function(**kwargs)
    except Exception as error:
        raise OptionError(
            f"The factory {factory!r} does not take {dict(kwargs)}: {error}"
        ) from error
    if not isinstance(module, nn.Module):
        raise OptionError(
            f"The factory {factory!r} returned a {type(module).__name__}; expected a torch module."
        )
    return module


def _find(factory: str) -> Any:
    home, _, name = factory.rpartition(":")
    if not (home and name):
        raise OptionError(
            f'The factory is {factory!r}; expected "package.module:function" or '
            '"path/to/file.py:function".'
        )
    try:
        module = _import_file(Path(home)) if home.endswith(".py") else importlib.import_module(home)
        return getattr(module, name)
    except Exception as error:  # of the caller's code
        raise OptionError(f"The factory {factory!r} can't be imported: {error}") from error


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path.expanduser())
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
