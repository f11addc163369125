"""Comparisons in the viewer: one picture at a time on the image."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from ...viewer.comparison_layers import ATLAS, CLUSTERS, DIFFERENCE, FEATURE_MAP, PAIR, put_alone
from ...viewer.ownership import METADATA_KEY, own_layers
from ...viewer.results import ResultLayers
from .main_dock import MainDock

_PICTURES = (FEATURE_MAP, DIFFERENCE, ATLAS, CLUSTERS)


class Shown:
    """The layers that comparisons have made in one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    main : MainDock
        Its heatmaps lie in the same place.
    """

    def __init__(self, viewer: Any, main: MainDock) -> None:
        self._viewer = viewer
        self._main = main
        self._results = ResultLayers(viewer)

    def show(self, layer: Layer) -> Any:
        """Add or update a picture, and hide the others and the heatmaps, which it would cover.

        Parameters
        ----------
        layer : napari.layers.Layer
            One that `viewer.comparison_layers` made.

        Returns
        -------
        napari.layers.Layer
            The layer in the viewer.
        """
        if self._main.dock is not None:
            # Grids and stacks would take it for one of their cells.
            self._main.dock.compare_control.show_image()
        shown = put_alone(self._results, layer)
        if shown.metadata[METADATA_KEY]["kind"] in _PICTURES:
            self.show_only(shown)
        return shown

    def show_only(self, shown: Any) -> None:
        """Hide other pictures, the heatmaps, and outlines of regions that do not belong to it."""
        others = [*own_layers(self._viewer, "heatmap")]
        for kind in _PICTURES:
            others += own_layers(self._viewer, kind)
        for other in others:
            other.visible = other == shown
        pair = self.find(PAIR)
        if pair is not None:
            pair.visible = shown.metadata[METADATA_KEY]["kind"] in (DIFFERENCE, FEATURE_MAP)
        shown.visible = True

    def hide(self) -> None:
        """Hide all pictures, to show what is below."""
        for kind in (*_PICTURES, PAIR):
            for layer in own_layers(self._viewer, kind):
                layer.visible = False

    def find(self, kind: str) -> Any:
        """Return the layer of a kind, if it is there and still ours, else None."""
        return next(own_layers(self._viewer, kind), None)
