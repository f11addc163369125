"""Result layers: heatmaps and the region's outline, added or updated in place."""

from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from ..explain.explanation import Explanation
from .inputs import InputPlan


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
    opacity: float = 0.7
    blending: str = "translucent"


def heatmap_layer(
    explanation: Explanation,
    name: str,
    plan: InputPlan,
    run_id: str,
    settings: ResultSettings = ResultSettings(),
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
    ...


def region_layer(explanation: Explanation, plan: InputPlan, run_id: str) -> Labels:
    """Return the region M as a Labels layer that shows its outline."""
    ...


class ResultLayers:
    """The layers that runs have made in one viewer.

    A run is ``start``, any number of ``add_…`` (one napari layer per call) and
    ``finish``. Layers that the user renamed, edited or made are never touched.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    def start(self, run_id: str, keep: bool = False) -> None:
        """Begin a run.

        Parameters
        ----------
        run_id : str
            New for every run. What is handed over later under another run's id
            is refused.
        keep : bool
            False: the layers of the last run are updated in place. True: they
            stay as they are, and new layers are added.
        """
        ...

    def add_heatmap(
        self,
        explanation: Explanation,
        name: str,
        plan: InputPlan,
        run_id: str,
        settings: ResultSettings = ResultSettings(),
    ) -> Image | None:
        """Add the heatmap of one network layer, or update it in place.

        An updated layer keeps the colormap, opacity, blending and visibility
        that the user has set.

        Returns
        -------
        napari.layers.Image or None
            The layer in the viewer; None if a newer run has started.
        """
        ...

    def add_region(self, explanation: Explanation, plan: InputPlan, run_id: str) -> Labels | None:
        """Add the outline of the region, or update it in place; None if out of date."""
        ...

    def finish(self, run_id: str) -> None:
        """End a run: remove what is left of the run that it updated."""
        ...

    def put(self, layer: Layer) -> Layer:
        """Add a marked layer (prediction, logit map), or update ours with the same key."""
        ...

    def heatmaps(self) -> dict[str, Image]:
        """Heatmap layers of the last run by network layer, as far as they are still ours."""
        ...

    def clear(self) -> int:
        """Remove all our layers, of every run; return how many there were."""
        ...
