"""Another content for a layer that stays: no flicker, and what the user has set remains."""

from napari.layers import Image, Labels, Layer, Points

from .ownership import METADATA_KEY, seal
from .placement import TRANSFORM_FIELDS


def show_instead(old: Layer, new: Layer) -> None:
    """Take over data, place, name and marker; colours of images stay as the user set them.

    Parameters
    ----------
    old : napari.layers.Layer
        One of our layers in a viewer.
    new : napari.layers.Layer
        Of the same type and number of axes; it is not used afterwards.
    """
    # Compare modes show one array in many layers.
    if old.data is not new.data:
        old.data = new.data
    for name in TRANSFORM_FIELDS:
        setattr(old, name, getattr(new, name))
    if isinstance(old, Labels):
        old.features = new.features
        old.colormap = new.colormap
    elif isinstance(old, Points):
        old.features = new.features
    elif isinstance(old, Image):
        limits = tuple(new.contrast_limits)
        old.contrast_limits = limits
        old.contrast_limits_range = limits
    old.name = new.name
    old.metadata = {**old.metadata, METADATA_KEY: new.metadata[METADATA_KEY]}
    seal(old)
