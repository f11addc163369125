"""Which tensor of a network's output is the logits, and where its pixels lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..errors import NetworkError
from .sizes import AxisRule

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_USUAL_KEYS = ("out", "logits")


def select_output(output: Any, ndim: int) -> torch.Tensor:
    """Logits among what a module returned.

    Parameters
    ----------
    output
        A tensor, or dicts, tuples and lists of tensors, nested as deeply as they like. Keys
        ``"out"`` and ``"logits"`` come first; then the first of the tensors with the largest
        spatial size, which with deep supervision is the final one.
    ndim
        Number of spatial axes.

    Returns
    -------
    torch.Tensor
        Of shape (batch, rows, *spatial); a missing channel axis counts as one row.

    Raises
    ------
    NetworkError
        If no tensor of floating point numbers has the spatial axes.
    """
    maps = [
        t
        for t in _ordered_tensors(output)
        if t.ndim in (ndim + 1, ndim + 2) and t.is_floating_point()
    ]
    if not maps:
        raise NetworkError(
            f"The network returned {_describe(output)}; expected logits with the axes (batch, "
            f"class, {ndim} spatial axes), alone or in a dict, tuple or list."
        )
    logits = max(maps, key=lambda t: t.shape[-ndim:].numel())  # max keeps the first of equals
    return logits if logits.ndim == ndim + 2 else logits.unsqueeze(1)


def _ordered_tensors(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    if hasattr(output, "items"):
        for key in _USUAL_KEYS:
            if isinstance(output.get(key), torch.Tensor):
                return [output[key]]
        output = [value for _, value in output.items()]
    if isinstance(output, tuple | list):
        return [tensor for item in output for tensor in _ordered_tensors(item)]
    return []


def _describe(output: Any) -> str:
    if isinstance(output, torch.Tensor):
        return f"a tensor of shape {tuple(output.shape)} and type {output.dtype}"
    return f"a {type(output).__name__} without such a tensor"


@dataclass(frozen=True)
class MapGrid:
    """Where the positions of a map lie on the image.

    Attributes
    ----------
    shape
        Number of positions per spatial axis.
    scale
        Image pixels from one position to the next.
    translate
        Image pixel (its centre is the whole number) on which position 0 lies.
    """

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]


def output_grid(
    sizes: tuple[int, ...], before: tuple[int, ...], rules: tuple[AxisRule, ...]
) -> MapGrid:
    """Where the positions of the logits of a padded input lie on the image.

    Parameters
    ----------
    sizes
        Spatial shape of the padded input.
    before
        Pixels of it that lie before the image, per spatial axis.
    rules
        Of the network, per spatial axis.
    """
    shape = tuple(
        (size - rule.margin) // rule.output_stride for size, rule in zip(sizes, rules, strict=True)
    )
    scale = tuple(float(rule.output_stride) for rule in rules)
    translate = tuple(
        ((size - 1) - (n - 1) * step) / 2 - lead
        for size, n, step, lead in zip(sizes, shape, scale, before, strict=True)
    )
    return MapGrid(shape, scale, translate)


def on_grid(
    logits: torch.Tensor,
    grid: MapGrid,
    window: tuple[slice, ...],
    first: tuple[int, ...] | None = None,
) -> NDArray[np.float32]:
    """Logits on the image's grid.

    Parameters
    ----------
    logits
        Of shape (1, rows, *output), float32: all of them, or a box that has those of the window
        and, where the output is strided, one more around them.
    grid
        Where they lie on the image.
    window
        Part of the image, per spatial axis.
    first
        Index of the first output of the box; None: 0.

    Returns
    -------
    ndarray of float32, shape (rows, *window)
    """
    if any(scale != 1 for scale in grid.scale):
        size = [n * int(s) for n, s in zip(logits.shape[2:], grid.scale, strict=True)]
        logits = functional.interpolate(logits, size, mode=_LINEAR[len(window)])
    # Position 0 of the enlarged logits lies half a cell before that of the small ones.
    start = [
        round(at * scale - (scale - 1) / 2 + translate)
        for at, scale, translate in zip(
            first or (0,) * len(window), grid.scale, grid.translate, strict=True
        )
    ]
    inner = tuple(slice(w.start - a, w.stop - a) for w, a in zip(window, start, strict=True))
    rows: NDArray[np.float32] = logits[0].cpu().numpy()[:, *inner]
    return rows
