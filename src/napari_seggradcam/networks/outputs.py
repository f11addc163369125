"""Which tensor of a network's output is the logits, and where its pixels lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..errors import NetworkError, OptionError
from .sizes import AxisRule

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_USUAL_NAMES = ("out", "logits")


def select_output(output: Any, ndim: int, wanted: str | None = None) -> torch.Tensor:
    """Logits among what a module returned.

    Parameters
    ----------
    output
        A tensor, or dicts, tuples and lists of tensors, nested as deeply as they like.
    ndim
        Number of spatial axes.
    wanted
        Name as in `maps_in`. None: keys ``"out"`` and ``"logits"`` come first; then the first of
        the tensors with the largest spatial size, which with deep supervision is the final one.

    Returns
    -------
    torch.Tensor
        Of shape (batch, rows, *spatial); a missing channel axis counts as one row.

    Raises
    ------
    NetworkError
        If no tensor of floating point numbers has the spatial axes.
    OptionError
        If there is none of the wanted name.
    """
    maps = maps_in(output, ndim)
    if not maps:
        raise NetworkError(
            f"The network returned {_describe(output)}; expected logits with the axes (batch, "
            f"class, {ndim} spatial axes), alone or in a dict, tuple or list."
        )
    if wanted is not None and wanted not in maps:
        raise OptionError(
            f"The network has no output {wanted!r}; expected one of {', '.join(map(repr, maps))}."
        )
    usual = next((name for name in _USUAL_NAMES if name in maps), None)
    name = wanted or usual
    # max keeps the first of equals
    logits = maps[name] if name else max(maps.values(), key=lambda t: t.shape[-ndim:].numel())
    return logits if logits.ndim == ndim + 2 else logits.unsqueeze(1)


def maps_in(output: Any, ndim: int) -> dict[str, torch.Tensor]:
    """Tensors that may be logits among what a module returned, by name.

    Names are those of Python: ``"out"`` for a key of the outermost dict, ``"[1]"`` for a place in
    a tuple or list, ``"[0]['a']"`` for what lies deeper; ``""`` where a tensor was returned alone.
    """
    return {
        name: tensor
        for name, tensor in _named_tensors(output, "")
        if tensor.ndim in (ndim + 1, ndim + 2) and tensor.is_floating_point()
    }


def _named_tensors(output: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(output, torch.Tensor):
        yield name, output
    elif hasattr(output, "items"):
        for key, value in output.items():
            yield from _named_tensors(value, f"{name}[{key!r}]" if name else str(key))
    elif isinstance(output, tuple | list):
        for number, value in enumerate(output):
            yield from _named_tensors(value, f"{name}[{number}]")


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
