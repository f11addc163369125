"""The graph that relevance flows through: whether all of it is known, and what belongs together."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

from ...errors import NetworkError
from ...networks.progress import Cancel
from ...networks.running import stop_if
from .flow import Flow, Place
from .gates import distribution_of, is_share, kind_of
from .moving import MOVING
from .nodes import total
from .operations import Sum, Weighted
from .rules import Composite


class Graph:
    """All nodes of autograd between the logits and the image.

    Parameters
    ----------
    logits
        Of a network that has run with a `Runner`.

    Raises
    ------
    NetworkError
        If the network does something for which there is no rule.
    """

    def __init__(self, logits: torch.Tensor):
        self._root = logits.grad_fn
        known = _reached(self._root, _children)
        _check(known)
        self._consumers = Counter(child for node in known for child in _children(node))
        self._nodes = self._from_logits_down()
        self._numbers = {node: number for number, node in enumerate(self._nodes)}

    def settle(self, rule: Composite) -> None:
        """Give the head its rule, and make norms part of the operations before them."""
        for node in _reached(self._root, _children_in_head):
            distribution = distribution_of(node)
            if distribution is not None:
                distribution.rule = rule.head
        for node in reversed(self._nodes):
            self._fold(node)

    @contextmanager
    def recording(
        self, layers: dict[str, tuple[Any, int]], cancel: Cancel | None
    ) -> Iterator[Flow]:
        """Measure what flows during a pass backward; the flow is complete afterwards.

        Parameters
        ----------
        layers
            The node that made the maps of each network layer, and which of its outputs they are.
        cancel
            Asked at every node.
        """
        handed: dict[int, tuple[list[torch.Tensor | None], list[torch.Tensor | None]]] = {}
        flow = Flow(
            {name: self._place(*edge) for name, edge in layers.items()},
            frozenset(n for node, n in self._numbers.items() if distribution_of(node) is not None),
        )
        with ExitStack() as hooks:
            for number, node in enumerate(self._nodes):

                def hook(down: Any, given: Any, number: int = number) -> None:
                    stop_if(cancel)
                    handed[number] = (_totals(down), _totals(given))

                if kind_of(node) != "AccumulateGrad":
                    hooks.callback(node.register_hook(hook).remove)
            yield flow
        for number, (down, given) in handed.items():
            self._note(flow, number, down, given)

    def _note(
        self,
        flow: Flow,
        number: int,
        down: list[torch.Tensor | None],
        given: list[torch.Tensor | None],
    ) -> None:
        """Add what one node did to the flow."""
        node = self._nodes[number]
        left = sum(float(value) for value in given if value is not None)
        for (child, output), value in zip(node.next_functions, down, strict=True):
            if child is not None and value is not None:
                flow.hand_down(number, (self._numbers[child], output), float(value))
                left -= float(value)
        distribution = distribution_of(node)
        if distribution is not None:
            flow.absorb(number, float(distribution.constants), float(distribution.stabiliser))
        elif not is_share(node):
            flow.absorb(number, left, 0.0)  # what was moved there from a constant

    def _from_logits_down(self) -> list[Any]:
        """Every node behind all that were made from it."""
        left, found, waiting = Counter(self._consumers), [], [self._root]
        while waiting:
            node = waiting.pop()
            found.append(node)
            for child in _children(node):
                left[child] -= 1
                if not left[child]:
                    waiting.append(child)
        return found

    def _place(self, node: Any, output: int) -> Place:
        """Where maps are in the graph, given what made them."""
        behind = _reached(node, _children)
        inside = frozenset(self._numbers[one] for one in behind if one in self._numbers)
        return Place(self._numbers.get(node), output, inside)

    def _fold(self, node: Any) -> None:
        """Make a scale and shift part of the operation that nothing else takes the result of."""
        distribution = distribution_of(node)
        if distribution is None or not isinstance(distribution.operation, Sum):
            return
        affine = distribution.operation
        if len(affine.coefficients) != 1:
            return
        (before,) = _children(node)
        while self._consumers[before] == 1:
            maker = distribution_of(before)
            if maker is not None and maker.shape != distribution.shape:
                return
            if maker is not None and isinstance(maker.operation, Weighted):
                maker.operation.absorb(affine.coefficients[0], affine.constant)
                distribution.passes = True
                return
            # The hook that reads feature maps goes on with a clone.
            if kind_of(before) != "Clone" and not (maker is not None and maker.passes):
                return
            (before,) = _children(before)


def _children(node: Any) -> list[Any]:
    return [child for child, _ in node.next_functions if child is not None]


def _children_in_head(node: Any) -> list[Any]:
    """As `_children`, but for what lies before the head's weights."""
    distribution = distribution_of(node)
    ends = distribution is not None and isinstance(distribution.operation, Weighted)
    return [] if ends else _children(node)


def _reached(start: Any, children: Callable[[Any], list[Any]]) -> list[Any]:
    """A node and all that can be reached from it, each once."""
    found, seen = [start], {start}
    for node in found:  # which grows
        new = [child for child in dict.fromkeys(children(node)) if child not in seen]
        seen.update(new)
        found += new
    return found


def _totals(values: Any) -> list[torch.Tensor | None]:
    return [None if value is None else total(value) for value in values]


def _check(nodes: list[Any]) -> None:
    kinds = {kind_of(node) for node in nodes if not _is_known(node)}
    if kinds:
        raise NetworkError(
            f"The network computes {', '.join(sorted(kinds))}, and there is no rule by which "
            "relevance goes through that. Known are convolutions, linear layers, norms, "
            "activations, pooling, interpolation, sums, products, joins and what moves values. "
            "Choose another method for this network."
        )


def _is_known(node: Any) -> bool:
    if distribution_of(node) is not None or is_share(node):
        return True
    # Whoever writes a function of their own may give it any name.
    return kind_of(node) in MOVING and not isinstance(node, BackwardCFunction)
