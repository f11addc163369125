"""Answers of methods that run the network themselves, on the grid of the whole."""

import math
import time
from dataclasses import replace

import numpy as np
import torch

from ..networks.layers import NetworkLayer
from .ground import Ground
from .jobs import Found
from .methods.answering import LayerAnswer
from .methods.attributing import Attribution, AttributionMethod
from .questions import Question
from .reach import layer_shapes


def attribute(ground: Ground, question: Question) -> Found:
    """Ask a method that runs the network itself.

    Parameters
    ----------
    ground
        What it runs on.
    question
        What is asked.
    """
    assert isinstance(question.method, AttributionMethod)
    started = time.perf_counter()
    found = question.method.answer(ground)
    computed = {
        "on": ground.in_words(),
        "seconds_to_maps": round(time.perf_counter() - started, 4),
        "method": {name: one.facts for name, one in found.items() if one.facts},
    }
    layers = {layer.name: _placed(ground, layer, found[layer.name]) for layer in question.layers}
    answers = {name: _answer(ground, layer, found[name]) for name, layer in layers.items()}
    logits = ground.view.activations.logits
    total = float(question.score(logits, ground.target, ground.region))
    return Found(answers, {}, ground.target, total, ground.region, computed, layers, ground.seen)


def _placed(ground: Ground, layer: NetworkLayer, one: Attribution) -> NetworkLayer:
    """The network layer as its map lies on the padded input."""
    if one.scale is None or one.translate is None:
        return layer
    starts = (side.start for side in ground.window)
    offset = tuple(t + start for t, start in zip(one.translate, starts, strict=True))
    return replace(layer, stride=one.scale, offset=offset)


def _answer(ground: Ground, layer: NetworkLayer, one: Attribution) -> LayerAnswer:
    """The signed map on the whole; outside of what matters to M it is zero."""
    dtype = np.float64 if ground.score.tensor.dtype == torch.float64 else np.float32
    part = one.values.sum(0, dtype=np.float64).astype(dtype)
    totals = one.values.sum(tuple(range(1, one.values.ndim)), dtype=np.float64)
    if one.scale is not None or ground.is_whole:
        return LayerAnswer(part, (totals / part.size).astype(dtype), one.empty)
    shape = ground.shape
    if layer.module is not None or layer.argument is not None:
        shape = layer_shapes(ground.score.network, [layer], shape)[layer.name]
    signed = np.zeros(shape, part.dtype)
    signed[ground.placed(one.values, layer)] = part
    return LayerAnswer(signed, (totals / math.prod(shape)).astype(dtype), one.empty)
