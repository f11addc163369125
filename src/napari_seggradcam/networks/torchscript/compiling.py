"""From a method's graph to a program; see `programs`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ...errors import NetworkError
from .operations import (
    ACTIVATIONS,
    TENSORS,
    packet,
    scalar_overload,
    unsupported,
)
from .programs import (
    MODULE,
    Entry,
    Frame,
    Program,
    Step,
    block_of,
    branch,
    call,
    loop,
    unpack,
)
from .scalars import ANY, CONTAINERS, DTYPES, NUMBERS

Function = Callable[..., Any]


@dataclass(frozen=True)
class Tapped:
    """Module that is called in the place of an operation.

    Attributes
    ----------
    name
        Under which the module that runs holds it.
    arguments
        How many of the operation's it takes; None: all.
    """

    name: str
    arguments: int | None = None


Tap = Callable[[Any, Function], Tapped | None]

_CONTAINERS = ("ListType", "TupleType", "DictType", "StringType")
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "BoolType": bool,
    "DictType": dict,
    "FloatType": float,
    "IntType": int,
    "ListType": list,
    "NoneType": type(None),
    "StringType": str,
    "TensorType": torch.Tensor,
    "TupleType": tuple,
}


def compile_method(method: Any, name: str, tap: Tap | None = None) -> Program:
    """Program of a method.

    Parameters
    ----------
    method
        A ``torch._C.ScriptMethod``.
    name
        Of the method, to name tensors that stand in its graph.
    tap
        Asked for every operation on tensors: given the node and the function that it is, the
        module that is called in its place, or None.

    Raises
    ------
    NetworkFileError
        If it does something that is not supported.
    """
    graph = method.graph
    compiler = _Compiler(name, tap)
    module, *arguments = graph.inputs()
    compiler.places[module.unique()] = MODULE
    inputs = [compiler.place(value) for value in arguments]
    entries, outputs = compiler.entries(graph)
    block, _ = block_of(entries, inputs, outputs)
    defaults: list[Any] = []
    for argument in method.schema.arguments[1:]:
        if argument.has_default_value():
            defaults.append(argument.default_value)
        else:
            defaults.clear()
    return Program(block, tuple(compiler.frame), tuple(defaults), compiler.tensors)


class _Compiler:
    """Gives places to values and makes steps of nodes."""

    def __init__(self, name: str, tap: Tap | None):
        self.name = name
        self.tap = tap
        self.frame: Frame = [None]
        self.places: dict[int, int] = {}  # of the values of the graph that is compiled now
        self.tensors: dict[str, torch.Tensor] = {}

    def place(self, value: Any) -> int:
        """Place of a value, a new one when it is seen first."""
        if value.unique() not in self.places:
            self.places[value.unique()] = len(self.frame)
            self.frame.append(None)
        return self.places[value.unique()]

    def entries(self, block: Any) -> tuple[list[Entry], list[int]]:
        """Steps of a graph or block, and the places of what it returns."""
        entries = [entry for node in block.nodes() for entry in self.node(node)]
        outputs = [self.place(value) for value in block.outputs()]
        read = {place for entry in entries for place in entry.reads}.union(outputs)
        used = []
        for entry in entries:  # the weights of tapped convolutions are nowhere else read
            if entry.tensor is not None and not read.intersection(entry.writes):
                del self.tensors[entry.tensor]
            else:
                used.append(entry)
        return used, outputs

    def node(self, node: Any) -> list[Entry]:
        """Steps of a node; none for constants."""
        kind = node.kind()
        if kind == "prim::Constant":
            return self.constant(node)
        if kind == "prim::CallFunction":
            return self.function_call(node)
        inputs = tuple(self.place(value) for value in node.inputs())
        if kind == "prim::If":
            blocks, reads = self.blocks(node)
            outputs = tuple(self.place(value) for value in node.outputs())
            step = branch(inputs[0], blocks, outputs)
            return [Entry(step, (*inputs, *reads), outputs)]
        if kind == "prim::Loop":
            (body,), reads = self.blocks(node)
            outputs = tuple(self.place(value) for value in node.outputs())
            return [Entry(loop(inputs, body, outputs), (*inputs, *reads), outputs)]
        outputs = tuple(self.place(value) for value in node.outputs())
        tapped = self.tapped(node, inputs, outputs)
        if tapped is not None:
            return [tapped]
        return [Entry(self.step(node, kind, inputs, outputs), inputs, outputs)]

    def tapped(self, node: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Entry | None:
        """Call of a module that stands for a node, if one does."""
        if self.tap is None or len(outputs) != 1 or not node.kind().startswith("aten::"):
            return None
        if _plain(node, node.kind()) is not None:
            return None
        found = self.tap(node, _function(node))
        if found is None:
            return None
        name, inputs = found.name, inputs[: found.arguments]
        output = outputs[0]

        def step(frame: Frame) -> None:
            frame[output] = getattr(frame[MODULE], name)(*[frame[place] for place in inputs])

        return Entry(step, inputs, outputs)

    def blocks(self, node: Any) -> tuple[list[Any], tuple[int, ...]]:
        """Blocks of a node, and what they read of others."""
        blocks, reads = [], set()
        for inner in node.blocks():
            inputs = [self.place(value) for value in inner.inputs()]
            entries, outputs = self.entries(inner)
            block, outside = block_of(entries, inputs, outputs)
            blocks.append(block)
            reads |= set(outside)
        return blocks, tuple(reads)

    def constant(self, node: Any) -> list[Entry]:
        """Steps of a constant.

        A tensor is read from the module, with which it moves; but a single number is at home on
        every device, and may be a size, which torch counts on the CPU. All else is in the frame.
        """
        output = node.output()
        if output.type().kind() == "FunctionType":
            return []
        value, place = output.toIValue(), self.place(output)
        if not isinstance(value, torch.Tensor):
            self.frame[place] = value
            return []
        if value.ndim == 0:
            make = partial(torch.tensor, value.item(), dtype=value.dtype)
            return [Entry(call(make, (), place), (), (place,))]
        name = f"{self.name}_constant_{place}"
        self.tensors[name] = value
        return [Entry(_read(MODULE, name, place), (MODULE,), (place,), name)]

    def function_call(self, node: Any) -> list[Entry]:
        """Steps of a function that is called, in the frame of the method that calls it."""
        graph = _graph_of_call(node)
        given = [self.place(value) for value in list(node.inputs())[1:]]
        outputs = list(node.outputs())
        outside, self.places = self.places, {}
        for value, place in zip(graph.inputs(), given, strict=True):
            self.places[value.unique()] = place
        entries, results = self.entries(graph)
        self.places = outside
        for value, place in zip(outputs, results, strict=True):
            self.places[value.unique()] = place
        return entries

    def step(self, node: Any, kind: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Step:
        """Step of a node that has no blocks."""
        if kind == "prim::GetAttr":
            return _read(inputs[0], node.s("name"), outputs[0])
        if kind == "prim::SetAttr":
            return _write(inputs[0], node.s("name"), inputs[1])
        if kind == "prim::CallMethod":
            return _method_call(inputs, node.s("name"), outputs[0])
        if kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            return unpack(inputs[0], outputs)
        if kind == "prim::TupleSlice":
            part = slice(node.i("beg"), node.i("end"))
            return call(lambda value: value[part], inputs, outputs[0])
        if kind == "prim::isinstance":
            return call(_isinstance(node), inputs, outputs[0])
        if len(outputs) > 1:
            return self.several(node, inputs, outputs)
        output = outputs[0] if outputs else None
        function = _plain(node, kind) or _function(node)
        return _with_home(node, function, inputs, output) or call(function, inputs, output)

    def several(self, node: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Step:
        """An operation that gives several values."""
        whole = len(self.frame)
        self.frame.append(None)
        make = call(_function(node), inputs, whole)
        apart = unpack(whole, outputs)

        def step(frame: Frame) -> None:
            make(frame)
            apart(frame)
            frame[whole] = None

        return step


def _function(node: Any) -> Function:
    """Function of an operation on tensors."""
    kind = node.kind()
    base = kind.removesuffix("_")
    if kind != base and base in ACTIVATIONS:
        return partial(ACTIVATIONS[base], inplace=True)
    return ACTIVATIONS.get(kind) or TENSORS.get(kind) or _own(kind, node)


def _plain(node: Any, kind: str) -> Function | None:
    """Python's function for a node without tensors, if it is one."""
    if kind in ANY:
        return ANY[kind]
    values = [*node.inputs(), *node.outputs()]
    if kind in CONTAINERS and values[0].type().kind() in _CONTAINERS:
        return CONTAINERS[kind]
    # A type is "Tensor", "Tensor?", "Tensor[]", or where the shape is known "Float(1, 2, …)".
    if any(v.type().kind() == "TensorType" or "Tensor" in v.type().str() for v in values):
        return None
    if kind in NUMBERS:
        return NUMBERS[kind]
    if not kind.startswith("aten::"):
        raise unsupported(kind)
    return scalar_overload(kind, torch._C.parse_schema(node.schema()).overload_name)


