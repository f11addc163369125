"""Where a napari layer lies: its seven transform fields and its grid."""

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.transforms import CompositeAffine
from numpy.typing import ArrayLike

from ..geometry.grid import Grid

TRANSFORM_FIELDS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""All that says where a layer lies; copy all seven or the layer lies elsewhere."""


def transform_of(layer: Layer) -> dict[str, Any]:
    """Return a copy of the seven transform fields, ready to make another layer with."""
    fields = {name: getattr(layer, name) for name in TRANSFORM_FIELDS}
    fields["affine"] = np.array(layer.affine.affine_matrix)
    for name in ("scale", "translate", "rotate", "shear"):
        fields[name] = np.array(fields[name])
    return fields


def layer_grid(layer: Layer) -> Grid:
    """Return the grid of a layer's data over all its axes (colour channels left out).

    For layers without pixels (Shapes, Points) the shape is all zeros.
    """
    shape: tuple[int, ...] = (0,) * layer.ndim
    if isinstance(layer, Image | Labels):
        data = layer.data[0] if layer.multiscale else layer.data
        shape = tuple(data.shape[: layer.ndim])
    return transform_grid(transform_of(layer), shape)


def transform_grid(transform: dict[str, Any], shape: tuple[int, ...]) -> Grid:
    """Return the grid of an array that a layer with these seven fields would show.

    Parameters
    ----------
    transform : dict
        From `transform_of` or `placed_transform`.
    shape : tuple of int
        The array's shape, colour channels left out.
    """
    own = _own_affine(transform).affine_matrix
    return Grid(
        shape,
        np.asarray(transform["affine"]) @ own,
        tuple(str(unit) for unit in transform["units"]),
        tuple(transform["axis_labels"]),
    )


def placed_transform(
    transform: dict[str, Any], scale: ArrayLike, translate: ArrayLike
) -> dict[str, Any]:
    """Return seven transform fields for an array that lies on another layer's pixels.

    Parameters
    ----------
    transform : dict
        The other layer's fields, from `transform_of`.
    scale, translate : (n,) array-like
        The array's pixel ``p`` has its centre at ``scale * p + translate`` of
        the other layer's data coordinates.
    """
    linear = np.asarray(_own_affine(transform).linear_matrix)
    return {
        **transform,
        # rotate · shear · diag(scale) stays of this form when a diagonal follows on the right
        "scale": np.asarray(transform["scale"]) * np.asarray(scale, dtype=np.float64),
        "translate": transform["translate"] + linear @ np.asarray(translate, dtype=np.float64),
    }


def last_axes(transform: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the seven fields of a layer that has only the last ``count`` axes."""
    matrix = np.eye(count + 1)
    matrix[:-1, :-1] = transform["affine"][-count - 1 : -1, -count - 1 : -1]
    matrix[:-1, -1] = transform["affine"][-count - 1 : -1, -1]
    own = _own_affine(transform).set_slice(list(range(len(transform["scale"])))[-count:])
    return {
        "scale": np.array(own.scale),
        "translate": np.array(own.translate),
        "rotate": np.array(own.rotate),
        "shear": np.array(own.shear),
        "affine": matrix,
        "units": tuple(transform["units"])[-count:],
        "axis_labels": tuple(transform["axis_labels"])[-count:],
    }


def with_leading_axes(
    transform: dict[str, Any],
    translate: ArrayLike,
    units: tuple[Any, ...],
    axis_labels: tuple[str, ...],
) -> dict[str, Any]:
    """Return the seven fields of a layer that has more axes in front.

    Parameters
    ----------
    transform : dict
        The fields without them.
    translate : (k,) array-like
        World coordinate of pixel 0 on each new axis; its steps are 1.
    units, axis_labels : tuple
        One per new axis.
    """
    more = len(units)
    own = _own_affine(transform).expand_dims(list(range(more)))
    affine = np.eye(len(own.scale) + 1)
    affine[more:, more:] = transform["affine"]
    return {
        "scale": np.array(own.scale),
        "translate": np.concatenate(
            [np.asarray(translate, dtype=np.float64), transform["translate"]]
        ),
        "rotate": np.array(own.rotate),
        "shear": np.array(own.shear),
        "affine": affine,
        "units": (*units, *transform["units"]),
        "axis_labels": (*axis_labels, *transform["axis_labels"]),
    }


def _own_affine(transform: dict[str, Any]) -> CompositeAffine:
    """Return scale, translate, rotate and shear as napari composes them."""
    return CompositeAffine(
        transform["scale"],
        transform["translate"],
        rotate=transform["rotate"],
        shear=transform["shear"],
        ndim=len(transform["scale"]),
    )
