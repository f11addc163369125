"""Result layers in a viewer: added, updated in place, and never the user's."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from .heatmaps import (
    DEFAULT_SETTINGS,
    ResultSettings,
    heatmap_facts,
    heatmap_layer,
    region_layer,
    restyle,
    shown_scale,
    shown_values,
)
from .inputs import InputPlan
from .ownership import METADATA_KEY, own_layers, seal
from .replacing import Values, assign, show_instead, show_values

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

_OF_RUNS = ("heatmap", "region")


class ResultLayers:
    """The layers that runs have made in one viewer.

    Layers come in sets, one layer per network layer and one outline. A run
    updates the newest set, or keeps it and begins another; it is ``start``, any
    number of ``add_…`` (one napari layer per call) and ``finish``. Layers that
    the user renamed, edited or made are never touched.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._run_id: str | None = None
        self._set = 1

    @property
    def viewer(self) -> ViewerModel:
        """The viewer that the layers are in."""
        return self._viewer

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
        self._set = self._last_set() + keep
        self._run_id = run_id

    def add_heatmap(
        self,
        explanation: "Explanation",
        name: str,
        plan: InputPlan,
        run_id: str,
        settings: ResultSettings = DEFAULT_SETTINGS,
    ) -> Image | None:
        """Add the heatmap of one network layer, or update it in place.

        An updated layer keeps the colormap, opacity, blending and visibility
        that the user has set. Of new layers only the first of a run is visible:
        heatmaps on top of each other can't be read.

        Returns
        -------
        napari.layers.Image or None
            The layer in the viewer; None if a newer run has started.
        """
        if run_id != self._run_id:
            return None
        layer = heatmap_layer(explanation, name, plan, run_id, settings)
        layer.visible = not self.heatmaps()
        return self._add(layer)

    def add_region(self, explanation: "Explanation", plan: InputPlan, run_id: str) -> Labels | None:
        """Add the outline of the region, or update it in place; None if out of date."""
        if run_id != self._run_id:
            return None
        return self._add(region_layer(explanation, plan, run_id))

    def stays_complete(self, explanation: "Explanation", keep: bool, ndim: int) -> bool:
        """Whether a run would only update layers, so that none comes or goes.

        Parameters
        ----------
        explanation : Explanation
            What the run will hand over.
        keep : bool
            As for `start`.
        ndim : int
            Number of axes of the layers that it will hand over.
        """
        heatmaps = self.heatmaps()
        outline = next(own_layers(self._viewer, "region", set=self._last_set()), None)
        layers = [*heatmaps.values(), *([] if outline is None else [outline])]
        same = outline is not None and set(heatmaps) == set(explanation)
        return same and not keep and all(layer.ndim == ndim for layer in layers)

    def show_values(
        self,
        explanation: "Explanation",
        plan: InputPlan,
        run_id: str,
        settings: ResultSettings = DEFAULT_SETTINGS,
    ) -> Callable[[], None] | None:
        """Give the heatmaps of the last run other values; those that are hidden can wait.

        Parameters
        ----------
        explanation : Explanation
            Of the same image, region, class and network layers as theirs.
        plan, run_id, settings
            As for `add_heatmap`.

        Returns
        -------
        callable or None
            What remains to be called, for the layers that are hidden; None, and nothing is done,
            where layers would have to come or go.
        """
        layers = self.heatmaps()
        if set(layers) != set(explanation):
            return None

        def show(names: Iterable[str]) -> None:
            for name in names:
                layer, heatmap = layers[name], explanation[name]
                data = plan.spread(shown_values(heatmap, settings))
                values = Values(data, shown_scale(heatmap, settings), layer.name)
                show_values(layer, values, **heatmap_facts(explanation, name, run_id))

        show(name for name, layer in layers.items() if layer.visible)
        for outline in own_layers(self._viewer, "region", set=self._last_set()):
            outline.metadata[METADATA_KEY]["run_id"] = run_id
        self._run_id = run_id
        hidden = [name for name, layer in layers.items() if not layer.visible]
        return partial(show, hidden)

    def finish(self, run_id: str) -> None:
        """End a run: remove what is left of the run that it updated."""
        if run_id != self._run_id:
            return
        for kind in _OF_RUNS:
            for layer in own_layers(self._viewer, kind, set=self._set):
                if layer.metadata[METADATA_KEY]["run_id"] != run_id:
                    self._viewer.layers.remove(layer)

    def put(self, layer: Layer) -> Layer:
        """Add a marked layer (prediction, logit map), or update ours with the same key.

        Returns
        -------
        napari.layers.Layer
            The layer in the viewer.
        """
        mine = layer.metadata[METADATA_KEY]
        for old in own_layers(self._viewer, mine["kind"], key=mine["key"]):
            return self._replace(old, layer)
        return self._insert(len(self._viewer.layers), layer)

    def heatmaps(self) -> dict[str, Image]:
        """Heatmap layers of the last run by network layer, as far as they are still ours."""
        layers = own_layers(self._viewer, "heatmap", set=self._last_set())
        return {layer.metadata[METADATA_KEY]["key"]: layer for layer in layers}

    def restyle(self, settings: ResultSettings) -> None:
        """Give the heatmaps of the last run another colormap, opacity and blending."""
        for layer in self.heatmaps().values():
            restyle(layer, settings)
            assign(layer, blending=settings.blending)

    def clear(self) -> int:
        """Remove all our layers, of every run; return how many there were."""
        mine = [
            layer
            for layer in own_layers(self._viewer)
            if layer.metadata[METADATA_KEY]["kind"] != "view"
        ]
        with self._viewer.layers.batched_update():
            for layer in mine:
                self._viewer.layers.remove(layer)
        return len(mine)

    def _add(self, layer: Layer) -> Any:
        """Add a layer of this run, or update the one of the same kind and key."""
        mine = layer.metadata[METADATA_KEY]
        mine["set"] = self._set
        for old in own_layers(self._viewer, mine["kind"], key=mine["key"], set=self._set):
            return self._replace(old, layer)
        index: int = len(self._viewer.layers)
        if mine["kind"] == "heatmap":
            for outline in own_layers(self._viewer, "region", set=self._set):
                index = self._viewer.layers.index(outline)
        return self._insert(index, layer)

    def _last_set(self) -> int:
        """Return the number of the newest set of layers; runs that keep begin a new one."""
        markers = [layer.metadata.get(METADATA_KEY) for layer in self._viewer.layers]
        sets = [int(m["set"]) for m in markers if isinstance(m, dict) and "set" in m]
        return max([1, *sets])

    def _insert(self, index: int, layer: Layer) -> Layer:
        """Put a layer into the viewer, and leave selected what was selected."""
        layers = self._viewer.layers
        selection = layers.selection
        selected, active = set(selection), selection.active
        layers.insert(index, layer)
        if selected:
            selection.clear()
            selection.update(selected)
            selection.active = active
        seal(layer)
        return layer

    def _replace(self, old: Layer, new: Layer) -> Layer:
        """Show in the old layer what the new one shows; swap them where that can't be."""
        if old.ndim != new.ndim:
            index = self._viewer.layers.index(old)
            new.visible = old.visible
            self._viewer.layers.remove(old)
            return self._insert(index, new)
        show_instead(old, new)
        return old
