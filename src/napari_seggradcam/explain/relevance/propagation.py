"""Layer-wise relevance propagation: the whole way from the logits to the image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import NetworkError, OptionError
from ...networks.layers import INPUT, NetworkLayer
from ...networks.network import Network
from ...networks.progress import Cancel, Progress, Steps
from ...networks.running import cancellable, shortage_told
from ..capture import Capture
from ..patches import Patch
from ..scores import ScoreOfLogits
from .flow import Cut, Flow, cut
from .functions import Runner
from .graph import Graph
from .nodes import total
from .rules import DEFAULT, Composite, Rule, rule_of


@dataclass(frozen=True)
class Relevance:
    """What relevance every feature map and every pixel got.

    Attributes
    ----------
    maps
        Relevance of shape (channels, *spatial) by name of the network layer, and of the padded
        input under ``"input"``; of the network's own type. Zero where none can arrive, as in the
        maps of a gate.
    score
        S, as the caller's function gave it.
    started
        Sum of the relevance of the logits.
    rule
        Name of the rule.
    skips
        Names of the network layers that are skips.
    flow
        What went where.
    """

    maps: dict[str, NDArray[np.floating[Any]]]
    score: float
    started: float
    rule: str
    skips: tuple[str, ...]
    flow: Flow = field(repr=False)


def propagate(
    network: Network,
    tensor: torch.Tensor,
    score: ScoreOfLogits,
    layers: Sequence[NetworkLayer],
    rule: str | Rule | Composite = DEFAULT,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Relevance:
    """Relevance of network layers and of the input for a score.

    The logits begin with R = y · dS/dy. For a sum of logits over a region, that is the sum's own
    terms, and they add up to S. Another score has no terms; its first-order ones say how much each
    logit, as it is, holds the score up, and agree with the sum's where the score is linear. What
    is conserved is their sum, `Relevance.started`, not S.

    Parameters
    ----------
    network
        Use with its lock held, inside `as_found`, with gradients enabled.
    tensor
        Padded input of shape (1, channels, *spatial).
    score
        Makes a scalar from the logits of shape (1, rows, *output).
    layers
        Network layers whose relevance is wanted. Where a norm stands behind a convolution or
        another operation with weights, the two are one operation, and the maps between them have
        the relevance of the norm's.
    rule
        ``"epsilon"``, ``"gamma"``, ``"z-plus"``, ``"composite"``, or a rule with values of one's
        own.
    progress
        Called with steps done, steps in all and the network layer.
    cancel
        Asked between modules forward and between functions backward.

    Raises
    ------
    OptionError
        If there is no such rule, or the network computes in half precision.
    NetworkError
        If the network does something for which there is no rule, or hides what it does.
    LayerError
        If the network did not run through a network layer.
    OutOfMemory
        If memory ran out.
    Cancelled
        If ``cancel`` said so.
    """
    rules = rule_of(rule)
    if network.precision not in ("float32", "float64"):
        raise OptionError(
            f"The network computes in {network.precision}, in which relevance is lost to rounding;"
            " take Network.at_precision('float32')."
        )
    steps = Steps(2 * (len(layers) + 1), progress)
    capture = Capture(network.module, layers, steps)
    maps: dict[str, NDArray[np.floating[Any]]] = {}
    with shortage_told():
        logits = _run(network, tensor, capture, Runner(rules.body), cancel)
        value, beginning = _beginning(logits, score)
        graph = Graph(logits)
        graph.settle(rules)

        def on_relevance(name: str, patch: Patch) -> None:
            maps[name] = patch.values[0].cpu().numpy()
            steps(name)

        edges = {name: capture.edge_of(name) for name in capture.maps}
        with graph.recording(edges, cancel) as flow:
            capture.backward((logits * beginning).sum(), on_relevance, cancel)
    for name, there in capture.maps.items():
        if name not in maps:
            maps[name] = np.zeros(there.shape[1:], beginning.cpu().numpy().dtype)
            steps(name)
    skips = tuple(layer.name for layer in layers if layer.module is None)
    ordered = {name: maps[name] for name in (INPUT, *(layer.name for layer in layers))}
    return Relevance(ordered, value, float(total(beginning)), rules.name, skips, flow)


def conservation(relevance: Relevance) -> dict[str, Cut]:
    """The cut of every network layer that was asked about, and of the input, by name.

    For each, the relevance of the network layer, what goes past it, and what biases and
    stabilisers have kept on the side of the logits, add up to what the logits began with; the gap
    is rounding.
    """
    return {
        name: cut(
            relevance.flow,
            name,
            relevance.started,
            float(np.sum(values, dtype=np.float64)),
            relevance.skips,
        )
        for name, values in relevance.maps.items()
    }


def _run(
    network: Network,
    tensor: torch.Tensor,
    capture: Capture,
    runner: Runner,
    cancel: Cancel | None,
) -> torch.Tensor:
    """Logits, with a graph back to the input that carries relevance."""
    image = capture.take(INPUT, tensor.to(network.device, network.dtype), True)
    with capture, cancellable(network.module, cancel):
        calls = capture.calls(network.ndim, network.bypass, runner)
        logits = network.run(image, calls)
    capture.check()
    if not logits.requires_grad:
        raise NetworkError(
            "The network's logits do not show what they were made from: it turns gradients off or "
            "detaches its maps. Expected a network that could be trained."
        )
    return logits


def _beginning(logits: torch.Tensor, score: ScoreOfLogits) -> tuple[float, torch.Tensor]:
    """The score, and the relevance of the logits."""
    leaf = logits.detach().requires_grad_()
    value = score(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), leaf.detach() * gradient
