"""Groups of nodes that are one module, which exporters take apart."""

from collections import Counter

import torch

from .graphs import Graph, Node


def rewrite(graph: Graph) -> None:
    """Put modules together again; changes the graph."""
    for merge in (_merge_silu, _merge_group_norm, _merge_softmax):
        pattern = _Pattern(graph)
        for node in graph.nodes:
            merge(node, pattern)
        graph.nodes = [n for n in graph.nodes if id(n) not in pattern.merged]


class _Pattern:
    """Who makes and who takes a value, and which nodes are part of others by now."""

    def __init__(self, graph: Graph):
        self.constants = graph.constants
        self.merged: set[int] = set()
        self._makers = {name: node for node in graph.nodes for name in node.outputs}
        self._uses = Counter(name for node in graph.nodes for name in node.inputs)
        self._uses.update(graph.outputs)
        # What a branch takes from outside is not looked up; its values stay as they are.
        for node in graph.nodes:
            for branch in node.attributes.values():
                if isinstance(branch, Graph):
                    self._uses.update(2 * _all_names(branch))

    def maker(self, name: str, op: str, uses: int = 1) -> Node | None:
        """The node of a type that makes a value, if nobody else takes the value."""
        node = self._makers.get(name)
        if node is None or node.op != op or self._uses[name] != uses:
            return None
        return node

    def weight(self, node: Node, channels: int) -> torch.Tensor | None:
        """The weight for each channel that a node multiplies by or adds."""
        found = [self.constants[name] for name in node.inputs if name in self.constants]
        if len(found) != 1 or found[0].numel() != channels:
            return None
        return found[0].reshape(-1)


def _all_names(graph: Graph) -> list[str]:
    names = [*graph.outputs]
    for node in graph.nodes:
        names += node.inputs
        for inner in node.attributes.values():
            if isinstance(inner, Graph):
                names += _all_names(inner)
    return names


def _merge_silu(node: Node, pattern: _Pattern) -> None:
    """``x * sigmoid(x)``."""
    if node.op != "Mul":
        return
    for gate, x in (node.inputs, node.inputs[::-1]):
        sigmoid = pattern.maker(gate, "Sigmoid")
        if sigmoid is not None and sigmoid.inputs[0] == x:
            pattern.merged.add(id(sigmoid))
            node.op, node.inputs, node.attributes = "SiLU", [x], {}
            return


def _merge_group_norm(node: Node, pattern: _Pattern) -> None:
    """Reshaped to groups, normalised as instances, reshaped back, times and plus weights."""
    times = next((n for i in node.inputs if (n := pattern.maker(i, "Mul"))), None)
    if node.op != "Add" or times is None:
        return
    back = next((n for i in times.inputs if (n := pattern.maker(i, "Reshape"))), None)
    norm = None if back is None else pattern.maker(back.inputs[0], "InstanceNormalization")
    groups = None if norm is None else pattern.maker(norm.inputs[0], "Reshape")
    if back is None or norm is None or groups is None or len(norm.inputs) < 3:
        return
    shape, *inner = (pattern.constants.get(n) for n in (groups.inputs[1], *norm.inputs[1:3]))
    if shape is None or any(weight is None for weight in inner) or shape.tolist()[0::2] != [0, -1]:
        return
    scale, bias = inner
    assert scale is not None
    assert bias is not None
    plain = bool((scale == 1).all() and (bias == 0).all())
    channels = max(pattern.constants[n].numel() for n in times.inputs if n in pattern.constants)
    weights = [pattern.weight(n, channels) for n in (times, node)]
    if not plain or any(weight is None for weight in weights) or len(shape) != 3:
        return
    names = [f"{node.outputs[0]} weight", f"{node.outputs[0]} bias"]
    pattern.constants.update(zip(names, weights, strict=True))  # type: ignore[arg-type]
    pattern.merged.update(map(id, (times, back, norm, groups)))
    node.op, node.inputs = "GroupNorm", [groups.inputs[0], *names]
    node.attributes = {"num_groups": len(scale), "epsilon": norm.attributes.get("epsilon", 1e-5)}


def _merge_softmax(node: Node, pattern: _Pattern) -> None:
    """A softmax over the last axis, between two transpositions that undo each other."""
    if node.op != "Transpose":
        return
    softmax = next(
        (n for op in ("Softmax", "LogSoftmax") if (n := pattern.maker(node.inputs[0], op))), None
    )
    first = None if softmax is None else pattern.maker(softmax.inputs[0], "Transpose")
    if softmax is None or first is None:
        return
    there, back = first.attributes.get("perm", []), node.attributes.get("perm", [])
    undone = len(there) == len(back) and all(there[i] == n for n, i in enumerate(back))
    last = softmax.attributes.get("axis", -1) in (-1, len(there) - 1)
    if undone and there and last:
        pattern.merged.update(map(id, (first, softmax)))
        # Negative, because that means the same in all versions of the operation.
        node.op, node.inputs = f"{softmax.op}Over", list(first.inputs)
        node.attributes = {"axis": there[-1] - len(there)}
        node.name, node.scopes = softmax.name, softmax.scopes
