"""From a graph to a program: what each operation computes with, and which ones become modules."""

from dataclasses import replace

import torch

from ...errors import NetworkFileError
from .folding import fold, is_arithmetic
from .functions import FUNCTIONS
from .graphs import Graph, Node
from .leaves import MODULES, Leaf, leaf_of
from .program import PRECISION, Operand, Program, Step
from .rewriting import rewrite

_SHAPES = ("Shape", "Size")
_NOTHING = Operand("known")


class Compiler:
    """Makes a program; collects what the module needs for it.

    Parameters
    ----------
    opset
        Version of the operations.
    image
        Name of the graph's input.
    rank
        Number of axes of the image.

    Attributes
    ----------
    leaves
        Nodes that become modules, with these.
    work
        All nodes that compute maps.
    weights
        By the names of the graph's constants, names and contents of the other weights.
    """

    def __init__(self, opset: int, image: str, rank: int):
        self.leaves: list[tuple[Node, Leaf]] = []
        self.work: list[Node] = []
        self.weights: dict[str, tuple[str, torch.Tensor]] = {}
        self._opset = opset
        self._rank = rank
        self._ranks = {image: rank}  # of all maps
        self._sizes: set[str] = set()  # names of numbers
        self._constants: dict[str, torch.Tensor] = {}
        self._unknown: set[str] = set()

    def compile(self, graph: Graph) -> Program:
        """The whole graph's program.

        Raises
        ------
        NetworkFileError
            If it has operations that are not known, or does what can't be imported.
        """
        program = self._compile(graph, {})
        if self._unknown:
            raise NetworkFileError(
                f"The ONNX graph uses operations that can't be imported: "
                f"{', '.join(sorted(self._unknown))}. Open the network in another format, such as "
                "TorchScript or a state dict."
            )
        program.outputs = tuple(self._operand(name) for name in graph.outputs)
        program.steps = _with_ends(program)
        return program

    def _compile(self, graph: Graph, names: dict[str, str]) -> Program:
        fold(graph, names)
        rewrite(graph)
        self._constants |= graph.constants
        program = Program()
        for node in graph.nodes:
            if node.op == "If":
                program.steps.append(self._branches(node, graph, names))
            elif node.op not in FUNCTIONS and node.op not in MODULES:
                self._unknown.add(node.op)
                self._note_map(node)
            elif self._is_of_sizes(node):
                program.steps.append(self._of_sizes(node))
            else:
                program.steps += self._of_maps(node)
        return program

    def _branches(self, node: Node, graph: Graph, names: dict[str, str]) -> Step:
        condition = node.inputs[0]
        if condition not in self._sizes:
            raise NetworkFileError(
                "The ONNX graph does one thing or another depending on the image's content "
                "(If), which can't be imported."
            )
        branches, ends = [], []
        for name in ("then_branch", "else_branch"):
            branch: Graph = node.attributes[name]
            branch.constants = graph.constants | branch.constants
            branches.append(self._compile(branch, dict(names)))
            ends.append(branch.outputs)
        # What is a map in one branch has to be one in the other.
        for number, output in enumerate(node.outputs):
            inner = [names[number] for names in ends]
            if any(name in self._ranks for name in inner):
                rank = next(self._ranks[name] for name in inner if name in self._ranks)
                self._ranks[output] = rank
            else:
                self._sizes.add(output)
        for branch_program, outputs in zip(branches, ends, strict=True):
            branch_program.outputs = tuple(
                self._operand(inner) if outer in self._ranks else self._number(inner)
                for inner, outer in zip(outputs, node.outputs, strict=True)
            )
        bare = Node("If", node.inputs, node.outputs)
        return Step(bare, (Operand("numbers", condition),), branches=tuple(branches))

    def _is_of_sizes(self, node: Node) -> bool:
        known = all(not n or n in self._sizes or n in self._constants for n in node.inputs)
        return node.op in _SHAPES or (known and is_arithmetic(node.op))

    def _of_sizes(self, node: Node) -> Step:
        self._sizes.update(node.outputs)
        return Step(node, tuple(self._number(name) for name in node.inputs), of_sizes=True)

    def _of_maps(self, node: Node) -> list[Step]:
        rank = self._rank_of(node.inputs[0])
        self.work.append(node)
        self._note_map(node)
        leaf = leaf_of(node, self._constants, self._opset, rank)
        if leaf is None:
            return [self._function(node)]
        self.leaves.append((node, leaf))
        steps = []
        image, result = self._operand(node.inputs[0]), node.outputs[0]
        if leaf.before is not None:
            padded = f"{result} padded"
            around = Node(leaf.before[0], [], [padded], leaf.before[1])
            steps.append(Step(around, (image,)))
            image = Operand("map", padded)
        numbers = [self._as_numbers(node, i) for i in leaf.numbers]
        called = replace(node, outputs=[f"{result} whole"]) if leaf.after else node
        steps.append(Step(called, (image, *numbers), module=str(len(self.leaves) - 1)))
        if leaf.after is not None:
            cut = Node(leaf.after[0], [], [result], leaf.after[1])
            steps.append(Step(cut, (Operand("map", f"{result} whole"),)))
        return steps

    def _function(self, node: Node) -> Step:
        if node.op not in FUNCTIONS:
            raise NetworkFileError(
                f"The ONNX graph has a {node.op} with options that can't be imported."
            )
        numbers = FUNCTIONS[node.op].numbers
        operands = [
            self._as_numbers(node, i) if i in numbers else self._operand(name)
            for i, name in enumerate(node.inputs)
        ]
        if node.op == "Cast":
            operands.append(Operand("weight", PRECISION))
        return Step(node, tuple(operands))

    def _operand(self, name: str) -> Operand:
        """A value that is computed with as maps are."""
        if not name:
            return _NOTHING
        if name in self._ranks:
            return Operand("map", name)
        if name in self._sizes:
            return Operand("moved", name)
        if name not in self.weights:
            self.weights[name] = f"weight_{len(self.weights)}", self._constant(name)
        return Operand("weight", self.weights[name][0])

    def _number(self, name: str) -> Operand:
        """A value that is computed with on its own; a map is only asked for its size."""
        if not name:
            return _NOTHING
        if name in self._ranks:
            return Operand("map", name)
        return Operand("sizes", name) if name in self._sizes else self._known(name)

    def _as_numbers(self, node: Node, number: int) -> Operand:
        """A value that says how something is done."""
        name = node.inputs[number] if number < len(node.inputs) else ""
        if not name:
            return _NOTHING
        if name in self._ranks:
            raise NetworkFileError(
                f"In the ONNX graph the image's content tells {node.op} {node.name!r} what to do "
                "(a shape, an index, a limit), which can't be imported."
            )
        if name in self._sizes:
            return Operand("numbers", name)
        return Operand("known", known=self._constant(name).tolist())

    def _known(self, name: str) -> Operand:
        return Operand("known", known=self._constant(name))

    def _constant(self, name: str) -> torch.Tensor:
        if name not in self._constants:
            raise NetworkFileError(
                f"The ONNX graph uses a value {name!r} that nothing makes; the file is damaged."
            )
        return self._constants[name]

    def _note_map(self, node: Node) -> None:
        rank = self._rank_after(node)
        self._ranks.update(dict.fromkeys(node.outputs, rank))

    def _rank_of(self, name: str) -> int:
        return self._ranks.get(name, self._rank)

    def _rank_after(self, node: Node) -> int:
        """Axes of what a node makes, as far as the graph tells; the image's, if it does not."""
        rank = max((self._ranks[n] for n in node.inputs if n in self._ranks), default=self._rank)
        second = self._constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        count = len(node.attributes.get("axes", ())) if second is None else second.numel()
        gone = not node.attributes.get("keepdims", 1)
        if node.op == "Reshape":
            return self._rank if second is None else count
        if node.op == "Flatten":
            return 2
        if node.op == "Unsqueeze":
            return rank + count
        if node.op == "Squeeze" or (gone and node.op.startswith("Reduce")):
            return rank - count
        if gone and node.op.startswith("Arg"):
            return rank - 1
        if node.op == "Gather" and second is not None:
            return rank - 1 + second.ndim
        return rank


def _with_ends(program: Program) -> list[Step]:
    """Steps that say which values nobody needs behind them, so that their memory is free."""
    made = {name for step in program.steps for name in step.node.outputs if name}
    needed = {operand.name for operand in program.outputs}
    steps = []
    for step in reversed(program.steps):
        taken = {operand.name for operand in step.operands}
        taken |= {name for branch in step.branches for name in branch.used()}
        done = (taken & made | set(step.node.outputs)) - needed - {""}
        steps.append(replace(step, done=tuple(sorted(done))))
        needed |= taken
    return steps[::-1]
