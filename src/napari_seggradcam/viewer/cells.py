"""Views for a grid of cells: image, heatmap and outline of M in each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from ..explain.words import share_in_words
from .heatmaps import (
    OUTLINE_WIDTH,
    ResultSettings,
    outline_colours,
    shown_scale,
    shown_values,
    sides_of,
)
from .inputs import ImageInput, InputPlan
from .ownership import mark
from .replacing import Values

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap

PER_CELL = 3
"""napari layers in one cell."""


def cell_layers(
    explanation: "Explanation", image: ImageInput, settings: ResultSettings
) -> Iterator[Layer]:
    """Make the layers of all cells, `PER_CELL` for each network layer, from the bottom up.

    The image and the region are one array each, whatever the number of cells.
    """
    shown, style = shown_image(image)
    shown = spread_image(shown, image, rgb=style["rgb"])
    region = image.spread(sides_of(explanation.region))
    for name, heatmap in explanation.items():
        values = cell_values(heatmap, image, settings)
        yield mark(
            Image(shown, name=f"image · {name}", **style, **image.transform()),
            "view",
            f"image · {name}",
        )
        layer = Image(
            values.data,
            name=values.name,
            colormap=settings.colours,
            opacity=settings.opacity,
            blending=settings.blending,
            contrast_limits=values.limits,
            rgb=False,
            **image.transform(heatmap.scale, heatmap.translate),
        )
        layer.name_overlay.visible = True
        layer.colorbar.visible = True
        yield mark(layer, "view", heat_key(name), network_layer=name)
        yield outline_layer(region, f"region · {name}", image.transform())


def heat_key(name: str) -> str:
    """Key of the layer that shows a network layer's heatmap in its cell."""
    return f"heatmap · {name}"


def cell_values(heatmap: "Heatmap", image: ImageInput, settings: ResultSettings) -> Values:
    """What a cell shows of a network layer; its name is the cell's title."""
    values, kept = image.spread(shown_values(heatmap, settings)), heatmap.kept_share
    said = "" if kept is None or settings.signed else f" · {share_in_words(kept)}"
    return Values(values, shown_scale(heatmap, settings), heatmap.name + said)


def outline_layer(
    labels: NDArray[Any], name: str, transform: dict[str, Any], contour: int = OUTLINE_WIDTH
) -> Labels:
    """Return a Labels layer that shows outlines and can't be painted on."""
    layer = Labels(labels, name=name, colormap=outline_colours(), opacity=1.0, **transform)
    layer.contour = contour
    layer.editable = False
    return mark(layer, "view", name)


def shown_image(image: ImageInput) -> tuple[NDArray[Any], dict[str, Any]]:
    """Image as it is shown behind heatmaps, and how.

    Returns
    -------
    array : (*spatial) or (*spatial, 3) ndarray
        Of several channels the one at which the slider stands, or the first.
    style : dict
        Arguments of a napari Image layer.
    """
    array = image.array
    if image.axes.endswith("C"):
        return array, {"rgb": True}
    if image.axes.startswith("C"):
        array = array[_shown_channel(image)]
    style: dict[str, Any] = {"rgb": False}
    if not image.colour:
        style["colormap"] = image.layer.colormap
        style["contrast_limits"] = tuple(image.layer.contrast_limits)
        style["gamma"] = image.layer.gamma
    return array, style


def _shown_channel(image: ImageInput) -> int:
    """Channel of the array at which the slider stands; the first where that is none."""
    if image.channel_axis is None:
        return 0
    shown = int(image.plane.position[image.channel_axis])
    if image.order is None:
        return shown
    return image.order.index(shown) if shown in image.order else 0


def spread_image(array: NDArray[Any], image: InputPlan, *, rgb: bool) -> NDArray[Any]:
    """`InputPlan.spread` for an image whose colours, if any, are its last axis."""
    if not rgb:
        return image.spread(array)
    return np.moveaxis(image.spread(np.moveaxis(array, -1, 0)), 0, -1)
