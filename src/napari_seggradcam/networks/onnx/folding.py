"""What can be computed once, when the graph is read: everything made from weights alone."""

from collections import deque

import torch

from ...errors import NetworkFileError
from .functions import FUNCTIONS
from .graphs import Graph, Node
from .leaves import MODULES

Constants = dict[str, torch.Tensor]


def fold(graph: Graph, names: dict[str, str]) -> None:
    """Compute constants, and leave out what does nothing; changes the graph.

    Parameters
    ----------
    graph
        Its constants may hold those of the graphs around it.
    names
        What values are called that have several names; those found are added.

    Raises
    ------
    NetworkFileError
        If a dropout is switched on, which is so in training mode.
    """
    waiting, kept = deque(graph.nodes), []
    while waiting:
        node = waiting.popleft()
        node.inputs = [names.get(name, name) for name in node.inputs]
        known = all(not name or name in graph.constants for name in node.inputs)
        if node.op in ("Identity", "Dropout"):
            _check_dropout(node, graph.constants)
            names[node.outputs[0]] = node.inputs[0]
        elif node.op == "If" and known:
            waiting.extendleft(reversed(_chosen(node, graph.constants)))
        elif known and is_arithmetic(node.op):
            inputs = [graph.constants[name] if name else None for name in node.inputs]
            made = evaluate(node, inputs)
            graph.constants.update(zip(node.outputs, made, strict=False))
        else:
            kept.append(node)
    graph.nodes = kept
    graph.outputs = [names.get(name, name) for name in graph.outputs]


def is_arithmetic(op: str) -> bool:
    """Whether an operation may also be one of numbers, such as sizes, instead of maps."""
    return op == "Constant" or (op in FUNCTIONS and (op not in MODULES or op == "Clip"))


def evaluate(node: Node, inputs: list[torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """What an operation makes of numbers."""
    if node.op == "Constant":
        return (_constant(node),)
    function = FUNCTIONS[node.op]
    given = [
        value.tolist() if value is not None and number in function.numbers else value
        for number, value in enumerate(inputs)
    ]
    made = function.run(node.attributes, *given)
    return tuple(made) if isinstance(made, tuple | list) else (made,)


def _constant(node: Node) -> torch.Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            value = node.attributes[name]
            return value if isinstance(value, torch.Tensor) else torch.tensor(value)
    raise NetworkFileError(
        "The ONNX graph has a constant that is neither numbers nor a tensor, which can't be "
        "imported."
    )


def _check_dropout(node: Node, constants: Constants) -> None:
    training = node.inputs[2] if len(node.inputs) > 2 else ""
    if training and (training not in constants or bool(constants[training])):
        raise NetworkFileError(
            "The ONNX graph was exported in training mode: it has a dropout that is switched on. "
            "Export it again after module.eval()."
        )


def _chosen(node: Node, constants: Constants) -> list[Node]:
    """Nodes of the branch of an ``If`` whose condition is known."""
    condition = bool(constants[node.inputs[0]].all())
    branch: Graph = node.attributes["then_branch" if condition else "else_branch"]
    constants.update(branch.constants)
    ends = [
        Node("Identity", [inner], [outer])
        for inner, outer in zip(branch.outputs, node.outputs, strict=True)
    ]
    return [*branch.nodes, *ends]
