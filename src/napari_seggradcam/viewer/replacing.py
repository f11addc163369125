"""Another content for a layer that stays: no flicker, and what the user has set remains."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points
from numpy.typing import NDArray

from .ownership import METADATA_KEY, seal
from .placement import TRANSFORM_FIELDS


def show_instead(old: Layer, new: Layer) -> None:
    """Take over data, place, name and marker; colours of images stay as the user set them.

    Parameters
    ----------
    old : napari.layers.Layer
        One of our layers in a viewer.
    new : napari.layers.Layer
        Of the same type and number of axes, labels with a colour each; it is not used afterwards.
    """
    # Every assignment makes napari slice, draw and lay out again, also of an equal value.
    if old.data is not new.data:
        old.data = new.data
    for name in TRANSFORM_FIELDS:
        value = getattr(new, name)
        if not np.array_equal(_numbers(getattr(old, name)), _numbers(value)):
            setattr(old, name, value)
    if isinstance(old, Labels | Points) and not old.features.equals(new.features):
        old.features = new.features
    if isinstance(old, Labels) and not _same_colours(old, new):
        old.colormap = new.colormap
    limits = tuple(new.contrast_limits) if isinstance(old, Image) else ()
    if limits and limits != tuple(old.contrast_limits):
        old.contrast_limits = limits
        old.contrast_limits_range = limits
    old.name = new.name
    old.metadata = {**old.metadata, METADATA_KEY: new.metadata[METADATA_KEY]}
    seal(old)


def assign(layer: Layer, **values: Any) -> None:
    """Set attributes of a layer that have other values now; napari draws for equal ones too."""
    for name, value in values.items():
        if getattr(layer, name) != value:
            setattr(layer, name, value)


_WIDEST = 20.0
"""Times the contrast limits that their range may be."""


@dataclass(frozen=True, eq=False)
class Values:
    """What an image layer shows.

    Attributes
    ----------
    data : ndarray
        As the layer takes it.
    limits : tuple of float
        Of the contrast.
    name : str
        Of the layer.
    """

    data: NDArray[Any]
    limits: tuple[float, float]
    name: str


def show_values(layer: Image, values: Values, **facts: Any) -> None:
    """Let one of our image layers show other values of the same shape, as fast as napari can.

    Parameters
    ----------
    layer : napari.layers.Image
        In a viewer.
    values : Values
        What it shows from now on.
    **facts
        For its marker.
    """
    with ExitStack() as quiet:
        # On this event napari measures the whole viewer again, which takes longer than all the
        # rest; the sizes are those of before.
        quiet.enter_context(layer.events.data.blocker())
        if not layer.visible:  # then its thumbnail is drawn when it is shown
            quiet.enter_context(layer.events.thumbnail.blocker())
        layer.data = values.data
        _show_limits(layer, values.limits)
    if layer.name != values.name:
        layer.name = values.name
    layer.metadata[METADATA_KEY].update(facts)
    seal(layer)


def _show_limits(layer: Image, limits: tuple[float, float]) -> None:
    """Set contrast limits, and their range where it is too wide or too narrow for a slider."""
    if tuple(layer.contrast_limits) == tuple(limits):
        return
    low, high = layer.contrast_limits_range
    # Every assignment is drawn, so that a range that serves as well is left.
    if low > limits[0] or high < limits[1] or high - low > _WIDEST * (limits[1] - limits[0]):
        with layer.events.contrast_limits.blocker():  # napari sets them to what they are
            layer.contrast_limits_range = limits
    layer.contrast_limits = limits


def _numbers(value: Any) -> Any:
    """Matrix of a transform; anything else as it is."""
    return getattr(value, "affine_matrix", value)


def _same_colours(old: Labels, new: Labels) -> bool:
    """Whether the labels of both layers have the same colours."""
    mine, other = (layer.colormap.color_dict for layer in (old, new))
    return mine.keys() == other.keys() and all(
        np.array_equal(colour, other[label]) for label, colour in mine.items()
    )
