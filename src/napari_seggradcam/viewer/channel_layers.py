"""Image layers that hold one channel each, as napari opens images with several channels."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from napari.components import Dims
from napari.layers import Image

from ..errors import ShapeError
from ..networks.channels import find_by_name
from .inputs import InputPlan, channel_axis_choices, plan_input
from .placement import layer_grid

# napari numbers layers that would have the same name.
_COPY = re.compile(r" \[\d+\]$")


def single_channel_layers(
    layers: Sequence[Image], network_ndim: int, channels: int, names: Sequence[str] | None = None
) -> list[Image]:
    """Those layers that may each hold one of a network's channels.

    They are not RGB and have no axis that may hold all its channels. None for networks of one
    channel.

    Parameters
    ----------
    layers : sequence of napari.layers.Image
        In the order of the viewer's list.
    network_ndim, channels, names
        As for `inputs.plan_input`.
    """
    if channels == 1:
        return []
    return [
        layer
        for layer in layers
        if not layer.rgb
        and layer.ndim >= network_ndim
        and not channel_axis_choices(layer, network_ndim, channels, names)
    ]


def propose_layers(
    layers: Sequence[Image], chosen: Image, channels: int, names: Sequence[str] | None = None
) -> tuple[Image, ...]:
    """Layers that most likely are the channels of one image, in the network's order.

    By name where that tells, else in the order of the viewer's list; those first that lie as
    ``chosen`` does and come from the same file.

    Parameters
    ----------
    layers : sequence of napari.layers.Image
        As `single_channel_layers` gives them.
    chosen : napari.layers.Image
        One of the image's channels.
    channels, names
        As for `inputs.plan_input`.

    Returns
    -------
    tuple of napari.layers.Image
        One per channel; empty where there are too few, or ``chosen`` is none of them.
    """
    if chosen not in layers or len(layers) < channels:
        return ()
    grid = layer_grid(chosen)
    alike = [layer for layer in layers if layer_grid(layer).matches(grid)]
    siblings = [layer for layer in alike if _origin(layer) == _origin(chosen)]
    pool = next(part for part in (siblings, alike, layers) if len(part) >= channels)
    for short in _SHORT_NAMES:
        found, _why_not = find_by_name(names, [short(layer) for layer in pool])
        if found is not None:
            return tuple(pool[index] for index in found)
    return tuple(pool[:channels])


def plan_layers(layers: Sequence[Image], dims: Dims, network_ndim: int) -> InputPlan:
    """Say what a network would get from several layers, each a channel, at the plane shown.

    Parameters
    ----------
    layers : sequence of napari.layers.Image
        One per channel of the network, in its order; not RGB.
    dims, network_ndim
        As for `inputs.plan_input`.

    Raises
    ------
    ShapeError
        If they do not lie on one another pixel by pixel, or can't be given to the network.
    """
    first = layers[0]
    for layer in layers:
        _check_alike(first, layer)
    plans = [plan_input(layer, dims, network_ndim, 1) for layer in layers]
    plane = plans[0].plane
    for plan in plans:
        if plan.plane.shape != plane.shape:
            raise _not_alike(first, plan.layer, "another number of pixels at its resolution level")
    spatial = "ZYX"[-network_ndim:]
    size = " × ".join(str(plane.shape[axis]) for axis in plane.spatial)
    dtype = np.result_type(*[layer.dtype for layer in layers])
    words = [*plane.words, f"{size} pixels", str(dtype), f"{len(layers)} layers as channels"]
    return InputPlan(
        tuple(layers),
        f"C{spatial}",
        ", ".join(words),
        tuple(plan.plane for plan in plans),
        "",
        None,
        tuple(layer.name for layer in layers),
    )


def _check_alike(first: Image, layer: Image) -> None:
    """Raise `ShapeError` where two layers do not lie on one another."""
    one, other = layer_grid(first), layer_grid(layer)
    if one.shape != other.shape:
        raise _not_alike(first, layer, f"the shape {other.shape}, not {one.shape}")
    if not other.matches(one):
        for name in ("scale", "translate"):
            here, there = getattr(first, name), getattr(layer, name)
            if not np.allclose(here, there):
                raise _not_alike(
                    first, layer, f"the {name} {_numbers(there)}, not {_numbers(here)}"
                )
        raise _not_alike(first, layer, "another rotation, shear, affine or unit")


def _not_alike(first: Image, layer: Image, what: str) -> ShapeError:
    return ShapeError(
        f"{layer.name!r} does not lie on {first.name!r} pixel by pixel: it has {what}. Choose "
        "layers of one image as its channels, or bring them onto one grid first."
    )


def _numbers(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


def _origin(layer: Image) -> tuple[str, str]:
    """What layers have in common that were opened as one image."""
    copy = _COPY.search(layer.name)
    return str(layer.source.path), "" if copy is None else copy[0]


def _whole_name(layer: Image) -> str:
    return _COPY.sub("", layer.name)


def _last_part(layer: Image) -> str:
    """Name behind the image's, which readers put in front: "image: DAPI"."""
    return _whole_name(layer).rpartition(":")[2]


_SHORT_NAMES: tuple[Callable[[Image], str], ...] = (_whole_name, _last_part)
