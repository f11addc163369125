"""State dicts: numbers without an architecture, and the modules that they belong to."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import NetworkFileError, OptionError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network_weights", "weights")
_NAMED = 4  # as many tensors as a message names


def find_state_dict(saved: Any, path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, taken out of the wrappers that training scripts put around them.

    Raises
    ------
    NetworkFileError
        If there are none.
    """
    inner = saved
    while isinstance(inner, dict):
        wrapped = next((inner[k] for k in WRAPPERS if isinstance(inner.get(k), dict)), None)
        if wrapped is None:
            tensors = {k: v for k, v in inner.items() if isinstance(v, torch.Tensor)}
            if not tensors:
                break
            return tensors
        inner = wrapped
    raise NetworkFileError(
        f"{path} holds a {type(saved).__name__} without tensors by name; expected a state dict."
    )


def build_module(factory: str | Callable[..., nn.Module], kwargs: Mapping[str, Any]) -> nn.Module:
    """Module that a factory makes, given as a callable or as ``"package.module:function"``.

    Raises
    ------
    OptionError
        If the factory can't be found, does not take ``kwargs`` or makes no module.
    """
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


def load_into(module: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> nn.Module:
    """The module with the numbers of a state dict, whose names may have a wrapper's prefix.

    Raises
    ------
    NetworkFileError
        If names or shapes do not fit.
    """
    state = _without_prefix(state, module)
    misfits = _misfits(state, module)
    if misfits:
        raise NetworkFileError(
            f"The state dict in {path} does not fit the {type(module).__name__} that the factory "
            f"built: {'; '.join(misfits)}. Expected tensors of the same names and shapes; check "
            "the factory and its kwargs."
        )
    module.load_state_dict(state)
    return module


def _without_prefix(
    state: Mapping[str, torch.Tensor], module: nn.Module
) -> dict[str, torch.Tensor]:
    """State dict without the prefix that a wrapper (data parallel, Lightning) has put there.

    The prefix is the one under which most names are the module's own; what stands beside it,
    such as the weights of a loss, belongs to the wrapper and is left out.
    """
    known = module.state_dict().keys()
    prefixes = [""]
    for name in state:
        parts = name.split(".")
        prefixes += [".".join(parts[:i]) + "." for i in range(1, len(parts))]

    def fitting(prefix: str) -> int:
        return sum(n.startswith(prefix) and n.removeprefix(prefix) in known for n in state)

    best = max(dict.fromkeys(prefixes), key=fitting)  # max keeps the first of equals
    return {n.removeprefix(best): t for n, t in state.items() if n.startswith(best)}


def _misfits(state: Mapping[str, torch.Tensor], module: nn.Module) -> list[str]:
    """What does not fit, in words."""
    own = module.state_dict()
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    parts = {
        "missing are": [name for name in own if name not in state],
        "unknown to the module are": [name for name in state if name not in own],
        "of another shape are": shapes,
    }
    return [f"{what} {_some(names)}" for what, names in parts.items() if names]


def _some(names: list[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
