"""Result layers in a viewer: added, updated in place, and never the user's."""

from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from .heatmaps import DEFAULT_SETTINGS, ResultSettings, heatmap_layer, region_layer
from .inputs import InputPlan
from .ownership import METADATA_KEY, marker_of, own_layers, seal
from .placement import TRANSFORM_FIELDS

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

_OF_RUNS = ("heatmap", "region")


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
        self._run_id: str | None = None
        self._run_number = 0
        self._updates: int | None = None

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
        last = self._last_run()
        self._run_id = run_id
        self._run_number = last + 1
        self._updates = None if keep else last

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
        layer.visible = not self._of_run("heatmap", self._run_number)
        return self._add(layer)

    def add_region(self, explanation: "Explanation", plan: InputPlan, run_id: str) -> Labels | None:
        """Add the outline of the region, or update it in place; None if out of date."""
        if run_id != self._run_id:
            return None
        return self._add(region_layer(explanation, plan, run_id))

    def finish(self, run_id: str) -> None:
        """End a run: remove what is left of the run that it updated."""
        if run_id != self._run_id or self._updates is None:
            return
        for kind in _OF_RUNS:
            for layer in self._of_run(kind, self._updates).values():
                self._viewer.layers.remove(layer)

    def put(self, layer: Layer) -> Layer:
        """Add a marked layer (prediction, logit map), or update ours with the same key.

        Returns
        -------
        napari.layers.Layer
            The layer in the viewer.
        """
        mine = layer.metadata[METADATA_KEY]
        for old in own_layers(self._viewer, mine["kind"]):
            if old.metadata[METADATA_KEY]["key"] == mine["key"]:
                return self._replace(old, layer)
        return self._insert(len(self._viewer.layers), layer)

    def heatmaps(self) -> dict[str, Image]:
        """Heatmap layers of the last run by network layer, as far as they are still ours."""
        return self._of_run("heatmap", self._last_run())

    def restyle(self, settings: ResultSettings) -> None:
        """Give the heatmaps of the last run another colormap, opacity and blending."""
        for layer in self.heatmaps().values():
            layer.colormap = settings.colormap
            layer.opacity = settings.opacity
            layer.blending = settings.blending

    def clear(self) -> int:
        """Remove all our layers, of every run; return how many there were."""
        mine = [layer for layer in own_layers(self._viewer) if marker_of(layer)["kind"] != "view"]
        for layer in mine:
            self._viewer.layers.remove(layer)
        return len(mine)

    def _add(self, layer: Layer) -> Any:
        """Add a layer of this run, or update the last run's layer of the same kind and key."""
        mine = layer.metadata[METADATA_KEY]
        mine["run_number"] = self._run_number
        for number in (self._run_number, self._updates):
            old = self._of_run(mine["kind"], number).get(mine["key"])
            if old is not None:
                return self._replace(old, layer)
        return self._insert(self._place_for(mine["kind"]), layer)

    def _place_for(self, kind: str) -> int:
        """Return where a new layer goes: on top, but heatmaps below the region's outline."""
        layers = self._viewer.layers
        outlines = self._of_run("region", self._run_number) or self._of_run("region", self._updates)
        if kind == "heatmap" and outlines:
            return int(layers.index(outlines["region"]))
        return len(layers)

    def _of_run(self, kind: str, number: int | None) -> dict[str, Any]:
        """Return our layers of one kind and run, by key."""
        found = {}
        for layer in own_layers(self._viewer, kind):
            marker = layer.metadata[METADATA_KEY]
            if marker["run_number"] == number:
                found[marker["key"]] = layer
        return found

    def _last_run(self) -> int:
        numbers = [
            layer.metadata[METADATA_KEY]["run_number"]
            for kind in _OF_RUNS
            for layer in own_layers(self._viewer, kind)
        ]
        return max([self._run_number, *numbers])

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
        _show_instead(old, new)
        return old


def _show_instead(old: Layer, new: Layer) -> None:
    """Take over data, place, name and marker; colours of images stay as the user set them."""
    old.data = new.data
    for name in TRANSFORM_FIELDS:
        setattr(old, name, getattr(new, name))
    if isinstance(old, Labels):
        old.features = new.features
        old.colormap = new.colormap
    else:
        limits = tuple(new.contrast_limits)
        old.contrast_limits = limits
        old.contrast_limits_range = limits
    old.name = new.name
    old.metadata = {**old.metadata, METADATA_KEY: new.metadata[METADATA_KEY]}
    seal(old)
