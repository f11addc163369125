"""One heatmap, and the region's outline, as napari layers that lie on the image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils import Colormap, DirectLabelColormap
from numpy.typing import NDArray

from .inputs import InputPlan
from .ownership import mark
from .replacing import assign

if TYPE_CHECKING:
    from ..explain.explanation import Explanation, Heatmap

OUTLINE = "#ffffff"
AGAINST = "#4dd0ff"
OUTLINE_WIDTH = 2

CLEAR = "blue, clear, red"
"""Colours of signed maps that leave the image as it is where a map is zero."""

DIVERGING = (CLEAR, "coolwarm", "PiYG")
"""Names of colours of signed maps; 0 is in their middle."""


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
    signed : bool
        Whether signed maps are shown instead, which have no ReLU and are not truncated.
    """

    colormap: str = "inferno"
    opacity: float = 0.6
    blending: str = "translucent"
    signed: bool = False

    @property
    def colours(self) -> Colormap | str:
        """The colormap, as napari takes it."""
        return clear_in_the_middle() if self.colormap == CLEAR else self.colormap


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
        plan.spread(shown_values(heatmap, settings)),
        name=f"{explanation.class_name} · {name}",
        colormap=settings.colours,
        opacity=settings.opacity,
        blending=settings.blending,
        contrast_limits=shown_scale(heatmap, settings),
        rgb=False,
        **plan.transform(heatmap.scale, heatmap.translate),
    )
    return mark(layer, "heatmap", name, **heatmap_facts(explanation, name, run_id))


def restyle(layer: Image, settings: ResultSettings) -> None:
    """Give a layer of heatmaps the colormap and opacity of the settings."""
    if layer.colormap.name != settings.colormap:
        layer.colormap = settings.colours
    assign(layer, opacity=settings.opacity)


def heatmap_facts(explanation: "Explanation", name: str, run_id: str) -> dict[str, Any]:
    """What the marker of a heatmap's layer says; parameters as in `heatmap_layer`."""
    heatmap = explanation[name]
    return {
        "run_id": run_id,
        "network_layer": name,
        "class_name": explanation.class_name,
        "score": float(explanation.score),
        "region_size": int(explanation.region_size),
        "empty": heatmap.empty,
        "kept_share": heatmap.kept_share,
        "note": heatmap.note,
        "record": explanation.record,
    }


def shown_values(heatmap: "Heatmap", settings: ResultSettings) -> NDArray[Any]:
    """The heatmap, or the signed map where that is to be shown."""
    return heatmap.signed if settings.signed else heatmap.heatmap


def shown_largest(heatmap: "Heatmap", settings: ResultSettings) -> float:
    """Value of what `shown_values` gives that is furthest from zero; 0 where all are zero."""
    if settings.signed:
        return float(np.abs(heatmap.signed).max(initial=0.0))
    return heatmap.largest


def shown_scale(heatmap: "Heatmap", settings: ResultSettings) -> tuple[float, float]:
    """Contrast limits of what `shown_values` gives; of signed maps, about zero."""
    low, high = colour_scale(shown_largest(heatmap, settings))
    return (-high if settings.signed else low), high


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


def colour_scale(largest: float) -> tuple[float, float]:
    """Contrast limits from zero to the largest value; valid for maps that have none."""
    return 0.0, largest if largest > 0 else 1.0


def clear_in_the_middle() -> Colormap:
    """Colours from blue to red that are transparent in the middle."""
    return Colormap(
        [[0.1, 0.35, 1.0, 1.0], [0.25, 0.6, 1.0, 0.0], [1.0, 0.45, 0.3, 0.0], [0.9, 0.1, 0.1, 1.0]],
        name=CLEAR,
        controls=[0.0, 0.5, 0.5, 1.0],
    )


def sides_of(region: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of a region's outline: 1 where pixels count for the score, 2 where against it."""
    if region.dtype == bool:
        return region.astype(np.uint8)
    return (region > 0).astype(np.uint8) + np.uint8(2) * (region < 0)


def outline_colours() -> DirectLabelColormap:
    """Colours of a region's outline."""
    return DirectLabelColormap(color_dict={1: OUTLINE, 2: AGAINST, None: "#00000000"})
