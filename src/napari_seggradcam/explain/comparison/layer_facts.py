"""What is known about one network layer's answer to a question."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerFacts:
    """What is known about one network layer's answer; NaN stands where there is no number.

    Attributes
    ----------
    name, role, level, channels
        Of the network layer.
    resolution
        Spatial shape of its map on the image.
    passes
        Σ G·A: the sum over channels and positions of dS/dA_k times A_k.
    share
        The same as a share of the score S.
    sparsity
        Gini index of the heatmap: 0 where it is the same everywhere, near 1 where one position has
        all heat.
    empty
        Why the heatmap is zero everywhere, or None.
    mask_echo
        Correlation (Pearson, as all here) of the heatmap with the predicted mask of the class.
    logit_echo
        Correlation of the signed map with the logits of the class.
    edge_echo
        Correlation of the heatmap with the image's Sobel gradient.
    blindness
        Correlation of the heatmap with that of another region, on their own grid.
    inside
        Share of the heat inside of M.
    recommended
        Whether the numbers speak for looking at this network layer.
    why
        The reasons, in words.
    """

    name: str
    role: str
    level: int
    channels: int
    resolution: tuple[int, ...]
    passes: float
    share: float
    sparsity: float
    empty: str | None
    mask_echo: float
    logit_echo: float
    edge_echo: float
    blindness: float
    inside: float
    recommended: bool = False
    why: str = ""
