"""The weights of a BioImage.IO package, each of them a network of a format of its own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...errors import MissingPackage, NetworkFileError, OptionError, SegGradCamError
from ..torchscript.mirroring import mirror
from ..torchscript.reading import read_scripted, trained_mode
from ..trust import Level, Needs
from . import onnx, pickles, torchscript
from .checkpoints import find_state_dict, load_into
from .contents import Contents
from .factories import build_module
from .package_files import Package
from .reading import Request

TORCHSCRIPT = "torchscript"
ONNX = "onnx"
STATE_DICT = "pytorch_state_dict"
_SAFE_FIRST = (TORCHSCRIPT, ONNX, STATE_DICT)
_EXACT_FIRST = (STATE_DICT, TORCHSCRIPT, ONNX)


def choose_weights(package: Package, request: Request) -> str:
    """Which of a package's weights are opened.

    Without trust those that need none come first; with it the architecture itself, whose network
    layers have the names that its authors gave them.

    Raises
    ------
    NetworkFileError
        If it has none that can be opened.
    OptionError
        If it has not those that were asked for.
    """
    described = _described(package)
    known = [kind for kind in _SAFE_FIRST if kind in described]
    if request.weights is not None and request.weights not in known:
        raise OptionError(
            f"{package.contents.path} has no weights {request.weights!r} that can be opened; "
            f"expected one of {', '.join(known) or 'none'}."
        )
    if not known:
        others = ", ".join(kind for kind, entry in package.description.weights if entry)
        raise NetworkFileError(
            f"{package.contents.path} has weights for {others} only; expected some of "
            f"{', '.join(_SAFE_FIRST)}. Ask its authors for one of these."
        )
    if request.weights is not None:
        return request.weights
    order = [k for k in (_EXACT_FIRST if request.trusted else _SAFE_FIRST) if k in known]
    # What lies elsewhere comes last: the error that it gives names what to download.
    return next((kind for kind in order if _is_here(package, described[kind])), order[0])


def needs_of(package: Package, kind: str) -> Needs:
    """What it would run to open some weights.

    Raises
    ------
    NetworkFileError
        If a file is missing or not the one that is described.
    """
    entry = _described(package)[kind]
    package.locate(entry)
    if kind == ONNX:
        return Needs(Level.DATA)
    if kind == STATE_DICT:
        return _needs_of_architecture(package, entry.architecture)
    file = package.file(entry)
    if not torchscript.recognises(file):
        raise NetworkFileError(
            f"{entry.source} in {package.contents.path} is no TorchScript, or of a version of "
            "torch before 1.6."
        )
    needs = torchscript.needs(file, Request())
    if needs.level is Level.CODE:
        _check_pinned(package, entry)
    return needs


def read_weights(package: Package, kind: str) -> tuple[nn.Module, list[str]]:
    """The module that some weights belong to, and what a person should know of it.

    Raises
    ------
    NetworkFileError
        If it can't be opened.
    MissingPackage
        If that needs a package that is not installed.
    """
    entry = _described(package)[kind]
    try:
        if kind == STATE_DICT:
            return _from_architecture(package, entry), []
        file = package.file(entry)
        if kind == ONNX:
            return onnx.read_graph(file)[1], []
        scripted = read_scripted(file.path)
        said = trained_mode(scripted)
        return mirror(scripted), [] if said is None else [said]
    except SegGradCamError:
        raise
    except Exception as error:  # of somebody's code
        raise NetworkFileError(
            f"The network in {package.contents.path} can't be built from {entry.source}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _described(package: Package) -> dict[str, Any]:
    """Descriptions of the weights that there are."""
    return {kind: entry for kind, entry in package.description.weights if entry is not None}


def _is_here(package: Package, entry: Any) -> bool:
    """Whether all files of some weights lie in the package."""
    architecture = getattr(entry, "architecture", None)
    source_is_here = not hasattr(architecture, "source") or package.has(architecture)
    return package.has(entry) and source_is_here


def _needs_of_architecture(package: Package, architecture: Any) -> Needs:
    call = f"{architecture.callable}({_arguments(architecture.kwargs)})"
    if not hasattr(architecture, "source"):
        return Needs(
            Level.CODE, f"it imports {architecture.import_from} and calls {call} from there."
        )
    _check_pinned(package, architecture)
    name = str(architecture.source)
    return Needs(
        Level.CODE, f"it runs {name} and calls {call}.", {name: package.text(architecture)}
    )


def _check_pinned(package: Package, file: Any) -> None:
    """What somebody agrees to includes a file that runs code."""
    if package.is_description_alone and file.sha256 is None:
        raise NetworkFileError(
            f"{package.contents.path} does not say which {file.source} it means (sha256), so that "
            "nobody can agree to it by agreeing to this file. Open the folder "
            f"{package.contents.path.parent} instead."
        )


def _arguments(kwargs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in kwargs.items())


def _from_architecture(package: Package, entry: Any) -> nn.Module:
    """The module that an architecture makes, with its numbers."""
    architecture = entry.architecture
    file, factory = package.file(entry), _factory(package, architecture)
    state = _state_dict(file)
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn and then replaced
            module = build_module(factory, architecture.kwargs)
    except OptionError as error:
        raise NetworkFileError(
            f"The architecture in {package.contents.path} can't be built: {error}"
        ) from error
    if entry.strict:
        load_into(module, state, package.contents.path)
    else:
        module.load_state_dict(state, strict=False)
    return module.eval()


def _state_dict(file: Contents) -> dict[str, torch.Tensor]:
    try:
        return find_state_dict(pickles.load_values(file), file.path)
    except pickles.NeedsCode as error:
        raise NetworkFileError(
            f"{file.path.name} is described as a state dict and would run code ({error}) when it "
            "is opened; it is refused. Expected tensors by name."
        ) from error


def _factory(package: Package, architecture: Any) -> str:
    """The architecture as a factory of a state dict."""
    if hasattr(architecture, "source"):
        return f"{package.file(architecture).path}:{architecture.callable}"
    try:
        __import__(architecture.import_from)
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"The network in {package.contents.path} is built by {architecture.import_from}, "
            f"which is not installed ({error}). Install the package that has it."
        ) from error
    except Exception as error:  # of that package
        raise NetworkFileError(
            f"{architecture.import_from}, which builds the network in {package.contents.path}, "
            f"can't be imported: {error}"
        ) from error
    return f"{architecture.import_from}:{architecture.callable}"
