"""What the network sees of an Image layer: which plane, which channels."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError
from ..geometry.grid import Grid
from ..networks.channels import find_by_name
from .placement import placed_transform, transform_grid
from .planes import Plane, shown_plane

Colour = Literal["", "rgb", "grey"]

# Rec. 709, as scikit-image's rgb2gray
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721], dtype=np.float32)
_OTHER_AXES = ("x", "y", "z", "t", "time", "depth")


@dataclass(frozen=True, eq=False)
class InputPlan:
    """What would be taken from Image layers; cheap, reads no pixels.

    Attributes
    ----------
    layers : tuple of napari.layers.Image
        The layer; or several of one shape and place, that hold one channel each.
    axes : str
        Axes of the array that the network gets: "YX", "YXC", "CYX", "ZYX", …
    sentence : str
        What is used, for the user.
    planes : tuple of Plane
        Which part of each layer, and where it lies.
    colour : {"", "rgb", "grey"}
        What is done with the colours of an RGB image.
    order : tuple of int, or None
        Which channels along the channel axis, in the order of the network's; None: all of them
        as they are.
    channel_names : tuple of str, or None
        What the channels of the array are: layers, or what a layer says of its channels.
    """

    layers: tuple[Image, ...]
    axes: str
    sentence: str
    planes: tuple[Plane, ...]
    colour: Colour
    order: tuple[int, ...] | None
    channel_names: tuple[str, ...] | None

    @property
    def layer(self) -> Image:
        """The layer, or the one of the first channel."""
        return self.layers[0]

    @property
    def plane(self) -> Plane:
        """Which part of that layer, and where it lies."""
        return self.planes[0]

    @property
    def name(self) -> str:
        """Names of all layers."""
        return ", ".join(layer.name for layer in self.layers)

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of what the network sees: the shape of masks and logits."""
        return tuple(self.grid.shape[axis] for axis in self.spatial_axes)

    @cached_property
    def grid(self) -> Grid:
        """Grid over all axes of the layer's data but colour.

        Axes that the network does not see have size one and lie at the plane
        that is used.
        """
        plane = self.plane
        factors = np.asarray(plane.factors)
        translate = np.where(plane.is_spatial, (factors - 1) / 2, plane.position)
        shape = [n if axis in plane.spatial else 1 for axis, n in enumerate(plane.shape)]
        whole = transform_grid(plane.transform, plane.shape)
        return whole.placed(shape, factors, translate)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of the layer's data that the network sees, in order."""
        return self.plane.spatial

    @property
    def channel_axis(self) -> int | None:
        """Axis of the layer's data that holds the channels; None where there is none."""
        return self.plane.channel_axis

    def read(self) -> "ImageInput":
        """Copy the pixels. May take long for arrays on disk; safe in a worker."""
        mine = {item.name: getattr(self, item.name) for item in fields(InputPlan)}
        return ImageInput(**mine, array=self._pixels())

    def _pixels(self) -> NDArray[Any]:
        plane = self.plane
        if len(self.planes) > 1:
            return np.stack([np.asarray(part.data[part.index]) for part in self.planes])
        if self.order is not None:
            parts = (plane.channel_index(channel) for channel in self.order)
            return np.stack([np.asarray(plane.data[part]) for part in parts])
        array = np.array(plane.data[plane.index])
        if self.colour:
            array = array[..., :3]
        if self.colour == "grey":
            array = array.astype(np.float32) @ _LUMINANCE
        if self.channel_axis is not None:
            channel = sum(axis < self.channel_axis for axis in self.spatial_axes)
            array = np.ascontiguousarray(np.moveaxis(array, channel, 0))
        return array

    def transform(self, scale: ArrayLike = 1.0, translate: ArrayLike = 0.0) -> dict[str, Any]:
        """Seven fields for a layer made of `spread` arrays on this image.

        Parameters
        ----------
        scale, translate : (ndim,) array-like
            Placement in image pixels per spatial axis, as in ``Heatmap``.
        """
        plane = self.plane
        factors = np.asarray(plane.factors)
        steps, offset = factors.copy(), np.asarray(plane.position, dtype=np.float64)
        spatial = list(plane.spatial)
        steps[spatial] = factors[spatial] * scale
        offset[spatial] = factors[spatial] * translate + (factors[spatial] - 1) / 2
        if plane.channel_axis is not None:
            offset[plane.channel_axis] = 0.0
        return placed_transform(plane.transform, steps, offset)

    def spread(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give an array of the spatial axes the axes of a layer beside the image.

        Axes that the network does not see get size one; a channel axis is
        repeated (without using memory), so that the result shows at every
        channel. Axes before the spatial ones stay in front.

        Parameters
        ----------
        array : (..., *spatial) ndarray
        """
        plane = self.plane
        leading = array.ndim - len(plane.spatial)
        sizes = [1] * len(plane.shape)
        for size, axis in zip(array.shape[leading:], plane.spatial, strict=True):
            sizes[axis] = size
        spread = array.reshape(array.shape[:leading] + tuple(sizes))
        if plane.channel_axis is None:
            return spread
        sizes[plane.channel_axis] = plane.shape[plane.channel_axis]
        return np.broadcast_to(spread, array.shape[:leading] + tuple(sizes))


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
    layer: Image,
    dims: Dims,
    network_ndim: int,
    channels: int,
    channel_axis: int | None = None,
    names: Sequence[str] | None = None,
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
        3D images to napari). Without meaning for RGB images.
    names : sequence of str, optional
        The network's names of its channels, by which they are found in a layer that names its own.

    Raises
    ------
    ShapeError
        If the image can't be given to the network; says why and what to do.
    """
    if layer.rgb:
        channel_axis = None
    elif channel_axis is not None:
        channel_axis = _checked_axis(layer, channel_axis)
    available = layer.ndim - (channel_axis is not None)
    if available < network_ndim:
        raise ShapeError(
            f"{layer.name!r} has {available} axes beside its channels, the network needs "
            f"{network_ndim}. Choose an image with {network_ndim} spatial axes."
        )
    match = _match(layer, network_ndim, channels, channel_axis, names)
    plane = shown_plane(layer, dims, network_ndim, channel_axis)
    spatial = "ZYX"[-network_ndim:]
    axes = spatial + "C" if match.colour == "rgb" else spatial
    if channel_axis is not None:
        axes = "C" + spatial
    size = " × ".join(str(plane.shape[axis]) for axis in plane.spatial)
    sentence = ", ".join([*plane.words, f"{size} pixels", str(layer.dtype), *match.words])
    return InputPlan(
        (layer,), axes, sentence, (plane,), match.colour, match.order, match.channel_names
    )


def image_input(
    layer: Image, dims: Dims, network_ndim: int, channels: int, channel_axis: int | None = None
) -> ImageInput:
    """`plan_input` and `InputPlan.read` in one call."""
    return plan_input(layer, dims, network_ndim, channels, channel_axis).read()


def channel_axis_choices(
    layer: Image, network_ndim: int, channels: int, names: Sequence[str] | None = None
) -> tuple[int, ...]:
    """Return the axes of a layer's data that may hold the network's channels.

    These have exactly ``channels`` entries, or names that the network's ``names`` are among;
    they leave enough other axes, and are not called like one in space or time. Empty for RGB
    images and for networks of one channel.
    """
    if layer.rgb or channels == 1 or layer.ndim <= network_ndim:
        return ()
    told = channel_names_of(layer)
    named = 0 if told is None or find_by_name(names, told)[0] is None else len(told)
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    return tuple(
        axis
        for axis, (size, label) in enumerate(zip(shape, layer.axis_labels, strict=True))
        if size in (channels, named) and label.lower() not in _OTHER_AXES
    )


def channel_names_of(layer: Image) -> tuple[str, ...] | None:
    """Names of the channels along an axis of a layer, where its metadata have them.

    That is a list of texts called "channel_names" or, as some readers put it, "name".
    """
    for key in ("channel_names", "name"):
        names = layer.metadata.get(key)
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def _checked_axis(layer: Image, channel_axis: int) -> int:
    """Return the channel axis counted from the first."""
    if not -layer.ndim <= channel_axis < layer.ndim:
        raise ShapeError(
            f"{layer.name!r} has no axis {channel_axis}; it has {layer.ndim} axes. "
            "Choose another channel axis, or none."
        )
    return channel_axis % int(layer.ndim)


@dataclass(frozen=True)
class _Match:
    """What is done for the network to get its channels, and its words; as for `InputPlan`."""

    colour: Colour = ""
    words: Sequence[str] = ()
    order: tuple[int, ...] | None = None
    channel_names: tuple[str, ...] | None = None


def _match(
    layer: Image,
    network_ndim: int,
    channels: int,
    channel_axis: int | None,
    names: Sequence[str] | None,
) -> _Match:
    """Match the image's channels with the network's."""
    data = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb:
        alpha = ["alpha left out"] if data.shape[-1] == 4 else []
        if channels == 3:
            return _Match("rgb", ["channels red, green, blue", *alpha])
        if channels == 1:
            return _Match("grey", ["red, green and blue weighted to grey (luminance)", *alpha])
        given, hint = "is an RGB image", f"Choose an image with {channels} channels."
    elif channel_axis is not None:
        size = data.shape[channel_axis]
        found = _along_axis(layer, channel_axis, size, channels, names)
        if found is not None:
            return found
        given = f"has {size} channels along {_axis_name(layer, channel_axis)}"
        hint = "Choose another channel axis"
        hint += ", or none: then the slider says which channel is used." if channels == 1 else "."
    elif channels == 1:
        return _Match()
    else:
        given = "has no channels"
        fitting = channel_axis_choices(layer, network_ndim, channels, names)
        what = "an RGB image or one" if channels == 3 else "an image"
        hint = f"Choose {what} with {channels} channels, or open each channel as a layer."
        if fitting:
            axes = " or ".join(_axis_name(layer, axis) for axis in fitting)
            hint = f"If the channels lie along {axes}, choose it as the channel axis."
    plural = "channel" if channels == 1 else "channels"
    raise ShapeError(f"{layer.name!r} {given}, the network takes {channels} {plural}. {hint}")


def _along_axis(
    layer: Image, axis: int, size: int, channels: int, names: Sequence[str] | None
) -> _Match | None:
    """The channels along an axis: those of the network's names, else all; None if none fit."""
    told = channel_names_of(layer)
    if told is not None and len(told) != size:
        told = None
    order, why_not = find_by_name(names, told)
    if order is not None and told is not None:
        chosen = tuple(told[channel] for channel in order)
        words = f"channels {', '.join(chosen)} along {_axis_name(layer, axis)}"
        return _Match("", [words], order, chosen)
    if size != channels:
        return None
    words = f"{size} channels along {_axis_name(layer, axis)}"
    if names is not None:
        words += f" by position: {why_not}"
    return _Match("", [words], None, told)


def _axis_name(layer: Image, axis: int) -> str:
    label = layer.axis_labels[axis]
    return f"axis {axis}" if label.startswith("-") else f"axis {label}"
