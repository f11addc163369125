"""Integrated gradients of a network layer: what its feature maps make of the score.

With the feature maps A of the image, the feature maps A' of a baseline input, and S(B) the score of
the image where the network goes on with the maps B,

    (A - A') · ∫₀¹ dS/dB (A' + t (A - A')) dt.

All else that the network computes is that of the image. So the sum over all positions and channels
is S(A) - S(A'), which is not S(x) - S(x') where tensors pass the network layer by, as the skips of
a U-Net do its bottleneck.

References
----------
M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks. ICML 2017; on feature
maps as captum's ``LayerIntegratedGradients``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from ...networks.layers import NetworkLayer
from ..completeness import Completeness
from ..ground import Ground
from ..input_score import InputScore, gradients_told
from ..methods.attributing import Attribution, AttributionMethod
from ..methods.gradient import NO_PATH
from ..neutral_inputs import check_kind, kind_in_words
from .substitute import maps_of, score_with


@dataclass(frozen=True)
class LayerIntegratedGradients(AttributionMethod):
    """Integrated gradients of a network layer.

    Attributes
    ----------
    baseline
        Input whose feature maps are A': ``"zero"``, ``"mean"`` or ``"blur"``, or a tensor; see
        `neutral_input`.
    tolerance
        How far the sum may be from complete: the share of the difference of the score that is
        missing or too much; see `Completeness`.
    most_steps
        Steps at most; they are doubled until the sum is complete.
    """

    name: ClassVar[str] = "layer-integrated-gradients"
    answers_input = False
    answers_layers = True
    baseline: Literal["zero", "mean", "blur"] | torch.Tensor = "zero"
    tolerance: float = 0.01
    most_steps: int = 1024

    def __post_init__(self) -> None:
        check_kind(self.baseline, ("zero", "mean", "blur"))
        Completeness(self.tolerance, self.most_steps)

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Attributions of every network layer that is asked about."""
        return {layer.name: self.attribute(ground.score, layer) for layer in ground.layers}

    def attribute(self, score: InputScore, layer: NetworkLayer) -> Attribution:
        """What every value of a network layer adds to the score; progress counts runs.

        Raises
        ------
        LayerError
            If the network does not run through the network layer.
        NetworkError
            If the network fails or gives no gradient.
        Cancelled
            If the caller wants to stop.
        """
        image = score.tensor
        baseline = score.neutral(self.baseline)
        ours, theirs = maps_of(score, image, layer), maps_of(score, baseline, layer)
        score.expect(2, layer.name)
        with torch.no_grad():
            at_image = float(score_with(score, image, layer, lambda _: ours.clone()))
            at_baseline = float(score_with(score, image, layer, lambda _: theirs.clone()))
        line = _Line(score, layer, theirs, ours)
        values, facts = Completeness(self.tolerance, self.most_steps).reach(
            line.integrate, at_baseline, at_image, lambda steps: score.expect(steps, layer.name)
        )
        facts["baseline"] = kind_in_words(self.baseline)
        empty = None if line.has_gradient else NO_PATH
        return Attribution(values[0].cpu().numpy(), empty, facts)


class _Line:
    """The straight line between two feature maps of a network layer."""

    def __init__(
        self, score: InputScore, layer: NetworkLayer, start: torch.Tensor, end: torch.Tensor
    ):
        self._score = score
        self._layer = layer
        dtype = torch.promote_types(start.dtype, torch.float32)
        self._start = start.to(dtype)
        self._way = end.to(dtype) - self._start
        self.has_gradient = False

    def integrate(self, steps: int) -> torch.Tensor:
        """Attributions (1, channels, *spatial), as a Gauss-Legendre sum of so many steps."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        places = torch.from_numpy((nodes + 1) / 2).to(self._way)
        shares = torch.from_numpy(weights / 2).to(self._way)
        ones = (1,) * (self._way.ndim - 1)
        total = torch.zeros_like(self._way)
        size = self._score.batch
        for some, their_shares in zip(
            torch.split(places, size), torch.split(shares, size), strict=True
        ):
            gradient = self._gradient(self._start + some.view(-1, *ones) * self._way)
            total += (gradient * their_shares.view(-1, *ones)).sum(0, keepdim=True)
        return total * self._way

    def _gradient(self, maps: torch.Tensor) -> torch.Tensor:
        """Gradient dS/dB at feature maps (batch, channels, *spatial)."""
        maps.requires_grad_()
        image = self._score.tensor
        inputs = image.expand(len(maps), *image.shape[1:])
        with gradients_told():
            # A copy, because what follows may change in place what it is given.
            scores = score_with(
                self._score, inputs, self._layer, lambda its: maps.to(its.dtype, copy=True)
            )
            if not scores.requires_grad:
                return torch.zeros_like(maps)
            (gradient,) = torch.autograd.grad(scores.sum(), maps, materialize_grads=True)
        self.has_gradient = self.has_gradient or bool(gradient.any())
        return gradient
