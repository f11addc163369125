"""The loss: cross entropy plus soft Dice, with extra weight in narrow gaps between objects."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from .sources import IGNORE

_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class SegmentationLoss(nn.Module):
    """Weighted cross entropy + (1 - mean soft Dice of the classes that are there).

    Pixels labelled `IGNORE` count in neither.

    Parameters
    ----------
    class_weights
        Weight of each class in the cross entropy; None for equal ones.
    gap_weight
        Extra weight of pixels of class 0 in gaps between other classes, as in the U-Net paper.
    gap_width
        A gap is what a closing of that width fills.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015 (weights between touching objects).
    F. Milletari, N. Navab, S.-A. Ahmadi: V-Net. 3DV 2016 (soft Dice, with squared terms there).
    """

    class_weights: torch.Tensor | None

    def __init__(
        self, class_weights: Sequence[float] | None, gap_weight: float = 0.0, gap_width: int = 5
    ):
        super().__init__()
        weights = (
            None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        )
        self.register_buffer("class_weights", weights)
        self.gap_weight = gap_weight
        self.gap_width = gap_width | 1  # a centred window is odd

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of logits (B, classes, *spatial) for labels (B, *spatial)."""
        valid = labels != IGNORE
        pixels = functional.cross_entropy(
            logits, labels, self.class_weights, ignore_index=IGNORE, reduction="none"
        )
        weights = valid.float()
        if self.class_weights is not None:
            weights = weights * self.class_weights[labels.where(valid, 0)]
        if self.gap_weight:
            extra = 1 + self.gap_weight * narrow_gaps(labels, self.gap_width).float()
            pixels, weights = pixels * extra, weights * extra
        entropy = pixels.sum() / weights.sum().clamp_min(1e-6)
        return entropy + 1 - _mean_dice(logits, labels, valid)


def narrow_gaps(labels: torch.Tensor, width: int) -> torch.Tensor:
    """Background pixels that a closing of the foreground with a box of ``width`` fills.

    Parameters
    ----------
    labels
        (B, *spatial); class 0 is background.
    width
        Odd number of pixels.
    """
    pool, half = _POOL[labels.ndim - 1], width // 2
    foreground = ((labels != 0) & (labels != IGNORE)).float()[:, None]
    dilated = pool(foreground, width, stride=1, padding=half)
    # What lies outside of the image is background: its border is no other side of a gap.
    framed = functional.pad(dilated, (half,) * (2 * (labels.ndim - 1)))
    closed = -pool(-framed, width, stride=1)
    return (closed[:, 0] > 0) & (labels == 0)


def _mean_dice(logits: torch.Tensor, labels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Soft Dice over the batch, averaged over the classes that the labels hold."""
    classes = logits.shape[1]
    truth = functional.one_hot(labels.where(valid, 0), classes).movedim(-1, 1).float()
    truth = truth * valid[:, None]
    predicted = logits.softmax(1) * valid[:, None]
    axes = (0, *range(2, logits.ndim))
    present = truth.sum(axes) > 0
    dice = (2 * (truth * predicted).sum(axes) + 1) / (truth.sum(axes) + predicted.sum(axes) + 1)
    return dice[present].mean() if present.any() else dice.new_ones(())
