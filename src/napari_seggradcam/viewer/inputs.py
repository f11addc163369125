"""What the network sees of an Image layer: which plane, which channels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import ArrayLike, NDArray

from ..geometry.grid import Grid


@dataclass(frozen=True, eq=False)
class InputPlan:
    """What would be taken from an Image layer; cheap, reads no pixels.

    Attributes
    ----------
    layer : napari.layers.Image
        The layer (raw, not a proxy).
    axes : str
        Axes of the array that the network gets: "YX", "YXC", "CYX", "ZYX", …
    grid : Grid
        All axes of the layer but colour and channels; those that the network
        does not see have size one and lie at the plane that is shown.
    spatial_axes : tuple of int
        The axes of `grid` that the network sees, in order.
    position : tuple of int
        Index per axis of `grid`; 0 on the spatial axes.
    channel_axis : int or None
        Axis of the layer's data that holds the channels.
    sentence : str
        What is used, for the user.
    """

    layer: Image
    axes: str
    grid: Grid
    spatial_axes: tuple[int, ...]
    position: tuple[int, ...]
    channel_axis: int | None
    sentence: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of what the network sees: the shape of masks and logits."""
        return tuple(self.grid.shape[k] for k in self.spatial_axes)

    def read(self) -> "ImageInput":
        """Copy the pixels. May take long for arrays on disk; safe in a worker."""
        ...

    def transform(self, scale: ArrayLike = 1.0, translate: ArrayLike = 0.0) -> dict[str, Any]:
        """Seven fields for a layer made of `spread` arrays on this image.

        Parameters
        ----------
        scale, translate : (ndim,) array-like
            Placement in image pixels per spatial axis, as in ``Heatmap``.
        """
        ...

    def spread(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give an array of the spatial axes the axes of a layer beside the image.

        Axes that the network does not see get size one; a channel axis between
        them is repeated (without using memory), so that the result shows at
        every channel.
        """
        ...


@dataclass(frozen=True, eq=False)
class ImageInput(InputPlan):
    """An `InputPlan` with the pixels, copied when the question was asked.

    Attributes
    ----------
    array : ndarray
        Axes as in ``axes``. Later edits of the layer do not change it.
    """

    array: NDArray[Any]


def plan_input(
    layer: Image, dims: Dims, network_ndim: int, channels: int, channel_axis: int | None = None
) -> InputPlan:
    """Say what a network would get from an Image layer at the plane that is shown.

    Parameters
    ----------
    layer : napari.layers.Image
        RGB and RGBA, multiscale, dask and zarr data are fine.
    dims : napari.components.Dims
        ``viewer.dims``: the network's axes are the last ``network_ndim`` of the
        order that is shown; all others stand at the sliders.
    network_ndim : int
        2 or 3.
    channels : int
        Channels that the network takes.
    channel_axis : int, optional
        Axis of the layer's data that holds the channels (CYX stacks are plain
        3D images to napari).

    Raises
    ------
    ShapeError
        If the image can't be given to the network; says why and what to do.
    """
    ...


def image_input(
    layer: Image, dims: Dims, network_ndim: int, channels: int, channel_axis: int | None = None
) -> ImageInput:
    """`plan_input` and `InputPlan.read` in one call."""
    ...


def channel_axis_choices(layer: Image, network_ndim: int, channels: int) -> tuple[int, ...]:
    """Return the axes of a layer's data that may hold the network's channels.

    These have exactly ``channels`` entries, and leave enough other axes.
    Empty for RGB images and for networks of one channel.
    """
    ...
