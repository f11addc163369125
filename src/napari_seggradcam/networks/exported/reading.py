"""Modules from files of ``torch.export``."""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import NetworkFileError, SegGradCamError, UntrustedNetwork
from ..formats.contents import file_sha256
from .functions import use_functions
from .scanning import is_graph, member_of, scan

_MANY = 100_000  # members; networks have some hundred


@dataclass(frozen=True)
class ExportedNetwork:
    """What a file holds.

    Attributes
    ----------
    module
        The network, whose modules have the names that they were exported with.
    shape
        Of the image, (batch, channels, *spatial); None where an axis is free.
    original
        The graph as torch itself runs it, to compare with.
    """

    module: nn.Module
    shape: tuple[int | None, ...]
    original: nn.Module

    @property
    def channels(self) -> int | None:
        """Channels of the image, if they are fixed."""
        return self.shape[1]

    @property
    def axes(self) -> str:
        """``"CYX"`` or ``"CZYX"``."""
        return "CYX" if len(self.shape) == 4 else "CZYX"


def read_exported(path: Path, *, trust: bool = False) -> ExportedNetwork:
    """Read a file that `torch.export.save` wrote.

    Parameters
    ----------
    path
        The file.
    trust
        Whether a file may run code that `napari_seggradcam.networks.exported.scan` found in it.

    Returns
    -------
    ExportedNetwork
        On the CPU.

    Raises
    ------
    UntrustedNetwork
        If opening the file could run code, and ``trust`` is False.
    NetworkFileError
        If the file is damaged, takes other than one image, or takes several at once only.
    """
    members = _members(path)
    found = scan(tuple(members), members.__getitem__)
    if found and not trust:
        raise UntrustedNetwork(
            f"Opening {path} could run code from the file ({found[0]}). If you trust where it "
            "comes from, open it with trust=True; better, ask for a state dict or ONNX.",
            path=path,
            sha256=file_sha256(path),
            what="; ".join(map(str, found)),
            source={},
        )
    # What is loaded is what was scanned: torch and Python need not agree on what a zip file holds.
    try:
        content = path.read_bytes() if found else _packed(members)
        with _quiet():
            program = torch.export.load(io.BytesIO(content))
            program.example_inputs = None  # may be anything, if the file was trusted
            shape = _shape_of(program, path)
            module = torch.export.unflatten(program)
            for part in module.modules():
                graph = getattr(part, "graph", None)
                if isinstance(graph, torch.fx.Graph):
                    use_functions(graph)
            return ExportedNetwork(module.eval(), shape, program.module())
    except SegGradCamError:
        raise
    except Exception as error:
        raise NetworkFileError(
            f"{path} can't be opened by torch.export, so it is damaged or was written by another "
            f"version of torch: {type(error).__name__}: {error}"
        ) from error


def _members(path: Path) -> dict[str, bytes]:
    """Everything in the archive, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            # torch stores without compressing, so the file's own size is what it unfolds to.
            if len(infos) > _MANY or any(i.compress_type != zipfile.ZIP_STORED for i in infos):
                raise NetworkFileError(
                    f"{path} is compressed or has {len(infos)} members; expected a file that "
                    "torch.export.save wrote."
                )
            if len({info.filename for info in infos}) < len(infos):
                raise NetworkFileError(f"{path} has two members of one name; it is damaged.")
            return {info.filename: archive.read(info) for info in infos}
    except NetworkFileError:
        raise
    except Exception as error:  # zipfile raises errors of many kinds for damaged files
        raise NetworkFileError(f"{path} can't be read as a zip file: {error}") from error


def _packed(members: dict[str, bytes]) -> bytes:
    """An archive of the members, without the inputs that the network was exported with."""
    names, file = tuple(members), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            inner = member_of(name, names)
            if inner.startswith(("data/sample_inputs/", "serialized_example_inputs")):
                content = b""
            elif is_graph(inner):
                content = _without_inner_sizes(content)
            archive.writestr(name, content)
    return file.getvalue()


def _without_inner_sizes(content: bytes) -> bytes:
    """A graph whose inner tensors have the sizes that they had for the example.

    Those of the inputs say what the network takes. The others only repeat what follows from them,
    and torch takes a second to work out what it does not need to run the graph.
    """
    described = json.loads(content)
    graph = described["graph_module"]["graph"]
    inputs = {given["as_tensor"]["name"] for given in graph["inputs"] if "as_tensor" in given}
    for name, value in graph["tensor_values"].items():
        if name not in inputs:
            for sizes in (value["sizes"], value["strides"]):
                sizes[:] = [_example_of(size) for size in sizes]
    return json.dumps(described).encode()


def _example_of(size: dict[str, Any]) -> dict[str, Any]:
    hint = size["as_expr"]["hint"] if "as_expr" in size else None
    return hint if hint is not None and "as_int" in hint else size


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of files and graphs while it opens them."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _shape_of(program: Any, path: Path) -> tuple[int | None, ...]:
    """Shape of the image, which is the only input."""
    names = program.graph_signature.user_inputs
    nodes = [
        node for node in program.graph.nodes if node.op == "placeholder" and node.name in names
    ]
    if len(names) != 1 or len(nodes) != 1:
        raise NetworkFileError(
            f"The network in {path} takes {len(names)} inputs; expected one, the image."
        )
    sizes = getattr(nodes[0].meta.get("val"), "shape", ())
    shape = tuple(size if isinstance(size, int) else None for size in sizes)
    if len(shape) not in (4, 5):
        raise NetworkFileError(
            f"The network in {path} takes a tensor with {len(shape)} axes; expected (batch, "
            "channels, 2 or 3 spatial axes)."
        )
    if shape[0] not in (None, 1):
        raise NetworkFileError(
            f"The network in {path} was exported for a batch of {shape[0]} images, and takes no "
            "single one. Export it again with an example of one image, or with dynamic_shapes that "
            "leave the batch free, such as {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}."
        )
    return shape
