"""Compares weights of regions, and shows what is behind a cell, a branch and a bar."""

from __future__ import annotations

from typing import Any

from napari.layers import Points

from ...errors import SegGradCamError
from ...viewer.comparison_layers import difference_layer, feature_map_layer, pair_layer
from ..job import Cancel, Progress
from ..region_control import still
from .asking import Weighed, answer_weights, ask_weights
from .control import ComparisonControl
from .plots import why_no_plots
from .weights import WeightsSection, in_words

_BARS = 10
# Share of the regions that have to use a channel as well for it to be marked.
_MANY = 0.5


class WeightsControl(ComparisonControl):
    """The comparison of weights of one comparison dock; parameters as of `ComparisonControl`."""

    _section: WeightsSection

    def __init__(self, section: WeightsSection, *shared: Any) -> None:
        super().__init__(section, *shared)
        self._answer: Weighed | None = None
        self._row = 0
        self._selected: tuple[int, ...] = ()
        section.measure_changed.connect(self._draw)
        section.pair_clicked.connect(self._on_pair)
        section.branch_clicked.connect(self._on_branch)
        section.channel_clicked.connect(self._on_channel)

    def _ask(self) -> None:
        asked, dock = self._question, self._question.main.dock
        if dock is None:
            return
        question = ask_weights(
            asked.opened,
            asked.plan,
            still(dock.viewer.dims),
            asked.layer,
            asked.network_layer,
            asked.target,
        )
        explainers = asked.explainers

        def work(progress: Progress, cancel: Cancel) -> Weighed:
            return answer_weights(question, explainers, progress, cancel)

        self._runner.start(self._section.row, "comparing weights", work, self._on_answer)

    @property
    def _reason(self) -> str:
        reason = why_no_plots() or self._question.reason
        if not reason and self._question.layer is None:
            reason = "Choose a layer that has regions."
        return reason

    def _on_answer(self, answer: Weighed) -> None:
        self._answer, self._selected = answer, ()
        comparison, question = answer.comparison, answer.question
        classes = question.opened.card.classes
        asked = {classes[target] for target in comparison.targets}
        about = f"for {next(iter(asked))}" if len(asked) == 1 else "each for its own class"
        self._section.show_results(
            f"{len(comparison.names)} {answer.regions.what}s of {question.layer.name} at"
            f" {comparison.layer.name}, {about}"
        )
        self._draw()
        self._show_channels(self._rows[comparison.order[0]])
        self._section.show_chosen("")

    @property
    def _rows(self) -> dict[int, int]:
        """Row of every region's number in the matrix."""
        names = self._answer.comparison.names if self._answer else ()
        return {name: row for row, name in enumerate(names)}

    def _draw(self) -> None:
        if self._answer is None:
            return
        from .similarity_plot import Similarities

        comparison, rows = self._answer.comparison, self._rows
        cosine = self._section.measure == "cosine"
        self._section.similarity.show_similarities(
            Similarities(
                tuple(str(name) for name in comparison.names),
                comparison.cosine if cosine else comparison.spearman,
                comparison.linkage,
                tuple(row for row, why in enumerate(comparison.empty) if why is None),
                tuple(rows[name] for name in comparison.order),
                "cosine" if cosine else "rank correlation",
            )
        )
        self._section.similarity.mark_regions(self._selected)

    def _show_channels(self, row: int) -> None:
        from .channel_plot import Channels

        if self._answer is None:
            return
        self._row, comparison = row, self._answer.comparison
        name, empty = comparison.names[row], comparison.empty[row]
        top = [one for one in comparison.top_channels(name, _BARS, by="weight") if one.weight]
        shared = comparison.shared_channels(_BARS, _MANY, by="weight")
        said = f"Channels of {self._names((row,))[0]}; ● also counts for half of the regions."
        self._section.channels.caption.say(empty or said, "hint")
        self._section.channels.show_channels(
            Channels(
                tuple(one.channel for one in top),
                tuple(one.weight for one in top),
                frozenset(shared),
            )
        )

    def _on_pair(self, first: int, second: int) -> None:
        """Show two regions, and what speaks more for one than for the other."""
        answer = self._answer
        if answer is None:
            return
        if first == second:
            self._on_branch((first,))
            return
        comparison, names = answer.comparison, self._names((first, second))
        self._select((first, second))
        try:
            difference = comparison.difference(*(comparison.names[row] for row in (first, second)))
        except SegGradCamError as error:
            self._section.show_chosen(str(error))
            return
        place = difference.scale, difference.translate
        layer = answer.question.network_layer
        self._shown.show(difference_layer(difference.signed, place, answer.image, names, layer))
        masks = [answer.regions.mask(comparison.names[row]) for row in (first, second)]
        self._shown.show(pair_layer(*masks, answer.image, names))
        cosine, rank = comparison.cosine[first, second], comparison.spearman[first, second]
        self._section.show_chosen(
            f"{names[0]} and {names[1]}: cosine {cosine:z.2f}, rank correlation {rank:z.2f}. On the"
            f" image, red speaks more for {names[0]}, blue for {names[1]}."
        )
        self._show_channels(first)

    def _on_branch(self, rows: tuple[int, ...]) -> None:
        """Show the channels of a region, or which regions are in a branch."""
        if self._answer is None:
            return
        self._select(rows)
        names = self._names(rows)
        said = names[0] if len(rows) == 1 else f"{len(rows)} regions alike: {in_words(names)}"
        self._section.show_chosen(f"{said}.")
        self._show_channels(rows[0])

    def _on_channel(self, number: int) -> None:
        """Show one feature map."""
        answer = self._answer
        if answer is None:
            return
        region = answer.comparison.names[self._row]
        found = answer.comparison.feature_map(number, region)
        place = found.scale, found.translate
        layer = answer.question.network_layer
        self._shown.show(feature_map_layer(found.signed, place, answer.image, layer, number))
        self._section.channels.mark_channel(number)

    def _select(self, rows: tuple[int, ...]) -> None:
        """Mark regions in the matrix and select them in their layer."""
        answer = self._answer
        if answer is None:
            return
        self._selected = rows
        self._section.similarity.mark_regions(rows)
        numbers = [answer.comparison.names[row] for row in rows]
        layer = answer.question.layer
        if isinstance(layer, Points):
            layer.selected_data = set(numbers)
        else:
            # napari's Labels have one selected label; the outlines show both.
            layer.selected_label = numbers[0]

    def _names(self, rows: tuple[int, ...]) -> tuple[str, ...]:
        answer = self._answer
        if answer is None:
            return ()
        return tuple(f"{answer.regions.what} {answer.comparison.names[row]}" for row in rows)
