"""Which plane or volume of an Image layer the sliders of a viewer show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image, Layer
from numpy.typing import NDArray

from ..errors import ShapeError
from ..geometry.grid import Grid, nearest_pixels
from ..geometry.units import unit_ratio
from .placement import layer_grid, transform_of

LARGEST = 2**26
"""Pixels that are taken at most from a multiscale image; else a smaller level is used."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Part of one resolution level of an Image layer.

    Attributes
    ----------
    data : array-like
        The level, with colours last for RGB images.
    shape : tuple of int
        Its shape without colours.
    transform : dict
        The layer's seven transform fields when the question was asked.
    factors : tuple of float
        Pixels of the layer's data (level 0) per pixel of the level, per axis.
    spatial : tuple of int
        Axes that the network sees.
    channel_axis : int or None
        Axis that holds the channels.
    position : tuple of float
        Index of the plane per axis, in pixels of the layer's data; 0 on the
        spatial axes.
    words : list of str
        Which plane and level, for the user; empty where there is no choice.
    """

    data: Any
    shape: tuple[int, ...]
    transform: dict[str, Any]
    factors: tuple[float, ...]
    spatial: tuple[int, ...]
    channel_axis: int | None
    position: tuple[float, ...]
    words: list[str]

    @property
    def is_spatial(self) -> NDArray[np.bool_]:
        """Per axis, whether the network sees it."""
        return np.isin(np.arange(len(self.shape)), self.spatial)

    @property
    def index(self) -> tuple[slice | int, ...]:
        """What to read from ``data``: spatial axes and channels, in the data's order."""
        level = (np.asarray(self.position) - (np.asarray(self.factors) - 1) / 2) / self.factors
        clipped = np.clip(nearest_pixels(level), 0, np.asarray(self.shape) - 1)
        taken = {*self.spatial, self.channel_axis}
        return tuple(
            slice(None) if axis in taken else int(clipped[axis]) for axis in range(len(self.shape))
        )

    def channel_index(self, channel: int) -> tuple[slice | int, ...]:
        """What to read from ``data`` for one channel."""
        return tuple(
            channel if axis == self.channel_axis else part for axis, part in enumerate(self.index)
        )


def shown_plane(layer: Image, dims: Dims, network_ndim: int, channel_axis: int | None) -> Plane:
    """Return the part of a layer that a viewer shows, as far as a network sees it.

    Parameters
    ----------
    layer : napari.layers.Image
        At least ``network_ndim`` axes beside the channel axis.
    dims : napari.components.Dims
        ``viewer.dims``.
    network_ndim : int
        2 or 3.
    channel_axis : int or None
        Axis of the layer's data, not negative.

    Raises
    ------
    ShapeError
        If the sliders stand outside the layer.
    """
    spatial = _spatial_axes(layer.ndim, dims, network_ndim, channel_axis)
    level, words = _level(layer, spatial)
    full = layer_grid(layer)
    position, places = _position(layer, full, dims, spatial, channel_axis)
    data = layer.data[level] if layer.multiscale else layer.data
    shape = tuple(data.shape[: layer.ndim])
    return Plane(
        data=data,
        shape=shape,
        transform=transform_of(layer),
        factors=tuple(n / m for n, m in zip(full.shape, shape, strict=True)),
        spatial=spatial,
        channel_axis=channel_axis,
        position=position,
        words=places + words,
    )


def world_point(grid: Grid, dims: Dims) -> NDArray[np.float64]:
    """Return the sliders' position in a grid's world coordinates and units.

    Axes are matched from the last one; axes that the viewer does not have are
    at the grid's first pixel.
    """
    point = np.array(grid.offset)
    shared = min(grid.ndim, dims.ndim)
    point[-shared:] = in_units_of(grid, np.asarray(dims.point)[-shared:], dims)
    return point


def in_units_of(grid: Grid, coordinates: Any, dims: Dims) -> NDArray[np.float64]:
    """Convert a viewer's world coordinates of the last axes to a grid's units."""
    values = np.asarray(coordinates, dtype=np.float64)
    if dims.units is None:
        return values
    shared = values.shape[-1]
    units = tuple(str(unit) for unit in dims.units[-shared:])
    ratio: NDArray[np.float64] = unit_ratio(units, grid.units[-shared:])
    return values * ratio


def with_axes_of(grid: Grid, layer: Layer, dims: Dims) -> Grid:
    """Return a grid with the leading axes that only another layer has.

    They get size one and lie where the sliders stand, in the layer's units.
    """
    more = layer.ndim - grid.ndim
    if more <= 0:
        return grid
    theirs = layer_grid(layer)
    affine = np.eye(layer.ndim + 1)
    affine[more:, more:] = grid.affine
    affine[:more, -1] = world_point(theirs, dims)[:more]
    return Grid(
        (1,) * more + grid.shape,
        affine,
        theirs.units[:more] + grid.units,
        theirs.axis_labels[:more] + grid.axis_labels,
    )


def _spatial_axes(
    ndim: int, dims: Dims, network_ndim: int, channel_axis: int | None
) -> tuple[int, ...]:
    """Last axes in the order that is shown, as axes of the layer, sorted."""
    order = [axis - dims.ndim + ndim for axis in dims.order]
    missing = [axis for axis in range(ndim) if axis not in order]
    order = [axis for axis in missing + order if axis >= 0 and axis != channel_axis]
    return tuple(sorted(order[-network_ndim:]))


def _position(
    layer: Image, full: Grid, dims: Dims, spatial: tuple[int, ...], channel_axis: int | None
) -> tuple[tuple[float, ...], list[str]]:
    """Index per axis of the plane at which the sliders stand, and its words."""
    shown = nearest_pixels(full.to_pixels(world_point(full, dims)))
    position, places = [0.0] * layer.ndim, []
    for axis, (index, size) in enumerate(zip(shown.tolist(), full.shape, strict=True)):
        if axis in spatial:
            continue
        if axis == channel_axis:
            position[axis] = float(min(max(index, 0), size - 1))
            continue
        label = layer.axis_labels[axis]
        name = f"plane {index}" if label.startswith("-") else f"{label} = {index}"
        if not 0 <= index < size:
            raise ShapeError(
                f"{layer.name!r} has no {name}; it has 0 to {size - 1}. "
                "Move the slider below the canvas to where the image is shown."
            )
        position[axis] = float(index)
        places.append(f"{name} of {size}")
    if places and not places[0].startswith("plane"):
        places[0] = "plane " + places[0]
    return tuple(position), places


def _level(layer: Image, spatial: tuple[int, ...]) -> tuple[int, list[str]]:
    """Choose the finest resolution level that is not too large to take as a whole."""
    if not layer.multiscale:
        return 0, []
    levels = len(layer.data)
    sizes = [
        int(np.prod([data.shape[axis] for axis in spatial], dtype=np.int64)) for data in layer.data
    ]
    level = next((k for k, size in enumerate(sizes) if size <= LARGEST), levels - 1)
    if level == 0:
        return 0, [f"finest of {levels} resolution levels"]
    return level, [f"resolution level {level} of {levels} (finer ones are too large)"]
