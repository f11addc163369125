"""How raw values are normalised, where a network file does not tell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Description = dict[str, Any] | None

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_MOST = 10**6


def choices(channels: int) -> list[tuple[str, str]]:
    """Text and name of every kind of normalisation for a number of channels."""
    offered = [
        ("Values as they are", "none"),
        ("Percentiles 1 to 99.8 to 0…1", "percentile"),
        ("Mean 0, standard deviation 1", "zero-mean-unit-variance"),
        ("0…255 to 0…1", "bytes"),
    ]
    return [*offered, ("ImageNet's colours", "imagenet")] if channels == 3 else offered


def description(kind: str, channels: int) -> Description:
    """JSON form of the normalisation that a name in `choices` stands for."""
    if kind == "none":
        return None
    if kind == "bytes":
        return {"kind": "mean-std", "mean": [0.0] * channels, "std": [255.0] * channels}
    if kind == "imagenet":
        numbers = {name: values[:channels] for name, values in _IMAGENET.items()}
        return {"kind": "mean-std", **numbers, "divide": 255.0}
    return {"kind": kind}


def preview(name: str, data: Any, kind: str) -> str:
    """Say what the values of an image become.

    Parameters
    ----------
    name : str
        Of the image layer.
    data : array
        Its values. Of a large image some are looked at, and all channels together: those in the
        middle where the others would have to be read or computed first.
    kind : str
        A name in `choices`.
    """
    from ..networks.normalisation import normalisation_from_dict

    values = np.asarray(data[_some_of(data)], np.float32).reshape(1, -1)
    normalisation = normalisation_from_dict(description(kind, 1))
    after = values if normalisation is None else normalisation(values)
    return (
        f"In {name}, {values.min():.4g} … {values.max():.4g} becomes"
        f" {after.min():.3g} … {after.max():.3g}."
    )


def _some_of(data: Any) -> tuple[slice, ...]:
    """Index of at most about a million values of an array."""
    share = max(1.0, (math.prod(data.shape) / _MOST) ** (1 / max(1, data.ndim)))
    if isinstance(data, np.ndarray):
        return tuple(slice(None, None, round(share)) for _ in data.shape)
    sizes = [max(1, int(side / share)) for side in data.shape]
    starts = [(side - size) // 2 for side, size in zip(data.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
