"""Region masks on the image's grid, from Labels, Shapes and Points layers.

Every mask goes through both layers' transforms and units, has the spatial
shape of the plan, and holds at least one pixel.
"""

from collections.abc import Sequence

import numpy as np
from napari.components import Dims
from napari.layers import Image, Labels, Points, Shapes
from numpy.typing import NDArray

from .inputs import InputPlan

Mask = NDArray[np.bool_]


def mask_from_labels(
    layer: Labels, plan: InputPlan, dims: Dims, value: int | None = None
) -> Mask:
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

    Raises
    ------
    RegionError
        If no pixel of the image has the label; says what is there instead.
    """
    ...


def mask_from_shapes(
    layer: Shapes, plan: InputPlan, dims: Dims, selected_only: bool = False
) -> Mask:
    """Pixels that belong to the shapes of a layer (see ``geometry.rasterise``).

    Shapes drawn in other planes of a stack are left out.

    Raises
    ------
    RegionError
        If there are no shapes, or none touches the image in the plane used.
    """
    ...


def mask_from_points(
    layer: Points, plan: InputPlan, dims: Dims, selected_only: bool = False
) -> Mask:
    """Pixels under the points of a layer, one each.

    Raises
    ------
    RegionError
        If there are no points, or none lies on the image in the plane used.
    """
    ...


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
    ...


def new_region_layer(image_layer: Image, name: str = "region") -> Labels:
    """Return an empty Labels layer with the image's transform, not yet in a viewer."""
    ...


def label_values(layer: Labels, plan: InputPlan, dims: Dims) -> dict[int, int]:
    """Label values on the image in the plane used, with their number of pixels (0 left out)."""
    ...
