"""Which tensor of a network's output is the logits, and where its pixels lie."""

from dataclasses import dataclass
from typing import Any

import torch

from ..errors import NetworkError

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
