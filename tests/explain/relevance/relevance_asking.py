"""Asking for relevance as `Explainer` will: with the module locked and put back afterwards."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.explain.relevance import Cut, Relevance, propagate
from napari_seggradcam.explain.relevance.flow import cut
from napari_seggradcam.explain.relevance.functions import Runner
from napari_seggradcam.explain.relevance.graph import Graph
from napari_seggradcam.explain.relevance.rules import rule_of
from napari_seggradcam.networks.running import FunctionCalls, as_found


def first_row(logits: torch.Tensor) -> torch.Tensor:
    return logits[0, 0].double().sum()


def ask_network(
    network: sgc.Network,
    tensor: torch.Tensor,
    rule: Any = "epsilon",
    score: Callable[[torch.Tensor], torch.Tensor] = first_row,
    layers: str = "all",
    **options: Any,
) -> Relevance:
    wanted = network.select_layers(layers)
    with network.lock, as_found(network.module), torch.enable_grad():
        return propagate(network, tensor, score, wanted, rule, **options)


def ask(what: sgc.Network | nn.Module, tensor: torch.Tensor, *args: Any, **more: Any) -> Relevance:
    """Relevance of a network or a module, for the sum of the first row of its logits."""
    if isinstance(what, nn.Module):
        axes = "CYX" if tensor.ndim == 4 else "CZYX"
        what = sgc.Network.from_module(what, axes=axes, channels=tensor.shape[1])
    return ask_network(what, tensor, *args, **more)


class Alone(FunctionCalls):
    """Functions run by the rules, without a network around them."""

    def __init__(self, rule: Any):
        super().__init__(2)
        self._runner = Runner(rule_of(rule).body)

    def call(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        return self._runner(name, func, args, kwargs)


def hand_down(
    function: Callable[..., torch.Tensor], x: torch.Tensor, relevance: torch.Tensor, rule: Any
) -> tuple[torch.Tensor, Cut]:
    """Relevance of what a function was given, and what was conserved on the way."""
    leaf = x.detach().requires_grad_()
    with Alone(rule):
        y = function(leaf.clone())
    graph = Graph(y)
    graph.settle(rule_of(rule))
    edge = torch.autograd.graph.get_gradient_edge(leaf)
    with graph.recording({"input": (edge.node, edge.output_nr)}, None) as flow:
        (found,) = torch.autograd.grad(y, leaf, relevance)
    return found, cut(flow, "input", float(relevance.sum()), float(found.sum()), ())
