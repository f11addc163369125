"""Norms as scales and shifts, with their statistics held fixed.

A batch norm in evaluation is x · a + b by itself. Of the others, mean and variance come from the
maps; for relevance they count as the numbers that they are on this image, as the variance does in
A. Ali et al.: XAI for Transformers: Better Explanations through Conservative Propagation, ICML
2022. What the mean has subtracted is then part of the constant b.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Affine = tuple[torch.Tensor, torch.Tensor]


def batch_norm(x: torch.Tensor, given: dict[str, Any]) -> Affine:
    """Scale and shift of `torch.nn.functional.batch_norm`."""
    over = [axis for axis in range(x.ndim) if axis != 1]
    own = given.get("training", False) or given.get("running_mean") is None
    return _per_channel(x, given, over, own)


def instance_norm(x: torch.Tensor, given: dict[str, Any]) -> Affine:
    """Scale and shift of `torch.nn.functional.instance_norm`."""
    own = given.get("use_input_stats", True) or given.get("running_mean") is None
    return _per_channel(x, given, list(range(2, x.ndim)), own)


def group_norm(x: torch.Tensor, given: dict[str, Any]) -> Affine:
    """Scale and shift of `torch.nn.functional.group_norm`."""
    groups = given["num_groups"]
    parts = x.reshape(x.shape[0], groups, -1)
    variance, mean = torch.var_mean(parts, 2, correction=0, keepdim=True)
    shape = (x.shape[0], x.shape[1], *[1] * (x.ndim - 2))
    each = (-1, -1, x.shape[1] // groups)
    mean, variance = mean.expand(each).reshape(shape), variance.expand(each).reshape(shape)
    return _affine(mean, variance, given, _along_channels(x.ndim))


def layer_norm(x: torch.Tensor, given: dict[str, Any]) -> Affine:
    """Scale and shift of `torch.nn.functional.layer_norm`."""
    over = [-1 - axis for axis in range(len(given["normalized_shape"]))]
    variance, mean = torch.var_mean(x, over, correction=0, keepdim=True)
    return _affine(mean, variance, given, lambda weight: weight)


NORMS: dict[str, tuple[str, Callable[[torch.Tensor, dict[str, Any]], Affine]]] = {
    "batch_norm": ("running_mean running_var weight bias training momentum eps", batch_norm),
    "group_norm": ("num_groups weight bias eps", group_norm),
    "instance_norm": (
        "running_mean running_var weight bias use_input_stats momentum eps",
        instance_norm,
    ),
    "layer_norm": ("normalized_shape weight bias eps", layer_norm),
}
"""By name of the function: names of its arguments after the input, and what it does."""


def _per_channel(x: torch.Tensor, given: dict[str, Any], over: Sequence[int], own: bool) -> Affine:
    along = _along_channels(x.ndim)
    if own:
        variance, mean = torch.var_mean(x, list(over), correction=0, keepdim=True)
    else:
        mean, variance = along(given["running_mean"]), along(given["running_var"])
    return _affine(mean, variance, given, along)


def _along_channels(ndim: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor.view(1, -1, *[1] * (ndim - 2))


def _affine(
    mean: torch.Tensor,
    variance: torch.Tensor,
    given: dict[str, Any],
    along: Callable[[torch.Tensor], torch.Tensor],
) -> Affine:
    scale = (variance + given.get("eps", 1e-5)).rsqrt()
    if given.get("weight") is not None:
        scale = scale * along(given["weight"])
    shift = -mean * scale
    if given.get("bias") is not None:
        shift = shift + along(given["bias"])
    return scale, shift
