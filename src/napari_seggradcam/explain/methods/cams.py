"""The family of Grad-CAM, carried over to segmentation by the score S = Σ_M y_c.

All weigh the feature maps A_k of one network layer, of N positions, by something made of the
gradient G_k = dS/dA_k, and add them up to a signed map, whose positive part is the heatmap.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from ..options import check_count, check_known
from ..regions.region import Box, seen_from
from .gradient import NO_PATH, LayerGradient, blocks, sum_positions
from .weighting import GradientMethod, LayerShape, MapWeights, PositionWeights, Totals

# By number of spatial axes.
_MEANS = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
_LARGEST = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)

# A channel whose values cancel out to this share of their size has no mean to divide by.
_CANCELLED = 1e-6


@dataclass(frozen=True)
class SegGradCam(GradientMethod):
    """Seg-Grad-CAM: α_k = 1/N Σ G_k, and the signed map is Σ_k α_k A_k.

    Parameters
    ----------
    weights
        ``"signed"``: α_k, as published; ``"absolute"``: |α_k|; ``"positive"``: max(α_k, 0). The
        latter two are options of the authors' code (``abs_w`` and ``posit_w``).

    References
    ----------
    K. Vinogradova, A. Dibrov, G. Myers: Towards Interpretable Semantic Segmentation via
    Gradient-Weighted Class Activation Mapping. AAAI-20 student abstract, 2020.
    """

    name = "seg-grad-cam"
    needs_gradient = False
    weights: Literal["signed", "absolute", "positive"] = "signed"

    def __post_init__(self) -> None:
        check_known("weights", self.weights, ("signed", "absolute", "positive"))

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """α_k, |α_k| or max(α_k, 0)."""
        alpha, empty = gradient.means(shape.channels, shape.positions, shape.dtype)
        if self.weights == "absolute":
            alpha = alpha.abs()
        elif self.weights == "positive":
            alpha = alpha.clamp(min=0)
        return MapWeights(alpha, empty)


@dataclass(frozen=True)
class SegHiResGradCam(GradientMethod):
    """Seg-HiRes-Grad-CAM: the signed map is Σ_k G_k A_k, position by position.

    It is HiResCAM with the score S: nothing is averaged, so that a position without influence on
    S gets nothing.

    References
    ----------
    T. Rheude et al.: Leveraging CAM Algorithms for Explaining Medical Semantic Segmentation. MELBA
    2024:023. R. L. Draelos, L. Carin: Use HiResCAM instead of Grad-CAM. arXiv:2011.08891.
    """

    name = "seg-hires-grad-cam"

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights | PositionWeights:
        """G_k."""
        patch = gradient.patch
        if patch is None or gradient.is_zero:
            return _no_weights(shape)
        return PositionWeights(patch.box, patch.within, gradient.total / shape.positions)


@dataclass(frozen=True)
class SegXResCam(GradientMethod):
    """Seg-XRes-CAM: as Seg-HiRes-Grad-CAM, with G_k pooled over windows first.

    A window of one position is Seg-HiRes-Grad-CAM; a window as large as the map, with the mean, is
    Seg-Grad-CAM.

    Parameters
    ----------
    window
        Positions of a window along every spatial axis. The last ones may be smaller.
    pool
        ``"mean"`` or ``"max"`` of a window.

    References
    ----------
    S. N. Hasany, C. Petitjean, F. Mériaudeau: Seg-XRes-CAM: Explaining Spatially Local Regions in
    Image Segmentation. CVPR Workshops 2023.
    """

    name = "seg-xres-cam"
    window: int = 4
    pool: Literal["mean", "max"] = "mean"

    def __post_init__(self) -> None:
        check_count("window", self.window)
        check_known("pool", self.pool, ("mean", "max"))

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights | PositionWeights:
        """G_k pooled over windows, each value spread over its window."""
        patch = gradient.patch
        if patch is None or gradient.is_zero:
            return _no_weights(shape)
        windows = [min(self.window, size) for size in shape.spatial]
        box = tuple(
            slice(side.start // n * n, min(size, -(-side.stop // n) * n))
            for side, n, size in zip(patch.box, windows, shape.spatial, strict=True)
        )
        pooled = self._pool(patch.around(box), windows)
        total = pooled.double()
        for axis, (side, n) in enumerate(zip(box, windows, strict=True), start=2):
            total *= _along(axis, _counts(side, n), total.ndim).to(total)
        alpha = total.flatten(2).sum(2)[0].cpu() / shape.positions
        first = [side.start for side in box]
        return PositionWeights(
            box, lambda part: _spread(pooled, windows, seen_from(part, first)), alpha
        )

    def _pool(self, values: torch.Tensor, windows: list[int]) -> torch.Tensor:
        """One value per window; windows at the end may lack positions, which do not count."""
        pools = _MEANS if self.pool == "mean" else _LARGEST
        return pools[values.ndim - 3](values, windows, ceil_mode=True)


@dataclass(frozen=True)
class LayerCam(GradientMethod):
    """LayerCAM: the signed map is Σ_k max(G_k, 0) A_k, position by position.

    References
    ----------
    P.-T. Jiang et al.: LayerCAM: Exploring Hierarchical Class Activation Maps for Localization.
    IEEE Transactions on Image Processing 30, 2021.
    """

    name = "layer-cam"

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights | PositionWeights:
        """max(G_k, 0)."""
        patch = gradient.patch
        if patch is None or gradient.is_zero:
            return _no_weights(shape)
        # Sums of sizes do not tell it: gradients of crops that overlap may cancel.
        positive = torch.zeros_like(gradient.total)
        for part in blocks(patch.values):
            positive += sum_positions(part.clamp(min=0))[0]
        return PositionWeights(
            patch.box, lambda part: patch.within(part).clamp(min=0), positive / shape.positions
        )


@dataclass(frozen=True)
class XGradCam(GradientMethod):
    """XGrad-CAM: w_k = Σ G_k A_k / Σ A_k, so that the signed map adds up to Σ_k Σ G_k A_k.

    A channel whose values cancel out has no weight: before an activation, A_k may have any sign,
    and the quotient says little there.

    References
    ----------
    R. Fu et al.: Axiom-based Grad-CAM. BMVC 2020.
    """

    name = "xgrad-cam"
    needs_totals = True

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """Σ G_k A_k / Σ A_k."""
        if gradient.is_zero or totals is None:
            return _no_weights(shape)
        there = totals.maps.abs() > _CANCELLED * totals.sizes
        quotient = totals.products / totals.maps.where(there, torch.ones_like(totals.maps))
        return MapWeights(quotient.where(there, torch.zeros_like(quotient)))


@dataclass(frozen=True)
class GradCamPlusPlus(GradientMethod):
    """Grad-CAM++: w_k = Σ a_k max(G_k, 0), a_k = G_k² / (2 G_k² + Σ A_k · G_k³), 0 where G_k is 0.

    Equation 19 of the paper, which takes S to be passed through an exponential.

    References
    ----------
    A. Chattopadhay et al.: Grad-CAM++: Improved Visual Explanations for Deep Convolutional
    Networks. WACV 2018.
    """

    name = "grad-cam++"
    needs_totals = True

    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights:
        """Σ a_k max(G_k, 0)."""
        if gradient.patch is None or totals is None or gradient.is_zero:
            return _no_weights(shape)
        weights = torch.zeros_like(totals.maps)
        cancels = bool((totals.maps < 0).any())  # then what is divided by may come near zero
        dtype = torch.float64 if cancels else shape.answer_dtype
        sums = totals.maps.to(dtype).view(-1, *(1 for _ in shape.spatial))
        for part in blocks(gradient.patch.values.cpu()):
            # Negative gradients do not count, and of others the square can be cancelled in a_k.
            values = part[0].to(dtype).clamp(min=0)
            below = sums * values
            below += 2
            values /= below
            if cancels:
                values.masked_fill_(below == 0, 0)
            weights += values.flatten(1).sum(1)
        return MapWeights(weights)


def _counts(side: slice, window: int) -> torch.Tensor:
    """Positions of every window along one axis of a box that begins with a window."""
    rest = torch.arange(side.stop - side.start, 0, -window)
    return rest.clamp(max=window)


def _spread(pooled: torch.Tensor, windows: list[int], part: Box) -> torch.Tensor:
    """Values of windows at the positions of a part of the windows' box."""
    # Channels last, as the processor keeps feature maps of images.
    values = pooled.movedim(1, -1)
    for axis, (side, n) in enumerate(zip(part, windows, strict=True), start=1):
        positions = torch.arange(side.start, side.stop, device=values.device)
        values = values.index_select(axis, positions // n)
    return values.movedim(-1, 1)


def _along(axis: int, values: torch.Tensor, ndim: int) -> torch.Tensor:
    """Values along one of many axes."""
    return values.view([-1 if other == axis else 1 for other in range(ndim)])


def _no_weights(shape: LayerShape) -> MapWeights:
    return MapWeights(torch.zeros(shape.channels, dtype=torch.float64), NO_PATH)
