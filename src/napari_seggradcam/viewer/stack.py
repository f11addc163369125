"""One image with a slider over network layers, in raw units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import NDArray

from ..explain.words import share_in_words
from .heatmaps import DEFAULT_SETTINGS, ResultSettings, shown_scale, shown_values
from .inputs import ImageInput
from .ownership import mark
from .placement import with_leading_axes
from .replacing import Values

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap

AXIS_LABEL = "network layer"


@dataclass(frozen=True)
class Sliders:
    """Axes of a viewer, before a stack adds its own in front of them.

    Attributes
    ----------
    point : tuple of float
        Where the sliders stand.
    units, axis_labels : tuple
        One per axis.
    """

    point: tuple[float, ...]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @classmethod
    def of(cls, dims: Dims) -> "Sliders":
        """Read the axes of a viewer."""
        units = ("pixel",) * dims.ndim if dims.units is None else tuple(dims.units)
        return cls(tuple(dims.point), units, tuple(dims.axis_labels))


@dataclass(frozen=True, eq=False)
class Stack:
    """Heatmaps on the image's grid, one step of the first axis each.

    Attributes
    ----------
    image : ImageInput
        The image that was asked about.
    names : tuple of str
        Network layers.
    values : (names, *spatial) float32 array
        Heatmaps in raw units.
    limits : tuple of (float, float)
        Each step's own colour scale.
    captions : tuple of str
        Network layer, largest value, and what truncation has kept, per step.
    """

    image: ImageInput
    names: tuple[str, ...]
    values: NDArray[np.float32]
    limits: tuple[tuple[float, float], ...]
    captions: tuple[str, ...]

    def shown(self, ndim: int, step: int) -> Values:
        """What a layer of so many axes shows, on the colour scale of a step."""
        values = self.image.spread(self.values)
        beyond = ndim - values.ndim
        shape = (values.shape[0], *(1,) * beyond, *values.shape[1:])
        return Values(values.reshape(shape), self.limits[step], f"heatmaps · {AXIS_LABEL}s")

    def layer(self, sliders: Sliders, settings: ResultSettings) -> Image:
        """Make the Image layer; its first axis comes before all axes of the viewer.

        Axes that the viewer has and the image lacks get size one, where the
        sliders stand.
        """
        fields = self.image.transform()
        own = 1 + self.image.grid.ndim
        beyond = max(0, 1 + len(sliders.point) - own)
        shown = self.shown(own + beyond, 0)
        layer = Image(
            shown.data,
            name=shown.name,
            colormap=settings.colours,
            opacity=settings.opacity,
            blending=settings.blending,
            contrast_limits=shown.limits,
            rgb=False,
            **with_leading_axes(
                fields,
                (0.0, *sliders.point[:beyond]),
                ("pixel", *sliders.units[:beyond]),
                (AXIS_LABEL, *sliders.axis_labels[:beyond]),
            ),
        )
        layer.colorbar.visible = True
        return mark(layer, "view", "stack")


def build_stack(
    explanation: "Explanation", image: ImageInput, settings: ResultSettings = DEFAULT_SETTINGS
) -> Stack:
    """Bring all heatmaps to the image's grid; safe in a worker.

    Parameters
    ----------
    explanation : Explanation
        What is shown.
    image : ImageInput
        The image that was asked about.
    settings : ResultSettings
        Whether signed maps are shown instead.
    """
    maps, signed = list(explanation.values()), settings.signed
    values = np.stack([heatmap.resized(signed=signed) for heatmap in maps])
    limits = tuple(shown_scale(one, shown_values(one, settings), settings) for one in maps)
    captions = tuple(
        _caption(one, on_grid, top, signed)
        for one, on_grid, (_, top) in zip(maps, values, limits, strict=True)
    )
    return Stack(image, tuple(explanation), values, limits, captions)


def _caption(heatmap: "Heatmap", values: NDArray[np.float32], top: float, signed: bool) -> str:
    """Network layer, largest value, and what truncation has kept."""
    largest = top if values.any() else 0.0
    if signed:
        return f"{heatmap.name} · ±{largest:.3g}"
    kept = heatmap.kept_share
    said = "" if kept is None else f" · {share_in_words(kept)}"
    return f"{heatmap.name} · largest {largest:.3g}{said}"
