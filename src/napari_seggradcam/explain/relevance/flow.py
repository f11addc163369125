"""How much relevance went from where to where, and what is conserved over a cut.

A *cut* belongs to a network layer: its maps, and whatever else leads from what they were made from
past them to the logits, such as skips. Relevance that reached the cut, and what biases and
stabilisers have kept on the side of the logits, add up to what the logits began with.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Where maps are in a graph.

    Attributes
    ----------
    node
        Number of the node that made them; None if relevance can't reach it.
    output
        Which of its outputs they are.
    inside
        Numbers of all nodes that they were made by, that one among them.
    """

    node: int | None
    output: int
    inside: frozenset[int]


@dataclass
class Flow:
    """Sums of relevance between the nodes of a graph, which are numbered.

    Attributes
    ----------
    layers
        Where the maps of every network layer are.
    operations
        Numbers of the nodes that divide relevance up, rather than moving or passing it.
    handed
        What each node has handed to the output of another, by (node, (other node, output)).
    constants, stabiliser
        What ended in each node.
    """

    layers: dict[str, Place]
    operations: frozenset[int] = frozenset()
    handed: dict[tuple[int, tuple[int, int]], float] = field(default_factory=dict)
    constants: dict[int, float] = field(default_factory=dict)
    stabiliser: dict[int, float] = field(default_factory=dict)

    def hand_down(self, above: int, below: tuple[int, int], relevance: float) -> None:
        """Note what went from one node to an output of another."""
        edge = (above, below)
        self.handed[edge] = self.handed.get(edge, 0.0) + relevance

    def absorb(self, node: int, constants: float, stabiliser: float) -> None:
        """Note what ended in a node."""
        self.constants[node] = constants
        self.stabiliser[node] = stabiliser


@dataclass(frozen=True)
class Cut:
    """Where relevance is, or has ended, once it has come down to a network layer.

    Attributes
    ----------
    started
        Sum of the relevance of the logits.
    layer
        Sum of the relevance of the network layer's maps.
    passing
        Sum of the relevance that goes past the network layer: through skips, residual paths and
        other branches.
    biases
        What biases, and other values that do not come from the image, have kept on the way.
    stabiliser
        What stabilisers have kept on the way.
    skips
        Names of the network layers that are skips past this one, as far as they were asked about;
        in a U-Net, what passes is theirs.
    """

    started: float
    layer: float
    passing: float
    biases: float
    stabiliser: float
    skips: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """What is missing, or too much: rounding."""
        return self.started - self.layer - self.passing - self.biases - self.stabiliser

    @property
    def shares(self) -> dict[str, float]:
        """All parts as shares of what the logits began with; not defined where that is zero."""
        names = ("layer", "passing", "biases", "stabiliser", "gap")
        return {name: getattr(self, name) / self.started for name in names}


def cut(flow: Flow, name: str, started: float, relevance: float, skips: tuple[str, ...]) -> Cut:
    """The cut of one network layer.

    Parameters
    ----------
    flow
        What went where.
    name
        The network layer.
    started, relevance
        Sums of the relevance of the logits, and of the network layer's maps.
    skips
        Names of all network layers that are skips.
    """
    place = flow.layers[name]
    passing = sum(
        value
        for (above, below), value in flow.handed.items()
        if above not in place.inside
        and below[0] in place.inside
        and below != (place.node, place.output)
    )
    past = tuple(skip for skip in skips if _passes(flow, flow.layers[skip], place))
    biases, stabiliser = (
        sum(value for node, value in kept.items() if node not in place.inside)
        for kept in (flow.constants, flow.stabiliser)
    )
    return Cut(started, relevance, passing, biases, stabiliser, past)


def _passes(flow: Flow, skip: Place, place: Place) -> bool:
    """Whether a skip leads from what maps were made from past them, with nothing in between."""
    if skip.node is None or skip.node in place.inside or place.node in skip.inside:
        return False
    return not (skip.inside - place.inside) & flow.operations
