"""Three ways to compare heatmaps: Overlay, Grid and Stack.

Overlay shows one result layer at a time on the image. Grid shows a cell per
network layer with image, heatmap and outline of M, or, for more network layers
than napari draws fast, one mosaic. Stack is one image with a slider over the
network layers. Leaving a mode removes the layers that it added and restores
the visibility, grid, camera and slider positions that it found.
"""

from collections.abc import Iterator
from typing import Any, Literal

from napari.components import ViewerModel

from ..explain.explanation import Explanation
from .inputs import ImageInput
from .results import ResultSettings

Mode = Literal["overlay", "grid", "stack"]

GRID_LAYERS = 15
"""napari layers that a grid may have; more become a mosaic."""


class Compare:
    """The compare mode of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    @property
    def mode(self) -> Mode:
        """The mode that is on; "overlay" where nothing is."""
        ...

    @staticmethod
    def prepare(mode: Mode, explanation: Explanation, image: ImageInput) -> Any:
        """Make the arrays that a mode shows; the slow part, safe in a worker.

        Parameters
        ----------
        mode : {"overlay", "grid", "stack"}
            Which mode.
        explanation : Explanation
            What is shown.
        image : ImageInput
            The image that was asked about.

        Returns
        -------
        object
            To hand to `enter`.
        """
        ...

    def enter(
        self, prepared: Any, settings: ResultSettings = ResultSettings()
    ) -> Iterator[None]:
        """Leave the mode that is on and enter another, one napari layer per step.

        Run it to its end, one step per turn of the event loop, then call
        ``viewer.reset_view()`` one turn later if `wants_reset_view` (in the
        same turn napari fits the wrong zoom).
        """
        ...

    @property
    def wants_reset_view(self) -> bool:
        """Whether the view has to be fitted one event-loop turn after `enter`."""
        ...

    def show_only(self, name: str | None) -> None:
        """Show one network layer: its result layer in Overlay, its step in Stack.

        Parameters
        ----------
        name : str or None
            A network layer; None shows all result layers (Overlay).
        """
        ...

    def leave(self) -> None:
        """Remove what the mode added and restore what it found; nothing to do in Overlay."""
        ...
