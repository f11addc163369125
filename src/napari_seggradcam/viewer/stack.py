"""One image with a slider over network layers, in raw units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import NDArray

from .heatmaps import ResultSettings, colour_scale
from .inputs import ImageInput
from .ownership import mark
from .placement import with_leading_axes

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

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
    """

    image: ImageInput
    names: tuple[str, ...]
    values: NDArray[np.float32]
    limits: tuple[tuple[float, float], ...]

    def layer(self, sliders: Sliders, settings: ResultSettings) -> Image:
        """Make the Image layer; its first axis comes before all axes of the viewer.

        Axes that the viewer has and the image lacks get size one, where the
        sliders stand.
        """
        fields = self.image.transform()
        values = self.image.spread(self.values)
        beyond = max(0, len(sliders.point) - (values.ndim - 1))
        shape = (values.shape[0], *(1,) * beyond, *values.shape[1:])
        layer = Image(
            values.reshape(shape),
            name=f"heatmaps · {AXIS_LABEL}s",
            colormap=settings.colormap,
            opacity=settings.opacity,
            blending=settings.blending,
            contrast_limits=self.limits[0],
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

    def caption(self, step: int) -> str:
        """Network layer and largest value of one step."""
        largest = self.limits[step][1] if self.values[step].any() else 0.0
        return f"{self.names[step]} · largest {largest:.3g}"


def build_stack(explanation: "Explanation", image: ImageInput) -> Stack:
    """Bring all heatmaps to the image's grid; safe in a worker.

    Parameters
    ----------
    explanation : Explanation
        What is shown.
    image : ImageInput
        The image that was asked about.
    """
    values = np.stack([heatmap.resized() for heatmap in explanation.values()])
    limits = tuple(colour_scale(heatmap.heatmap, heatmap.top) for heatmap in explanation.values())
    return Stack(image, tuple(explanation), values, limits)
