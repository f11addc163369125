"""ONNX files: the graph as ordinary modules. They hold numbers and operations and no code."""

from typing import Any

import numpy as np
import torch
from torch import nn

from ..files import Check
from ..onnx import OnnxDescription, describe_onnx, import_onnx
from ..outputs import select_output
from ..running import as_found, call_module
from ..trust import Level, Needs
from .blank_images import image_for
from .contents import Contents
from .reading import Reading, Request

NAME = "ONNX"

_MOST = 2**31  # bytes; the format allows no more
# What a file begins with: the version of the format as a small number, then another field.
_VERSION, _FIELDS = 0x08, {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42}


def recognises(contents: Contents) -> bool:
    """Whether it begins as ONNX files do."""
    start = contents.start
    return len(start) > 3 and start[0] == _VERSION and start[1] < 0x20 and start[2] in _FIELDS


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers and operations."""
    return Needs(Level.DATA)


def read_graph(contents: Contents) -> tuple[bytes, nn.Module]:
    """What a file holds, and its network; also of a file in a package.

    Raises
    ------
    MissingPackage, NetworkFileError
        As `read`.
    """
    content = contents.read(most=_MOST)
    return content, import_onnx(content)


def read(contents: Contents, request: Request) -> Reading:
    """Open a file.

    Raises
    ------
    MissingPackage
        If the package ``onnx`` is not installed.
    NetworkFileError
        If it is damaged, or has operations that are not supported.
    """
    content, module = read_graph(contents)
    description = describe_onnx(content)
    image = image_for(module, str(contents.path), description.shape[1:], request.patch)
    notices = []
    if any(size is not None for size in description.spatial):
        sizes = " × ".join("any" if s is None else str(s) for s in description.spatial)
        notices.append(f"The file is for images of {sizes} pixels, and says nothing of others.")
    return Reading(
        module,
        architecture=f"ONNX graph {image.ndim - 2}D, opset {description.opset}",
        axes="CYX" if image.ndim == 4 else "CZYX",
        channels=image.shape[1],
        runs_at=tuple(image.shape[2:]),
        name=contents.path.stem,
        provenance={"producer": description.producer, **description.metadata},
        check=_checked(content, description, module, image),
        notices=notices,
    )


def _checked(
    content: bytes, description: OnnxDescription, module: nn.Module, image: torch.Tensor
) -> Check | None:
    """How far the module's first output is from onnxruntime's; None where that is not there."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # One run, for which improving the graph takes longer than it saves, and may change rounding.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        kind = np.float16 if "float16" in session.get_inputs()[0].type else np.float32
        name = description.outputs[0]
        given = {description.input_name: image.numpy().astype(kind)}
        (theirs,) = session.run([name], given)
    except Exception:  # of files that onnxruntime does not run, and batches that it has not
        return None
    with as_found(module), torch.no_grad():
        returned: Any = call_module(module, image)
    several = isinstance(returned, dict)
    mine = returned[name] if several else select_output(returned, image.ndim - 2)
    if tuple(mine.shape) != theirs.shape:
        return None
    half = " (which rounds to half precision)" if _is_half(content) else ""
    difference = np.abs(mine.double().numpy() - theirs).max(initial=0)
    return Check(f"onnxruntime's result{half}", float(difference))


def _is_half(content: bytes) -> bool:
    import onnx

    kinds = {tensor.data_type for tensor in onnx.load_from_string(content).graph.initializer}
    return onnx.TensorProto.FLOAT16 in kinds
