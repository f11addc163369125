"""Makes an atlas, and keeps its clusters in the viewer and in the legend in step."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...viewer.comparison_layers import (
    ATLAS,
    CLUSTERS,
    atlas_layer,
    cluster_colours,
    cluster_layer,
)
from ...viewer.inputs import ImageInput
from ..connections import Connections
from ..job import Cancel, Progress
from .asking import AtlasQuestion, answer_atlas
from .atlas import AtlasSection
from .control import ComparisonControl
from .plots import INSTALL


class AtlasControl(ComparisonControl):
    """The atlas of one comparison dock; parameters as of `ComparisonControl`."""

    _section: AtlasSection

    def __init__(self, section: AtlasSection, *shared: Any) -> None:
        super().__init__(section, *shared)
        self._followed: Any = None
        self._connections = Connections()
        section.cluster_clicked.connect(self._on_cluster)

    def _ask(self) -> None:
        question = AtlasQuestion(
            self._question.opened,
            self._question.plan,
            self._question.network_layer,
            self._question.target,
            self._section.grid.value,
            _clusters(self._section.clusters.value),
        )
        explainers = self._question.explainers

        def work(progress: Progress, cancel: Cancel) -> tuple[ImageInput, Any]:
            return answer_atlas(question, explainers, progress, cancel)

        self._runner.start(self._section.row, "making an atlas", work, self._on_atlas)

    def stop(self) -> None:
        """Let go of the layer of clusters."""
        self._follow(None)

    def _on_atlas(self, made: tuple[ImageInput, Any]) -> None:
        image, atlas = made
        where = (atlas.scale, atlas.translate), image, atlas.layer.name
        self._section.clear()
        if not atlas.there.any():
            self._section.row.note.say(
                f"All weights of {atlas.layer.name} are zero. Choose another network layer.",
                "warning",
            )
            return
        if atlas.clusters is None:
            self._section.row.note.say(f"Clusters need scikit-learn: {INSTALL}", "warning")
        else:
            colours = cluster_colours(atlas.clusters, atlas.colours)
            layer = cluster_layer(atlas.clusters, colours, *where)
            self._follow(self._shown.show(layer))
            sizes = np.bincount(atlas.clusters.ravel())[1:]
            self._section.show_clusters(colours, sizes.tolist())
        self._shown.show(atlas_layer(atlas.colours, atlas.there, *where))
        self._section.show_question(atlas.class_name, atlas.layer.name)

    def _follow(self, layer: Any) -> None:
        if self._followed is not None and self._on_canvas in self._followed.mouse_drag_callbacks:
            self._followed.mouse_drag_callbacks.remove(self._on_canvas)
        self._connections.disconnect()
        self._followed = layer
        if layer is not None:
            layer.mouse_drag_callbacks.append(self._on_canvas)
            self._connections.connect(layer.events.selected_label, self._on_selected)

    def _on_cluster(self, cluster: int) -> None:
        """A row of the legend was clicked."""
        layer = self._shown.find(CLUSTERS)
        atlas = self._shown.find(ATLAS)
        if layer is None:
            self._section.row.note.say(
                "The layer of clusters was removed or changed. Make the atlas again.", "warning"
            )
            return
        if cluster:
            self._show_cluster(layer, cluster)
            return
        layer.show_selected_label = False
        if atlas is not None:
            self._shown.show_only(atlas)

    def _show_cluster(self, layer: Any, cluster: int) -> None:
        self._shown.show_only(layer)
        if layer.selected_label != cluster:
            layer.selected_label = cluster
        layer.show_selected_label = True

    def _on_selected(self, _event: Any) -> None:
        """A label was selected, here or with napari's own controls."""
        self._section.mark_cluster(int(self._followed.selected_label))

    def _on_canvas(self, layer: Any, event: Any) -> Iterator[None]:
        """Select the cluster that was clicked; a drag moves the picture."""
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        value = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        if value and not dragged:
            self._show_cluster(layer, int(value))


def _clusters(count: int) -> int | str | None:
    """What to ask for, where scikit-learn is installed."""
    if find_spec("sklearn") is None:
        return None
    return count or "silhouette"
