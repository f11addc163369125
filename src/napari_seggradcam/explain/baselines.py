"""Maps that know nothing of the network's reasons, to see whether an explanation knows more.

A heatmap that resembles one of these has said little: random weights show what the feature maps
alone look like, the mean activation where the network is active for whatever reason, edges what the
image alone looks like, and the class map what was predicted.

References
----------
J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim: Sanity Checks for Saliency Maps.
NeurIPS 2018.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.layers import INPUT
from .ground import Ground
from .methods.attributing import Attribution, AttributionMethod
from .methods.gradient import LayerGradient
from .methods.weighting import GradientMethod, LayerShape, MapWeights, Totals
from .options import check_count, check_known
from .scores import LOGIT, PROBABILITY, Score


@dataclass(frozen=True)
class RandomWeights(GradientMethod):
    """Random weights: a random direction, the same for every image, region and class.

    Parameters
    ----------
    seed
        The direction depends on it and on the network layer's name.
    """

    name = "random-weights"
    needs_gradient = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("seed", self.seed, least=0)

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """Normal numbers, divided by their length."""
        generator = np.random.default_rng([self.seed, zlib.crc32(shape.name.encode())])
        weights = generator.standard_normal(shape.channels)
        return MapWeights(torch.from_numpy(weights / np.linalg.norm(weights)))


@dataclass(frozen=True)
class MeanActivation(GradientMethod):
    """Mean activation: every weight is 1/C, and the signed map 1/C · Σ_k A_k."""

    name = "mean-activation"
    needs_gradient = False

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """1/C."""
        return MapWeights(torch.full((shape.channels,), 1 / shape.channels, dtype=torch.float64))


@dataclass(frozen=True)
class SobelEdges(AttributionMethod):
    """Strength of the edges of the image as the network sees it, √(Σ_channels sobel²)."""

    name = "sobel"
    nothing_positive = "The image is the same everywhere, as the network sees it: it has no edges."
    sees_all = True

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Edges at every pixel of the input."""
        edges = sobel_edges(ground.score.tensor[0].cpu().numpy())
        return {INPUT: Attribution(edges[None])}


@dataclass(frozen=True)
class PredictionMap(AttributionMethod):
    """What the network puts out for the class, at every pixel of its output.

    Parameters
    ----------
    values
        ``"logit"`` y_c, or ``"probability"`` p_c.
    """

    name = "prediction"
    nothing_positive = (
        "What the network puts out for the class is nowhere above zero. Look at the signed map."
    )
    sees_all = True
    values: Literal["logit", "probability"] = "logit"

    def __post_init__(self) -> None:
        check_known("values", self.values, (LOGIT, PROBABILITY))

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Logits or probabilities on the output's grid."""
        score = Score.of(ground.score.network, self.values)
        logits = ground.view.activations.logits
        values = score.at_pixels(logits, ground.target)
        grid, before = ground.view.grid, ground.view.prepared.before
        translate = tuple(t + lead for t, lead in zip(grid.translate, before, strict=True))
        found = Attribution(values.cpu().numpy(), scale=grid.scale, translate=translate)
        return {INPUT: found}


def sobel_edges(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Strength of edges, √(Σ_channels sobel²), of shape spatial.

    Parameters
    ----------
    values
        Image of shape (channels, *spatial), such as the network's normalised input, whose channels
        are of one scale.

    See Also
    --------
    napari_seggradcam.explain.comparison.echoes.image_gradients : of the brightness that people
        see in the raw image.
    """
    from skimage.filters import sobel

    edges = [sobel(channel.astype(np.float64)) for channel in values]
    return np.asarray(np.sqrt(np.sum(np.square(edges), axis=0)))
