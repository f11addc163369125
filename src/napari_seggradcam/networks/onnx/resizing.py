"""The operation ``Resize``: all that torch can do exactly, and nothing that it can't.

ONNX knows many rules for which input position an output position comes from. Where one of torch's
own modes has the same rule it is used; nearest and linear interpolation by other rules are put
together from indices.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ...errors import NetworkFileError

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}

_Coordinates = Callable[[NDArray[np.float64], int, int, float], NDArray[np.float64]]
# Input position of output positions x, given both lengths and the scale.
_COORDINATES: dict[str, _Coordinates] = {
    "asymmetric": lambda x, old, new, scale: x / scale,
    "half_pixel": lambda x, old, new, scale: (x + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda x, old, new, scale: (
        (x + 0.5) / scale - 0.5 if new > 1 else np.zeros_like(x)
    ),
    "align_corners": lambda x, old, new, scale: x * (old - 1) / max(new - 1, 1),
    "half_pixel_symmetric": lambda x, old, new, scale: (
        old / 2 * (1 - new / (scale * old)) + (x + 0.5) / scale - 0.5
    ),
}
_ROUNDING: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


@dataclass(frozen=True)
class Rule:
    """How values are interpolated.

    Attributes
    ----------
    mode
        ``"nearest"``, ``"linear"`` or ``"cubic"``.
    coordinates
        Which rule for input positions.
    rounding
        Of these, for ``"nearest"``.
    axes
        Axes that scales and sizes are for; None: all.
    """

    mode: str
    coordinates: str
    rounding: str
    axes: tuple[int, ...] | None

    @classmethod
    def of(cls, attributes: dict[str, Any]) -> "Rule":
        """From a node's attributes.

        Raises
        ------
        NetworkFileError
            If torch has nothing that does the same.
        """
        axes = attributes.get("axes")
        rule = cls(
            attributes.get("mode", "nearest"),
            attributes.get("coordinate_transformation_mode", "half_pixel"),
            attributes.get("nearest_mode", "round_prefer_floor"),
            None if axes is None else tuple(axes),
        )
        smooth = ("half_pixel", "pytorch_half_pixel", "align_corners")
        odd = (
            attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch"
            or attributes.get("antialias")
            or (rule.mode == "cubic" and rule.coordinates not in smooth)
            or (rule.mode == "cubic" and attributes.get("exclude_outside"))
            or (rule.mode == "cubic" and attributes.get("cubic_coeff_a", -0.75) != -0.75)
        )
        known = rule.mode in ("nearest", "linear", "cubic") and rule.coordinates in _COORDINATES
        if odd or not known:
            raise NetworkFileError(
                f"The ONNX graph resizes maps in a way that torch can't: mode {rule.mode!r}, "
                f"coordinates {rule.coordinates!r}. Export it with bilinear or nearest upsampling."
            )
        return rule


class Upsampling(nn.Module):
    """Enlarges maps, or makes them smaller.

    Parameters
    ----------
    rule
        How.
    """

    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule

    def forward(
        self,
        x: torch.Tensor,
        scales: Sequence[float] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Maps of other sizes.

        Parameters
        ----------
        x
            Of shape (batch, channels, *spatial).
        scales, sizes
            Factor or new length, of all axes or those of the rule; one of both.
        """
        old = tuple(x.shape[2:])
        factors: list[float] | None = None
        if sizes is None:
            factors = self._spatial(scales or [], x.ndim, 1.0)
            new = [math.floor(n * f) for n, f in zip(old, factors, strict=True)]
        else:
            new = self._spatial(sizes, x.ndim, -1)
            new = [o if n == -1 else n for n, o in zip(new, old, strict=True)]
        exact = factors or [n / o for n, o in zip(new, old, strict=True)]
        # The factors say more than the sizes: rounded sizes have others.
        size: dict[str, Any] = {"size": new} if factors is None else {"scale_factor": factors}
        return self._interpolate(x, old, new, exact, size)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"mode={self.rule.mode!r}, coordinates={self.rule.coordinates!r}"

    def _spatial(self, values: Sequence[Any], ndim: int, neutral: Any) -> list[Any]:
        axes = range(ndim) if self.rule.axes is None else self.rule.axes
        along = dict(zip((axis % ndim for axis in axes), values, strict=True))
        if any(along.get(axis, neutral) not in (neutral, 1) for axis in (0, 1) if neutral == 1.0):
            raise ValueError("torch can't resize batch and channels")
        return [along.get(axis, neutral) for axis in range(2, ndim)]

    def _interpolate(
        self,
        x: torch.Tensor,
        old: Sequence[int],
        new: Sequence[int],
        exact: Sequence[float],
        size: dict[str, Any],
    ) -> torch.Tensor:
        rule, ndim = self.rule, len(old)
        places = [
            _COORDINATES[rule.coordinates](np.arange(n, dtype=np.float64), o, n, f)
            for o, n, f in zip(old, new, exact, strict=True)
        ]
        if rule.mode == "nearest":
            return _nearest(x, [_ROUNDING[rule.rounding](p) for p in places], exact, size)
        corners = rule.coordinates == "align_corners"
        own = corners or rule.coordinates == "half_pixel"
        # With one output position the two rules of half pixels differ.
        own |= rule.coordinates == "pytorch_half_pixel" and min(new) > 1
        if rule.mode == "cubic" or own:
            mode = "bicubic" if rule.mode == "cubic" else _LINEAR[ndim]
            size = {"size": list(new)} if corners else size
            return functional.interpolate(x, **size, mode=mode, align_corners=corners)
        return _linear(x, places)


def _nearest(
    x: torch.Tensor,
    places: Sequence[NDArray[np.float64]],
    exact: Sequence[float],
    size: dict[str, Any],
) -> torch.Tensor:
    wanted = [np.clip(p, 0, n - 1) for p, n in zip(places, x.shape[2:], strict=True)]
    usual = [
        np.minimum(np.floor(np.arange(len(p)) / f), n - 1)
        for p, f, n in zip(places, exact, x.shape[2:], strict=True)
    ]
    if all(np.array_equal(a, b) for a, b in zip(wanted, usual, strict=True)):
        return functional.interpolate(x, **size, mode="nearest")
    for axis, index in enumerate(wanted, 2):
        x = x.index_select(axis, torch.tensor(index.astype(np.int64), device=x.device))
    return x


def _linear(x: torch.Tensor, places: Sequence[NDArray[np.float64]]) -> torch.Tensor:
    for axis, place in enumerate(places, 2):
        last = x.shape[axis] - 1
        place = np.clip(place, 0, last)
        below = np.floor(place).astype(np.int64)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        part = torch.tensor(place - below, dtype=x.dtype, device=x.device).reshape(shape)
        low, high = (
            x.index_select(axis, torch.tensor(index, device=x.device))
            for index in (below, np.minimum(below + 1, last))
        )
        x = low + (high - low) * part
    return x
