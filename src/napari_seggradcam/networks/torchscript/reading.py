"""Loading TorchScript files."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from ...errors import NetworkFileError
from .programs import walk

_TRAINING = {"aten::batch_norm": 5, "aten::dropout": 2, "aten::feature_dropout": 2}


def read_scripted(path: str | Path) -> torch.jit.ScriptModule:
    """Load a TorchScript file, which may run code of its own: scan it first.

    Parameters
    ----------
    path
        A file that ``torch.jit.save`` wrote.

    Returns
    -------
    torch.jit.ScriptModule
        On the CPU, in evaluation mode.

    Raises
    ------
    NetworkFileError
        If torch can't load it, or it is no network.
    """
    try:
        with warnings.catch_warnings():
            # There is nothing that a user could do about it.
            warnings.filterwarnings("ignore", "`torch.jit.load` is", DeprecationWarning)
            scripted: Any = torch.jit.load(  # type: ignore[no-untyped-call]
                _as_scanned(path), map_location="cpu"
            )
    except Exception as error:
        raise NetworkFileError(
            f"{path} can't be loaded as TorchScript; it is damaged, or of a newer version of "
            f"torch: {error}"
        ) from error
    if not isinstance(scripted, torch.jit.ScriptModule) or not scripted._c._has_method("forward"):
        raise NetworkFileError(
            f"{path} is TorchScript without a network in it; expected a module with a method "
            "forward. Save the network itself with torch.jit.save."
        )
    return scripted.eval()


def _as_scanned(path: str | Path) -> io.BytesIO:
    """The members as Python finds them, whole: torch need not agree on what a zip file holds."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(content, "w") as copy:
        for info in archive.infolist():
            copy.writestr(info.filename, archive.read(info))
    content.seek(0)
    return content


def trained_mode(scripted: torch.jit.ScriptModule) -> str | None:
    """What to tell of a network that was exported in training mode; None for others.

    Tracing writes down what the network did at that time, so that evaluation mode does not change
    it any more.
    """
    kinds = {
        node.kind().removeprefix("aten::")
        for node in walk(scripted.inlined_graph)
        if node.kind() in _TRAINING and _trains(node)
    }
    if not kinds:
        return None
    names = " and ".join(kind.replace("_", " ") for kind in sorted(kinds))
    return (
        f"The network was exported in training mode: its {names} still behaves as in training, "
        "so that results depend on the image's own statistics or on chance. Export it again "
        "after module.eval()."
    )


def _trains(node: Any) -> bool:
    inputs = list(node.inputs())
    # A batch norm that keeps no statistics takes the image's in evaluation, too.
    if node.kind() == "aten::batch_norm" and inputs[3].node().mustBeNone():
        return False
    flag = inputs[_TRAINING[node.kind()]].node()
    return bool(flag.kind() == "prim::Constant" and flag.output().toIValue() is True)
