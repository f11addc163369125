"""Checkpoints: state dicts, in the wrappers of training scripts and Lightning, and saved modules.

A state dict is numbers without an architecture. What builds the module that they belong to is a
factory that the caller names, or is known from the names and shapes of the numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import FactoryNeeded, NetworkFileError
from ..trust import Level, Needs
from . import pickles
from .architectures import architecture_of
from .building import build_with_weights, misfits, without_prefix
from .contents import Contents
from .factories import build_module
from .native import read_safetensors
from .reading import Reading, Request

NAME = "checkpoint"

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network_weights", "weights")


def recognises(contents: Contents) -> bool:
    """Whether it is safetensors, or begins as files of ``torch.save`` do."""
    if contents.is_zip:
        return any(name.rsplit("/", 1)[-1] == "data.pkl" for name in contents.names)
    return contents.is_safetensors or contents.is_pickle


def needs(contents: Contents, request: Request) -> Needs:
    """Tensors need nothing, modules of torch a look, and everything else code."""
    if contents.is_safetensors:
        return Needs(Level.DATA)
    try:
        saved = pickles.load_values(contents)
    except pickles.NeedsCode as error:
        names = f" It imports {', '.join(error.names)}." if error.names else ""
        return Needs(Level.CODE, f"the file is a pickle.{names}")
    if _whole_module(saved) is None:
        return Needs(Level.DATA)
    return Needs(Level.SCANNED, "it is made of torch's own modules.")


def read(contents: Contents, request: Request) -> Reading:
    """Open a checkpoint.

    Raises
    ------
    FactoryNeeded
        If it is a state dict and there is no factory.
    NetworkFileError
        If it has no tensors, or they do not fit the factory's module.
    OptionError
        If the factory can't be used.
    """
    saved = _load(contents)
    whole = _whole_module(saved)
    if whole is not None and request.factory is None:
        return Reading(whole.eval())
    state = find_state_dict(saved if whole is None else whole.state_dict(), contents.path)
    if request.factory is None:
        return _recognised(state, contents)
    module = build_module(request.factory, request.kwargs)
    return Reading(load_into(module, state, contents.path).eval())


def _recognised(state: Mapping[str, torch.Tensor], contents: Contents) -> Reading:
    """A state dict of an architecture that is known by its names."""
    known = architecture_of(state)
    if known is None:
        raise FactoryNeeded(
            f"{contents.path} is a state dict, which has numbers and no architecture. Give "
            'factory="package.module:function" that builds the module it belongs to.'
        )
    said = f"The names of its weights are those of the {known.name}. {known.assumed}"
    return Reading(
        build_with_weights(known.make, state, contents.path),
        architecture=known.name,
        notices=(said.rstrip(),),
    )


def _load(contents: Contents) -> Any:
    if contents.is_safetensors:
        return read_safetensors(contents.path)[0]
    try:
        return pickles.load_values(contents)
    except pickles.NeedsCode:  # to which somebody has agreed
        return pickles.load_trusted(contents)


def _whole_module(saved: Any) -> nn.Module | None:
    """A module that was saved whole, alone or in the wrapper of a training script."""
    if isinstance(saved, dict):
        saved = next((saved[k] for k in WRAPPERS if isinstance(saved.get(k), nn.Module)), None)
    return saved if isinstance(saved, nn.Module) else None


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


def load_into(module: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> nn.Module:
    """The module with the numbers of a state dict, whose names may have a wrapper's prefix.

    Raises
    ------
    NetworkFileError
        If names or shapes do not fit.
    """
    state = without_prefix(state, module)
    wrong = misfits(state, module)
    if wrong:
        raise NetworkFileError(
            f"The state dict in {path} does not fit the {type(module).__name__} that the factory "
            f"built: {'; '.join(wrong)}. Expected tensors of the same names and shapes; check "
            "the factory and its kwargs."
        )
    module.load_state_dict(state)
    return module
