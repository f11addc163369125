"""Keeps the question's section in step with the main dock, and says what can be asked."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels, Points
from qtpy.QtCore import QObject, Signal

from ...errors import ImageError
from ...viewer.comparison_layers import PAIR
from ...viewer.inputs import InputPlan
from ...viewer.ownership import METADATA_KEY
from ..network_opening import OpenedNetwork
from ..question import ImageExplainer
from .main_dock import MainDock
from .question import LIKE_MAIN_DOCK, ComparisonQuestionSection
from .runner import Runner

# Made by runs and comparisons of theirs; the clusters of an atlas are regions like others.
_NO_SOURCES = ("region", "view", PAIR)


class QuestionControl(QObject):
    """What the sections of the comparison dock ask about.

    Signals
    -------
    changed()
        Something can be asked that could not be before, or the other way round.
    """

    changed = Signal()

    def __init__(
        self,
        section: ComparisonQuestionSection,
        main: MainDock,
        runner: Runner,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._runner = runner
        self._opened: OpenedNetwork | None = None
        self.main = main
        section.main_dock_requested.connect(main.open)
        section.changed.connect(self.changed)
        main.changed.connect(self.refresh)
        runner.changed.connect(self.refresh)

    @property
    def reason(self) -> str:
        """Why nothing can be asked; empty if it can."""
        return self.main.reason

    @property
    def layer(self) -> Any:
        """The Labels or Points layer that has the regions, or None."""
        return self._section.layer

    @property
    def network_layer(self) -> str:
        """Where weights are compared."""
        name: str = self._section.network_layer.value
        return name

    @property
    def target(self) -> int | str:
        """Class index or "predicted"."""
        chosen: int | str = self._section.target.value
        dock = self.main.dock
        return dock.region.target_value if chosen == LIKE_MAIN_DOCK and dock else chosen

    @property
    def opened(self) -> OpenedNetwork:
        """The network; ask where `reason` is empty."""
        return self._of_main(self.main.opened)

    @property
    def plan(self) -> InputPlan:
        """What the network gets of the image as it is shown now; ask where `reason` is empty."""
        if self.main.dock is not None:
            self.main.dock.image_control.settle()
        return self._of_main(self.main.plan)

    @property
    def explainers(self) -> ImageExplainer:
        """What the main dock keeps."""
        dock = self._of_main(self.main.dock)
        return dock.explainers

    def refresh(self) -> None:
        """Show what the main dock has now."""
        dock = self.main.dock
        if dock is None:
            self._section.show_main_dock(None)
        else:
            self._section.show_main_dock(self._sentence())
            layers = [layer for layer in dock.viewer.layers if _is_source(layer)]
            self._section.offer_layers(layers)
            self._offer_network()
        self.changed.emit()

    def _of_main(self, what: Any) -> Any:
        if what is None:
            raise ImageError(self.reason or "The main dock was closed. Open it again.")
        return what

    def _sentence(self) -> str:
        opened, plan = self.main.opened, self.main.plan
        if opened is None or plan is None:
            return self.main.reason
        return f"{plan.name}, {opened.source.title}"

    def _offer_network(self) -> None:
        opened = self.main.opened
        if opened is self._opened:
            return
        self._opened = opened
        if opened is None:
            self._section.offer_network([], None, [])
            return
        names = [layer.name for layer in opened.layers]
        first = (*opened.presets["bottleneck"], *names)[:1]
        self._section.offer_network(names, next(iter(first), None), opened.card.classes)


def _is_source(layer: Any) -> bool:
    marker = layer.metadata.get(METADATA_KEY) or {}
    return isinstance(layer, Labels | Points) and marker.get("kind") not in _NO_SOURCES
