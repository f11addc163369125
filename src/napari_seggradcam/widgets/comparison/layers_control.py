"""Compares network layers for the main dock's question, and leads back to it."""

from __future__ import annotations

from typing import Any

from ..job import Cancel, Progress
from .asking import answer_layers
from .control import ComparisonControl
from .layers import LayerComparisonSection
from .row_words import row_in_words


class LayersControl(ComparisonControl):
    """The comparison of network layers of one dock; parameters as of `ComparisonControl`."""

    _section: LayerComparisonSection

    def __init__(self, section: LayerComparisonSection, *shared: Any) -> None:
        super().__init__(section, *shared)
        self._comparison: Any = None
        section.layer_clicked.connect(self._on_layer)

    def _ask(self) -> None:
        """Ask the main dock's question of every network layer."""
        dock, explainers = self._question.main.dock, self._question.explainers
        if dock is None:
            return
        asked = dock.run_control.ask()
        layers: str = self._section.preset.value

        def work(progress: Progress, cancel: Cancel) -> Any:
            return answer_layers(asked, layers, explainers, progress, cancel)

        self._runner.start(self._section.row, "comparing network layers", work, self._on_compared)

    @property
    def _reason(self) -> str:
        dock = self._question.main.dock
        reason = self._question.reason
        if not reason and dock is not None and dock.region_control.problem:
            reason = "The main dock's region can't be used; it says why."
        return reason

    def _on_compared(self, answer: tuple[Any, int, Any]) -> None:
        _question, region_size, self._comparison = answer
        self._section.show_comparison(self._comparison, region_size)

    def _on_layer(self, name: str) -> None:
        """Show a network layer's heatmap in the main dock, or choose it there."""
        dock = self._question.main.dock
        try:
            words = row_in_words(self._comparison[name])
        except KeyError:  # of the cut, and not among those that were compared
            words = name
        if dock is None:
            self._section.mark_layer(name, words)
            return
        if name in dock.run_control.results.heatmaps() and dock.compare.has_results:
            self._shown.hide()
            dock.compare.mark_row(name)
            dock.compare.row_chosen.emit(name)
            words += "\nThe main dock shows its heatmap."
        else:
            dock.layers.choose(name)
            words += "\nIt is chosen in the main dock: Run shows its heatmap."
        self._section.mark_layer(name, words)