def _own(kind: str, node: Any) -> Function:
    """Aten's function, called with arguments in the order of the schema."""
    function = packet(kind)
    arguments = _arguments(node)
    words: list[str] = [argument.name for argument in arguments if argument.kwarg_only]
    positional = len(arguments) - len(words)

    def with_words(*values: Any) -> Any:
        named = dict(zip(words, values[positional:], strict=True))
        return function(*values[:positional], **named)

    return with_words if words else function


def _arguments(node: Any) -> Sequence[Any]:
    """Arguments that aten's schema of a node has; none where it has no schema."""
    text = node.schema()
    if text.startswith("(") or "..." in text:
        return ()
    arguments: Sequence[Any] = torch._C.parse_schema(text).arguments
    return arguments


def _with_home(
    node: Any, function: Function, inputs: Sequence[int], output: int | None
) -> Step | None:
    """Step of a function that is given a device or a type of tensor; None for others.

    A traced file has those with which it was made; they become those that the module has now.
    """
    names = [argument.name for argument in _arguments(node)]
    if "device" not in names and "dtype" not in names:
        return None
    device = names.index("device") if "device" in names else None
    dtype = names.index("dtype") if "dtype" in names else None

    def step(frame: Frame) -> None:
        values, home = [frame[place] for place in inputs], frame[MODULE].torchscript.home
        if device is not None and values[device] is not None:
            values[device] = home.device or values[device]
        if dtype is not None and values[dtype] is not None:
            number = values[dtype]
            values[dtype] = home.dtype_for(DTYPES[number] if isinstance(number, int) else number)
        result = function(*values)
        if output is not None:
            frame[output] = result

    return step


