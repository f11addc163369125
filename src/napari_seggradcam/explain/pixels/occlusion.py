"""Occlusion: what the score loses when a window of the image is replaced."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from ...errors import OptionError
from ..input_score import InputScore
from ..methods.attributing import Attribution
from ..neutral_inputs import check_kind, kind_in_words
from ..options import check_counts, one_per_axis
from .method import PixelMethod, attribution_of, load_captum


@dataclass(frozen=True)
class Occlusion(PixelMethod):
    """S(x) - S(x with a window replaced by x'), averaged over the windows that cover a pixel.

    A window is replaced in every channel at once, so that all channels get the same. No gradient
    is taken.

    Attributes
    ----------
    window
        Pixels of the window along every spatial axis, or one number an axis; cut to the image.
    stride
        Pixels from one window to the next, likewise; at most the window, so that every pixel is
        covered.
    baseline
        x': ``"zero"``, ``"mean"`` or ``"blur"``, or a tensor; see `neutral_input`.

    References
    ----------
    M. D. Zeiler, R. Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014.
    """

    name: ClassVar[str] = "occlusion"
    window: int | Sequence[int] = 16
    stride: int | Sequence[int] = 8
    baseline: Literal["zero", "mean", "blur"] | torch.Tensor = "zero"

    def __post_init__(self) -> None:
        check_kind(self.baseline, ("zero", "mean", "blur"))
        check_counts("window", self.window)
        check_counts("stride", self.stride)

    def attribute(self, score: InputScore) -> Attribution:
        """Mean loss of score over windows; see `PixelMethod.attribute`."""
        captum = load_captum(self.name)
        channels, *sizes = score.tensor.shape[1:]
        windows = one_per_axis("window", self.window, len(sizes))
        strides = one_per_axis("stride", self.stride, len(sizes))
        window = [min(w, n) for w, n in zip(windows, sizes, strict=True)]
        stride = [min(s, n) for s, n in zip(strides, sizes, strict=True)]
        if any(s > w for s, w in zip(stride, window, strict=True)):
            raise OptionError(
                f"The stride {stride} is larger than the window {window}, so that pixels between "
                "windows would never be replaced; expected at most the window."
            )
        places = [math.ceil((n - w) / s) + 1 for n, w, s in zip(sizes, window, stride, strict=True)]
        score.expect(1 + math.prod(places), self.name)
        values = captum.Occlusion(score).attribute(
            score.tensor,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=score.neutral(self.baseline),
            perturbations_per_eval=score.batch,
        )
        return attribution_of(
            values,
            window=window,
            stride=stride,
            windows=math.prod(places),
            baseline=kind_in_words(self.baseline),
        )
