"""One heatmap, and the region's outline, as napari layers that lie on the image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils import DirectLabelColormap
from numpy.typing import NDArray

from .inputs import InputPlan
from .ownership import mark

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

OUTLINE = "#ffffff"
AGAINST = "#4dd0ff"
OUTLINE_WIDTH = 2


@dataclass(frozen=True)
class ResultSettings:
    """How heatmaps are shown.

    Parameters
    ----------
    colormap : str
        Name of a napari colormap.
    opacity : float
        0 to 1.
    blending : str
        napari's blending mode.
    """

    colormap: str = "inferno"
    opacity: float = 0.6
    blending: str = "translucent"


DEFAULT_SETTINGS = ResultSettings()


def heatmap_layer(
    explanation: "Explanation",
    name: str,
    plan: InputPlan,
    run_id: str,
    settings: ResultSettings = DEFAULT_SETTINGS,
) -> Image:
    """Return the heatmap of one network layer as an Image layer, at its own resolution.

    Parameters
    ----------
    explanation : Explanation
        What was computed.
    name : str
        A network layer of the explanation.
    plan : InputPlan
        The image that was asked about (an `ImageInput` is one).
    run_id : str
        Which run made it.
    settings : ResultSettings
        Colormap, opacity, blending.
    """
    heatmap = explanation[name]
    layer = Image(
        plan.spread(heatmap.heatmap),
        name=f"{explanation.class_name} · {name}",
        colormap=settings.colormap,
        opacity=settings.opacity,
        blending=settings.blending,
        contrast_limits=colour_scale(heatmap.heatmap, heatmap.top),
        rgb=False,
        **plan.transform(heatmap.scale, heatmap.translate),
    )
    return mark(
        layer,
        "heatmap",
        name,
        run_id=run_id,
        network_layer=name,
        class_name=explanation.class_name,
        score=float(explanation.score),
        region_size=int(explanation.region_size),
        empty=heatmap.empty,
        record=explanation.record,
    )


def region_layer(explanation: "Explanation", plan: InputPlan, run_id: str) -> Labels:
    """Return the region M as a Labels layer that shows its outline.

    Parameters
    ----------
    explanation, plan, run_id
        As in `heatmap_layer`.
    """
    layer = Labels(
        np.array(plan.spread(sides_of(explanation.region))),
        name=f"{explanation.class_name} · region",
        colormap=outline_colours(),
        opacity=1.0,
        **plan.transform(),
    )
    layer.contour = OUTLINE_WIDTH
    return mark(layer, "region", "region", run_id=run_id, region_size=int(explanation.region_size))


def colour_scale(values: NDArray[Any], top: float | None = None) -> tuple[float, float]:
    """Contrast limits from zero to the largest value; valid for maps without any.

    Parameters
    ----------
    values : ndarray
        The heatmap.
    top : float, optional
        Its largest value where that is known; `values` are not looked at then.
    """
    largest = float(values.max()) if top is None else top
    return 0.0, largest if largest > 0 else 1.0


def sides_of(region: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of a region's outline: 1 where pixels count for the score, 2 where against it."""
    if region.dtype == bool:
        return region.astype(np.uint8)
    return (region > 0).astype(np.uint8) + np.uint8(2) * (region < 0)


def outline_colours() -> DirectLabelColormap:
    """Colours of a region's outline."""
    return DirectLabelColormap(color_dict={1: OUTLINE, 2: AGAINST, None: "#00000000"})