def _isinstance(node: Any) -> Function:
    kinds = [kind.kind() for kind in node.tys("types")]
    if any(kind not in _PYTHON for kind in kinds):
        raise unsupported("prim::isinstance")
    types = tuple(_PYTHON[kind] for kind in kinds)
    # To Python a bool is an int.
    return lambda value: (
        type(value) in types or (isinstance(value, types) and not isinstance(value, bool))
    )


def _read(owner: int, name: str, output: int) -> Step:
    def step(frame: Frame) -> None:
        module = frame[owner]
        held = getattr(module, "torchscript", None)
        if held is not None and name in held.attributes:
            frame[output] = held.attributes[name]
        else:
            frame[output] = getattr(module, name)

    return step


def _write(owner: int, name: str, value: int) -> Step:
    def step(frame: Frame) -> None:
        module = frame[owner]
        if name in module.torchscript.attributes:
            module.torchscript.attributes[name] = frame[value]
        else:
            setattr(module, name, frame[value])

    return step


def _method_call(inputs: Sequence[int], name: str, output: int) -> Step:
    owner, *given = inputs
    if name == "forward":

        def step(frame: Frame) -> None:
            frame[output] = frame[owner](*[frame[place] for place in given])

    elif name.removeprefix("forward").strip("_").isdigit():
        # A module that is called again has a method for every call when it was traced.
        def step(frame: Frame) -> None:
            frame[output] = frame[owner](*[frame[place] for place in given], method=name)

    else:

        def step(frame: Frame) -> None:
            frame[output] = frame[owner].run_method(name, *[frame[place] for place in given])

    return step


def _graph_of_call(node: Any) -> Any:
    """Graph of a function that a node calls.

    There is no way to ask for it; a graph with nothing but the call can be inlined.
    """
    graph: Any = torch._C.Graph()
    function, *given = node.inputs()
    constant = graph.createClone(function.node(), lambda value: value)
    graph.appendNode(constant)
    values = [constant.output()]
    for value in given:
        values.append(graph.addInput())
        values[-1].setType(value.type())
    order = iter(values)
    clone = graph.createClone(node, lambda value: next(order))
    graph.appendNode(clone)
    for output in clone.outputs():
        graph.registerOutput(output)
    torch._C._jit_pass_inline(graph)
    if graph.findNode("prim::CallFunction") is not None:
        raise NetworkError("A function of the TorchScript network calls itself.")
    return graph
