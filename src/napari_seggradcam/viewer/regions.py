"""Region masks on the image's grid, from Labels, Shapes and Points layers.

Every mask goes through both layers' transforms and units, has the spatial
shape of the plan, and holds at least one pixel.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from napari.components import Dims
from napari.layers import Image, Labels, Layer, Points, Shapes
from numpy.typing import NDArray

from ..errors import RegionError
from ..geometry.grid import nearest_pixels, pixels_between
from ..geometry.rasterise import Kind, Shape, mark_points, rasterise
from ..geometry.resample import labels_on_grid
from .inputs import InputPlan
from .placement import last_axes, layer_grid, transform_of
from .planes import in_units_of, with_axes_of

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def mask_from_labels(layer: Labels, plan: InputPlan, dims: Dims, value: int | None = None) -> Mask:
    """Pixels of the image whose nearest label is ``value`` (None: not zero).

    Parameters
    ----------
    layer : napari.layers.Labels
        On any grid. Axes that only it has stand at the sliders of ``dims``.
    plan : InputPlan
        The image's grid.
    dims : napari.components.Dims
        ``viewer.dims``.
    value : int, optional
        One label.

    Returns
    -------
    bool array of shape ``plan.shape``

    Raises
    ------
    RegionError
        If no pixel of the image has the label; says what is there instead.
    """
    values = _labels_on_plane(layer, plan, dims)
    mask: Mask = values != 0 if value is None else values == value
    if not mask.any():
        present = np.unique(values[values != 0])
        some = ", ".join(str(number) for number in present[:8]) + ("…" * (present.size > 8))
        there = f"there are the labels {some}" if present.size else "nothing is painted there"
        what = "no labels" if value is None else f"no label {value}"
        raise RegionError(
            f"{layer.name!r} has {what} on the image {plan.name!r} in the plane that is "
            f"used; {there}. Paint a region on the image or choose another label."
        )
    return mask


def mask_from_shapes(
    layer: Shapes, plan: InputPlan, dims: Dims, selected_only: bool = False
) -> Mask:
    """Pixels that belong to the shapes of a layer (see ``geometry.rasterise``).

    Shapes drawn in other planes of a stack are left out. Shapes of a layer
    with fewer axes than the image apply to every plane, as napari shows them.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Polygons, rectangles and ellipses are filled, paths and lines are bands
        of their edge width.
    plan : InputPlan
        The image's grid.
    dims : napari.components.Dims
        ``viewer.dims``.
    selected_only : bool, optional
        Only the shapes that are selected.

    Returns
    -------
    bool array of shape ``plan.shape``

    Raises
    ------
    RegionError
        If there are no shapes, or none touches the image in the plane used.
    """
    chosen = _chosen(layer, "shape", selected_only)
    source, grid = layer_grid(layer), with_axes_of(plan.grid, layer, dims)
    kinds, widths = cast(list[Kind], layer.shape_type), layer.edge_width
    shapes = [Shape(kinds[k], layer.data[k], float(widths[k])).on(source, grid) for k in chosen]
    mask = _on_plane(rasterise(shapes, grid.shape), plan)
    if not mask.any():
        vertices = np.concatenate([shape.vertices for shape in shapes])
        raise _nothing_there(layer, "shape", plan, vertices)
    return mask


def mask_from_points(
    layer: Points, plan: InputPlan, dims: Dims, selected_only: bool = False
) -> Mask:
    """Pixels under the points of a layer, one each.

    Parameters
    ----------
    layer : napari.layers.Points
        Points in other planes of a stack are left out.
    plan : InputPlan
        The image's grid.
    dims : napari.components.Dims
        ``viewer.dims``.
    selected_only : bool, optional
        Only the points that are selected.

    Returns
    -------
    bool array of shape ``plan.shape``

    Raises
    ------
    RegionError
        If there are no points, or none lies on the image in the plane used.
    """
    chosen = _chosen(layer, "point", selected_only)
    source, grid = layer_grid(layer), with_axes_of(plan.grid, layer, dims)
    points = pixels_between(source, grid)(np.asarray(layer.data)[chosen])
    # A point of a layer with fewer axes than the image lies in every plane, as napari shows it.
    shared = points[:, grid.ndim - source.ndim :]
    marked = mark_points(shared, grid.shape[grid.ndim - source.ndim :])
    mask = _on_plane(np.broadcast_to(marked, grid.shape), plan)
    if not mask.any():
        raise _nothing_there(layer, "point", plan, shared)
    return mask


def pixel_at(plan: InputPlan, position: Sequence[float], dims: Dims) -> tuple[int, ...] | None:
    """Image pixel under the pointer.

    Parameters
    ----------
    plan : InputPlan
        The image's grid.
    position : sequence of float
        ``event.position`` of a mouse callback, or ``viewer.cursor.position``.
    dims : napari.components.Dims
        ``viewer.dims`` (its units are those of the position).

    Returns
    -------
    tuple of int or None
        Index per spatial axis; None outside the image.
    """
    grid = plan.grid
    world = in_units_of(grid, np.asarray(position)[-grid.ndim :], dims)
    index = nearest_pixels(grid.to_pixels(world))[list(plan.spatial_axes)]
    if ((index < 0) | (index >= plan.shape)).any():
        return None
    return tuple(int(number) for number in index)


def new_region_layer(
    image_layer: Image, name: str = "region", channel_axis: int | None = None
) -> Labels:
    """Return an empty Labels layer with the image's transform, not yet in a viewer.

    Parameters
    ----------
    image_layer : napari.layers.Image
        The image that the region will be drawn on.
    name : str, optional
        The layer's name.
    channel_axis : int, optional
        Axis that holds the channels. A leading one is left out, so that what is
        drawn shows at every channel.
    """
    transform = transform_of(image_layer)
    shape = layer_grid(image_layer).shape
    if channel_axis == 0:
        shape = shape[1:]
        transform = last_axes(transform, len(shape))
    return Labels(np.zeros(shape, dtype=np.uint8), name=name, **transform)


def label_values(layer: Labels, plan: InputPlan, dims: Dims) -> dict[int, int]:
    """Label values on the image in the plane used, with their number of pixels (0 left out)."""
    values, counts = np.unique(_labels_on_plane(layer, plan, dims), return_counts=True)
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return {int(value): int(count) for value, count in pairs if value != 0}


def classes_from_labels(layer: Labels, plan: InputPlan, dims: Dims) -> NDArray[Any]:
    """Class of every pixel of the image, from a layer whose labels are indices of classes.

    Parameters
    ----------
    layer : napari.layers.Labels
        On any grid, as for `mask_from_labels`.
    plan : InputPlan
        The image's grid.
    dims : napari.components.Dims
        ``viewer.dims``.

    Returns
    -------
    integer array of shape ``plan.shape``
        0 where the layer does not reach.
    """
    return _labels_on_plane(layer, plan, dims)


def _labels_on_plane(layer: Labels, plan: InputPlan, dims: Dims) -> NDArray[Any]:
    data = layer.data[0] if layer.multiscale else layer.data
    grid = with_axes_of(plan.grid, layer, dims)
    return _on_plane(labels_on_grid(data, layer_grid(layer), grid), plan)


def _on_plane(values: NDArray[Any], plan: InputPlan) -> NDArray[Any]:
    """Keep the spatial axes of an array on the plan's grid; all others have size one."""
    return values.reshape(plan.shape)


def _chosen(layer: Layer, what: str, selected_only: bool) -> list[int]:
    """Numbers of the shapes or points to use; at least one."""
    count = len(layer.data)
    if count == 0:
        raise RegionError(f"{layer.name!r} has no {what}s. Add a {what} on the image.")
    if not selected_only:
        return list(range(count))
    chosen = sorted(int(number) for number in layer.selected_data)
    if not chosen:
        raise RegionError(
            f"No {what} of {layer.name!r} is selected, it has {count}. "
            f"Select one, or use all {what}s of the layer."
        )
    return chosen


def _nothing_there(layer: Layer, what: str, plan: InputPlan, pixels: Floats) -> RegionError:
    """Say where shapes or points lie that mark no pixel of the image."""
    low, high = np.round(pixels.min(axis=0), 1), np.round(pixels.max(axis=0), 1)
    lies = " × ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
    sizes = plan.grid.shape[-len(low) :]
    has = " × ".join(f"0 to {size - 1}" for size in sizes)
    return RegionError(
        f"No {what} of {layer.name!r} covers a pixel centre of the image {plan.name!r} in "
        f"the plane that is used: in pixels from that plane they span {lies}, the image {has}. "
        "Draw on the image, in the plane that is shown."
    )
