"""A graph as it stands in the file, in plain Python: nodes, constants and names.

Everything that the file could do besides describing a computation is refused here: weights in
other files (whose paths could lead anywhere), operations of other makers, functions of its own.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import MissingPackage, NetworkFileError

if TYPE_CHECKING:
    import onnx

OPSETS = range(11, 24)
# Numbers of onnx.TensorProto.DataType; half precision is computed in float32.
DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float64,
    16: torch.float32,
}
_OWN = ("", "ai.onnx")  # names of the one domain that the standard defines operations in
_SCOPES = "pkg.torch.onnx.name_scopes"


@dataclass
class Node:
    """One operation.

    Attributes
    ----------
    op
        Its type, such as ``"Conv"``.
    inputs, outputs
        Names of values; ``""`` where an optional one is left out.
    attributes
        Numbers, strings, lists of them, tensors, and graphs (branches of ``If``).
    name
        As the file has it.
    scopes
        Dotted paths of the modules that it was exported from, outermost first, if the file says.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.attributes.setdefault("outputs", len(self.outputs))  # which Split needs


@dataclass
class Graph:
    """Operations in order of execution.

    Attributes
    ----------
    nodes
        In order of execution.
    constants
        Tensors by name: the file's weights.
    inputs, outputs
        Names of values.
    """

    nodes: list[Node]
    constants: dict[str, torch.Tensor]
    inputs: list[str]
    outputs: list[str]


def parse(content: bytes) -> "onnx.ModelProto":
    """The protobuf message that an ONNX file is.

    Raises
    ------
    MissingPackage
        If the package ``onnx`` is not installed.
    NetworkFileError
        If it is none, or holds what can't be imported.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingPackage(
            "ONNX networks need the package onnx, which is not installed. Install it with: "
            'pip install "napari-seggradcam[onnx]"'
        ) from error
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf has errors of several kinds
        raise NetworkFileError(f"The file can't be read as ONNX: {error}") from error
    if not model.graph.node:
        raise NetworkFileError("The file can't be read as ONNX: it holds no graph.")
    _check_opset(model)
    _check_operations(model)
    _check_external(model)
    return model


def opset_of(model: "onnx.ModelProto") -> int:
    """Version of the standard's operations that the graph is written in; 0 if it does not say."""
    return next((int(o.version) for o in model.opset_import if o.domain in _OWN), 0)


def _check_opset(model: "onnx.ModelProto") -> None:
    opset = opset_of(model)
    if opset not in OPSETS:
        raise NetworkFileError(
            f"The ONNX graph is written in version {opset} of the operations; expected "
            f"{OPSETS[0]} to {OPSETS[-1]}. Export it again with opset_version=18."
        )


def _check_operations(model: "onnx.ModelProto") -> None:
    foreign = {f"{n.domain}.{n.op_type}" for n in _nodes(model.graph) if n.domain not in _OWN}
    foreign |= {f"{f.domain}.{f.name}" for f in model.functions}
    if foreign:
        raise NetworkFileError(
            f"The ONNX graph uses operations that are not in the standard: "
            f"{_listed(foreign)}. Export it with standard operations only."
        )


def _check_external(model: "onnx.ModelProto") -> None:
    def tensors() -> Iterator["onnx.TensorProto"]:
        for graph in _graphs(model.graph):
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            for node in graph.node:
                for attribute in node.attribute:
                    yield from (attribute.t, *attribute.tensors)

    external = [t.name for t in tensors() if t.data_location == t.EXTERNAL or t.external_data]
    if external:
        raise NetworkFileError(
            f"The ONNX graph keeps {len(external)} weights, such as {external[0]!r}, in another "
            "file; expected all in one. Export it with external_data=False, or merge the files: "
            'onnx.save(onnx.load("network.onnx"), "merged.onnx").'
        )
    if any(graph.sparse_initializer for graph in _graphs(model.graph)):
        raise NetworkFileError("The ONNX graph has sparse weights, which can't be imported.")


def _graphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    """A graph and those within it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    yield from _graphs(inner)


def _nodes(graph: "onnx.GraphProto") -> Iterator["onnx.NodeProto"]:
    for inner in _graphs(graph):
        yield from inner.node


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def read_graph(proto: "onnx.GraphProto") -> Graph:
    """A graph in plain Python."""
    constants = {tensor.name: tensor_of(tensor) for tensor in proto.initializer}
    return Graph(
        [_read_node(node) for node in proto.node],
        constants,
        [value.name for value in proto.input if value.name not in constants],
        [value.name for value in proto.output],
    )


def tensor_of(proto: "onnx.TensorProto") -> torch.Tensor:
    """A tensor; half precision becomes float32."""
    from onnx import numpy_helper

    if proto.data_type not in DTYPES:
        raise NetworkFileError(
            f"The weight {proto.name!r} has the number type {proto.data_type}, which can't be "
            "imported; expected floating point numbers or integers."
        )
    single = np.float32 if DTYPES[proto.data_type] == torch.float32 else None
    # A copy, because the message's own memory can't be written to.
    return torch.from_numpy(np.array(numpy_helper.to_array(proto), dtype=single))


def _read_node(proto: "onnx.NodeProto") -> Node:
    return Node(
        proto.op_type,
        list(proto.input),
        list(proto.output),
        {attribute.name: _read_attribute(attribute) for attribute in proto.attribute},
        proto.name,
        _read_scopes(proto),
    )


def _read_attribute(attribute: "onnx.AttributeProto") -> Any:
    read = _ATTRIBUTES.get(attribute.type)
    if read is None:
        raise NetworkFileError(f"The attribute {attribute.name!r} is of an unknown kind.")
    return read(attribute)


# By number of onnx.AttributeProto.AttributeType.
_ATTRIBUTES: dict[int, Callable[["onnx.AttributeProto"], Any]] = {
    1: lambda a: float(a.f),
    2: lambda a: int(a.i),
    3: lambda a: a.s.decode("utf-8", "replace"),
    4: lambda a: tensor_of(a.t),
    5: lambda a: read_graph(a.g),
    6: lambda a: [float(v) for v in a.floats],
    7: lambda a: [int(v) for v in a.ints],
    8: lambda a: [v.decode("utf-8", "replace") for v in a.strings],
}


def _read_scopes(proto: "onnx.NodeProto") -> tuple[str, ...]:
    """Paths that torch's newer exporter notes: a list, written as Python writes it."""
    text = next((p.value for p in proto.metadata_props if p.key == _SCOPES), "")
    try:
        scopes = ast.literal_eval(text) if 0 < len(text) < 10_000 else ()
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    # The last one is the operation itself.
    return tuple(map(str, scopes[:-1])) if isinstance(scopes, list | tuple) else ()
