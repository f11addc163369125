"""Ablation-CAM: weights from switching off one feature map after another.

With S_k the score when feature map A_k of a network layer is zero everywhere,

    w_k = (S - S_k) ÷ |S|,

and the signed map is Σ_k w_k A_k. The publication divides by S, which turns every sign where S is
negative; so a positive weight says here, too, that S loses without the map. Where S is zero but for
rounding there is nothing to divide by, and there are no weights.

References
----------
S. Desai, H. G. Ramaswamy: Ablation-CAM: Visual Explanations for Deep Convolutional Network via
Gradient-free Localization. WACV 2020.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...networks.layers import NetworkLayer
from ..ground import Ground
from ..input_score import InputScore
from ..methods.preparing import GivenWeights, PreparedMethod
from ..methods.weighting import GradientMethod, MapWeights
from .substitute import score_with

NO_EFFECT = (
    "Switching off feature maps of this network layer changes nothing: the score does not depend "
    "on them one by one."
)
SCORE_IS_ZERO = (
    "The score is zero, so that there is no share of it that a feature map could make up. Ask "
    "about another region or class, or with another score."
)
# Differences below this many times the precision of the numbers are what rounding leaves.
_ROUNDING = 16


@dataclass(frozen=True)
class LayerAblation:
    """What switching off the feature maps of a network layer does to the score.

    Attributes
    ----------
    weights
        w_k, float64, of shape (channels,); zero where there are none.
    losses
        S - S_k, of the same type and shape.
    score
        S.
    empty
        Why there are no weights, or None.
    """

    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    score: float
    empty: str | None


@dataclass(frozen=True)
class AblationCam(PreparedMethod):
    """Ablation-CAM: the signed map is Σ_k w_k A_k, with w_k = (S - S_k) ÷ |S|."""

    name = "ablation-cam"

    def prepare(self, ground: Ground) -> GradientMethod:
        """Switch off one feature map after another, of every network layer that is asked about."""
        found = {layer.name: ablation_weights(ground.score, layer) for layer in ground.layers}
        return GivenWeights(
            {
                name: MapWeights(torch.from_numpy(one.weights), one.empty)
                for name, one in found.items()
            }
        )


def ablation_weights(score: InputScore, layer: NetworkLayer) -> LayerAblation:
    """Weights of the feature maps of one network layer; one run of the network each.

    Parameters
    ----------
    score
        Of an input that has all that M sees; progress counts runs.
    layer
        The network layer; of a skip, the join alone gets zeros, not the levels below.

    Raises
    ------
    LayerError
        If the network does not run through the network layer.
    NetworkError
        If the network fails.
    Cancelled
        If the caller wants to stop.
    """
    ones = (1,) * score.network.ndim
    score.expect(1 + layer.channels, layer.name)
    off = torch.eye(layer.channels, dtype=torch.bool, device=score.tensor.device)
    parts = []
    with torch.no_grad():
        # Substituted by themselves, so that what does not matter gives exactly the same.
        whole = float(score_with(score, score.tensor, layer, torch.clone))
        for some in torch.split(off, score.batch):

            def replace(maps: torch.Tensor, some: torch.Tensor = some) -> torch.Tensor:
                return maps.masked_fill(some.view(*some.shape, *ones), 0)

            inputs = score.tensor.expand(len(some), *score.tensor.shape[1:])
            parts.append(score_with(score, inputs, layer, replace).cpu().double())
    losses = whole - torch.cat(parts).numpy()
    weights, empty = _weights(losses, whole, torch.finfo(score.tensor.dtype).eps)
    return LayerAblation(weights, losses, whole, empty)


def _weights(
    losses: NDArray[np.float64], whole: float, precision: float
) -> tuple[NDArray[np.float64], str | None]:
    """w_k, and why they are zero, or None."""
    size = float(np.abs(losses).max())
    if size <= _ROUNDING * precision * abs(whole):
        return np.zeros_like(losses), NO_EFFECT
    if abs(whole) <= _ROUNDING * precision * size:
        return np.zeros_like(losses), SCORE_IS_ZERO
    return losses / abs(whole), None
