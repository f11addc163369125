"""Many regions at once: every label of a Labels layer, or the pixel under every point."""

from dataclasses import dataclass

import numpy as np
from napari.components import Dims
from napari.layers import Labels, Points
from numpy.typing import NDArray

from ..errors import RegionError
from .inputs import InputPlan
from .regions import labels_on_image, points_on_image


@dataclass(frozen=True, eq=False)
class RegionSet:
    """Regions on the image grid, by number.

    Attributes
    ----------
    what : {"label", "point"}
        What a region is in its layer.
    shape : tuple of int
        Spatial shape of the image.
    labels : int array of that shape, or None
        Label of every pixel.
    pixels : dict of int to tuple of int
        Where the points lie; empty for labels.
    """

    what: str
    shape: tuple[int, ...]
    labels: NDArray[np.integer] | None
    pixels: dict[int, tuple[int, ...]]

    def mask(self, number: int) -> NDArray[np.bool_]:
        """Pixels of one region."""
        if self.labels is not None:
            mask: NDArray[np.bool_] = self.labels == number
            return mask
        mask = np.zeros(self.shape, dtype=bool)
        mask[self.pixels[number]] = True
        return mask


def regions_of(layer: Labels | Points, plan: InputPlan, dims: Dims) -> RegionSet:
    """Regions of a layer on the image.

    Parameters
    ----------
    layer : napari.layers.Labels or napari.layers.Points
        On any grid. Points are numbered from 0, as napari does.
    plan : InputPlan
        The image's grid.
    dims : napari.components.Dims
        ``viewer.dims``.

    Raises
    ------
    RegionError
        If there are fewer than two.
    """
    if isinstance(layer, Points):
        pixels = points_on_image(layer, plan, dims)
        found = RegionSet("point", plan.shape, None, pixels)
        count = len(pixels)
    else:
        labels = np.array(labels_on_image(layer, plan, dims))
        found = RegionSet("label", plan.shape, labels, {})
        count = np.unique(labels[labels != 0]).size
    if count < 2:
        what = found.what if count == 1 else f"{found.what}s"
        add = "Add points" if found.what == "point" else "Paint labels"
        raise RegionError(
            f"{layer.name!r} has {count} {what} on the image {plan.name!r} in the plane that is "
            f"used; a comparison needs at least two. {add} on the image, or choose another layer."
        )
    return found
