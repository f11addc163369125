"""Prediction over windows as nnU-Net's predictor goes, written down independently."""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn


def steps_of_nnunet(image: int, tile: int) -> list[int]:
    """nnU-Net's compute_steps_for_sliding_window for one axis and a step of 0.5."""
    number = int(np.ceil((image - tile) / (tile * 0.5))) + 1
    step = (image - tile) / (number - 1) if number > 1 else 99999999999
    return [int(np.round(step * i)) for i in range(number)]


def weights_of_nnunet(patch: tuple[int, ...]) -> NDArray[np.float64]:
    """nnU-Net's compute_gaussian."""
    weights = np.zeros(patch)
    weights[tuple(n // 2 for n in patch)] = 1
    weights = gaussian_filter(weights, [n / 8 for n in patch], 0, mode="constant", cval=0)
    weights /= weights.max()
    weights[weights == 0] = weights[weights > 0].min()
    return weights


def average_of_windows(
    module: nn.Module, values: NDArray[np.float32], patch: tuple[int, ...]
) -> NDArray[np.float64]:
    """Logits of an image (*spatial) of one channel that has room for a patch, in double."""
    weights, total, sums = weights_of_nnunet(patch), np.zeros(values.shape), 0
    for first in product(*map(steps_of_nnunet, values.shape, patch)):
        window = tuple(slice(f, f + p) for f, p in zip(first, patch, strict=True))
        with torch.no_grad():
            logits = module(torch.from_numpy(values[window])[None, None].float())[0]
        part = np.zeros((len(logits), *values.shape))
        part[:, *window] = weights * logits.double().numpy()
        sums = sums + part
        total[window] += weights
    return sums / total
