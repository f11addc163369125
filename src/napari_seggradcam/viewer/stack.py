"""One image with a slider over network layers, in raw units."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import NDArray

from ..explain.words import share_in_words
from .heatmaps import DEFAULT_SETTINGS, ResultSettings, shown_largest, shown_scale
from .inputs import ImageInput
from .on_demand import planes_on_demand
from .ownership import mark
from .placement import layer_grid, with_leading_axes
from .planes import in_units_of, world_point
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
    values : (names, *spatial) dask array of float32
        Heatmaps in raw units, each plane made when it is looked at.
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
            cache=False,  # planes of old answers are of no use
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
    """Put all heatmaps behind each other; safe in a worker.

    Parameters
    ----------
    explanation : Explanation
        What is shown.
    image : ImageInput
        The image that was asked about.
    settings : ResultSettings
        Whether signed maps are shown instead.
    """
    maps = tuple(explanation.values())
    limits = tuple(shown_scale(one, settings) for one in maps)
    captions = tuple(_caption(one, settings) for one in maps)

    def steps(where: tuple[slice, ...]) -> NDArray[np.float32]:
        within = (*where[1:], slice(None), slice(None))
        return np.stack(
            [np.asarray(one.resized(settings.signed, within)) for one in maps[where[0]]]
        )

    values = planes_on_demand((len(maps), *image.shape), np.float32, steps)
    return Stack(image, tuple(explanation), values, limits, captions)


def shown_step(layer: Image, dims: Dims) -> int | None:
    """Step of a stack's layer that napari shows; None where the slider is beyond all of them.

    Other layers may have more axes in front, and smaller or more steps on the axis that is the
    layer's first. Where that axis itself is displayed, as in 3D, several steps are seen.
    """
    grid = layer_grid(layer)
    if dims.ndim - grid.ndim in dims.displayed:
        return None
    # Halves as napari rounds them: what is said has to be of what is seen.
    step = int(np.round(grid.to_pixels(world_point(grid, dims))[0]))
    return step if 0 <= step < grid.shape[0] else None


def go_to_step(layer: Image, dims: Dims, step: int) -> None:
    """Move the slider of a stack's layer to one of its steps."""
    grid = layer_grid(layer)
    place = grid.to_world((step, *(0,) * (grid.ndim - 1)))[0]
    unit = in_units_of(grid, np.ones(grid.ndim), dims)[0]
    dims.set_point(dims.ndim - grid.ndim, float(place / unit))


def _caption(heatmap: "Heatmap", settings: ResultSettings) -> str:
    """Network layer, largest value, and what truncation has kept."""
    largest, kept = shown_largest(heatmap, settings), heatmap.kept_share
    if settings.signed:
        return f"{heatmap.name} · ±{largest:.3g}"
    said = "" if kept is None else f" · {share_in_words(kept)}"
    return f"{heatmap.name} · largest {largest:.3g}{said}"
