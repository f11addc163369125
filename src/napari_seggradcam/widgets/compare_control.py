"""Compare modes, looks and saving of the last answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.utils import notifications
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QFileDialog

from ..errors import SegGradCamError
from ..explain.words import extent_in_words, method_in_words, score_in_words
from ..viewer.compare import Compare
from ..viewer.heatmaps import restyle, shown_largest
from ..viewer.ownership import marker_of, own_layers
from ..viewer.prepared import Prepared
from ..viewer.replacing import assign
from ..viewer.results import ResultLayers, ResultSettings
from .compare import CompareSection, ResultRow
from .job import Cancel, Delivery, Job, Progress
from .question import Answer

PICTURES = (".png", ".pdf", ".svg", ".jpg", ".tif")
"""Endings of figures."""


class CompareControl(QObject):
    """What is done with the heatmaps of the last answer of one dock.

    Signals
    -------
    changed()
        A mode has begun or ended to be built, or hidden layers have changed.
    signed_chosen()
        Signed maps are wanted, or heatmaps again; `shows_other_maps` until they are shown.
    """

    changed = Signal()
    signed_chosen = Signal()

    def __init__(
        self,
        viewer: Any,
        section: CompareSection,
        results: ResultLayers,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._section = section
        self._results = results
        self.modes = Compare(viewer)
        self._answer: Answer | None = None
        self._job: Job | None = None
        self._writing: Job | None = None
        self._delivery: Delivery | None = None
        self._wanted: str | None = None
        self._rest: Callable[[], None] | None = None
        self._signed = False
        self._looks: ResultSettings | None = None
        self.modes.stepped.connect(section.mark_row)
        section.mode_changed.connect(self._on_mode)
        section.looks_changed.connect(self._on_looks)
        section.signed_changed.connect(self.signed_chosen)
        section.row_chosen.connect(self._on_row)
        section.clear_requested.connect(self.clear)
        section.save_requested.connect(self._on_save)
        section.figure_requested.connect(self._on_figure)

    @property
    def building(self) -> bool:
        """Whether a mode is being built, or hidden layers have yet to change."""
        return any(one is not None for one in (self._job, self._delivery, self._rest))

    @property
    def looks(self) -> ResultSettings:
        """How heatmaps are shown."""
        return ResultSettings(
            colormap=self._section.colormap.value,
            opacity=self._section.opacity.value,
            signed=bool(self._section.signed.value),
        )

    @property
    def shows_other_maps(self) -> bool:
        """Whether heatmaps are shown where signed maps are chosen, or the other way round."""
        return self._answer is not None and self._signed != self.looks.signed

    @property
    def answer(self) -> Answer | None:
        """What is shown."""
        return self._answer

    @property
    def prepare(self) -> Callable[[Answer], Prepared]:
        """What a thread makes of an answer to the question that is shown, for `show_values`."""
        mode, looks, like = self._section.mode, self.looks, self.modes.prepared

        def prepare(result: Answer) -> Prepared:
            return Compare.prepare(mode, result.explanation, result.image, looks, like)

        return prepare

    def show_values(self, result: Answer, prepared: Prepared) -> bool:
        """Show an answer that differs from the one that is shown in values alone.

        What is seen changes at once; layers that are hidden follow in the next turn of the event
        loop.

        Parameters
        ----------
        result : Answer
            About the same image, region, class and network layers.
        prepared : Prepared
            What `prepare` has made of it.

        Returns
        -------
        bool
            Whether that could be: no layer may be missing, and mode and kind of maps be others.
        """
        looks, question = self.looks, result.question
        if self.building or (prepared.mode, prepared.signed) != (self._section.mode, looks.signed):
            return False
        if not self.modes.show_values(prepared, looks):
            return False
        image, run_id = result.image, question.run_id
        self._rest = self._results.show_values(result.explanation, image, run_id, looks)
        if self._rest is None:
            return False
        QTimer.singleShot(0, self._on_next_turn)
        self._answer, self._signed = result, looks.signed
        self._restyle()
        self._fill_table(result.explanation)
        return True

    def _on_next_turn(self) -> None:
        if self._rest is not None:
            self._show_rest()
            self.changed.emit()

    def _show_rest(self) -> None:
        """Let hidden layers show the answer too, if they do not yet."""
        rest, self._rest = self._rest, None
        if rest is not None:
            rest()

    def make_way(self, result: Answer) -> None:
        """Get ready for an answer's layers, which are about to be added or updated.

        Where layers come or go, the viewer must be the plain one. Where they are only updated,
        which nobody sees below a grid or a stack, the mode stays, and `show` updates it too.
        """
        self._give_up()
        self._signed = self.looks.signed
        image, keep = result.image, result.question.keep
        if not self._results.stays_complete(result.explanation, keep, image.grid.ndim):
            self.modes.leave()

    def show(self, result: Answer) -> None:
        """Fill the table with an answer and show it in the mode that is chosen."""
        first, self._answer = self._answer is None, result
        explanation = result.explanation
        self._section.problem.clear()
        self._fill_table(explanation)
        chosen = self.modes.chosen
        if chosen not in explanation.layers and (first or chosen is not None):
            self.modes.chosen = _first_to_show(explanation)
        self._section.mark_row(self.modes.chosen or "")
        if self._wanted is not None:
            self._section.show_mode(self._wanted)
            self._wanted = None
        self._restyle()
        self._on_outline()
        self._enter()

    def _fill_table(self, explanation: Any) -> None:
        looks = self._shown_looks
        rows = [_row(one, looks) for one in explanation.values()]
        self._section.show_results(in_words(explanation, looks.signed), rows)

    @property
    def _shown_looks(self) -> ResultSettings:
        """Looks of the kind of maps that is shown; until they are made, another may be chosen."""
        return replace(self.looks, signed=self._signed)

    def show_image(self) -> None:
        """Go to Overlay, where the image can be drawn on, until the next answer."""
        if self._answer is not None and self._section.mode != "overlay":
            self._wanted = self._section.mode
            self._section.show_mode("overlay")
            self._enter()

    def _on_mode(self, _word: str) -> None:
        self._wanted = None
        self._enter()

    def clear(self) -> None:
        """Remove what runs have added; what a person renamed or edited stays."""
        self.stop()
        self._results.clear()
        self._answer = None
        self._section.show_results("", [])

    def stop(self) -> None:
        """Restore the viewer."""
        self._give_up()
        self.modes.leave()

    def _give_up(self) -> None:
        self._show_rest()
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if self._delivery is not None:
            # Nobody is told: what takes its place begins in this turn.
            self._delivery.ended.disconnect(self._on_entered)
            self._delivery.stop()
            self._delivery.deleteLater()
            self._delivery = None

    def _enter(self) -> None:
        """Build the mode whose button is down."""
        if self._answer is None:
            return
        self._give_up()
        mode, asked, looks = self._section.mode, self._answer, self._shown_looks
        if mode == "overlay":
            self.modes.leave()
            self.modes.show_only(self.modes.chosen)
            self.changed.emit()
            return

        def work(_progress: Progress, _cancel: Cancel) -> Any:
            return Compare.prepare(mode, asked.explanation, asked.image, looks)

        self._job = Job(f"preparing {mode}", work)
        self._job.succeeded.connect(self._on_prepared)
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self.changed.emit()

    def _on_prepared(self, prepared: Any) -> None:
        self._delivery = Delivery(self.modes.enter(prepared, self._shown_looks), self)
        self._delivery.failed.connect(self._on_failed)
        self._delivery.ended.connect(self._on_entered)
        self._delivery.start()

    def _on_entered(self) -> None:
        if self._delivery is not None:
            self._delivery.deleteLater()
        self._delivery = None
        self._restyle()
        self._on_outline()
        if self.modes.wants_reset_view:
            # In the same turn napari would fit the zoom of before.
            QTimer.singleShot(0, self._reset_view)
        self.changed.emit()

    def _reset_view(self) -> None:
        self._viewer.reset_view()

    def _on_row(self, name: str) -> None:
        if not name and self.modes.mode == "stack":  # which shows one in every case
            self._section.mark_row(self.modes.chosen or "")
        else:
            self.modes.show_only(name or None)

    def _on_looks(self) -> None:
        self._restyle()
        self._on_outline()

    def _restyle(self) -> None:
        """Give all layers the looks that are chosen, if they may have others."""
        looks = self.looks
        if looks == self._looks:
            return
        self._results.restyle(looks)
        for view in own_layers(self._viewer, "view"):
            if isinstance(view, Image) and _shows_heat(view):
                restyle(view, looks)
        # Layers that are still to come were begun with those of before.
        begun = self._job is not None or self._delivery is not None
        self._looks = None if begun else looks

    def _on_outline(self) -> None:
        shown = bool(self._section.outline.value)
        overlay = self.modes.mode == "overlay"
        for layer in own_layers(self._viewer, "region" if overlay else "view"):
            if isinstance(layer, Labels):
                assign(layer, visible=shown)

    def _on_save(self) -> None:
        path, _filter = QFileDialog.getSaveFileName(
            self._section, "Save the explanation", "explanation.sgc.zarr", "Folder (*.sgc.zarr)"
        )
        if path:
            self.save(Path(path))

    def _on_figure(self) -> None:
        path, _filter = QFileDialog.getSaveFileName(
            self._section,
            "Save a figure",
            "heatmaps.png",
            f"Picture ({' '.join(f'*{ending}' for ending in PICTURES)})",
        )
        if path:
            self.save_figure(Path(path))

    def save(self, path: Path) -> None:
        """Write the explanation to a folder ``*.sgc.zarr``."""
        asked = self._answer
        if asked is None:
            return
        if not path.name.endswith(".sgc.zarr"):
            path = path.with_name(f"{path.name.removesuffix('.zarr')}.sgc.zarr")
        self._write(path, lambda: asked.explanation.save(path))

    def save_figure(self, path: Path) -> None:
        """Write a picture of all heatmaps."""
        asked = self._answer
        if asked is None:
            return
        if path.suffix.lower() not in PICTURES:  # a point in a name begins no ending
            path = path.with_name(f"{path.name}.png")
        self._write(path, lambda: draw_figure(asked, path))

    def _write(self, path: Path, write: Any) -> None:
        def work(_progress: Progress, _cancel: Cancel) -> Path:
            write()
            return path

        if self._writing is not None:
            self._section.problem.say("A file is being written; save this one after it.", "warning")
            return
        self._section.problem.say(f"Writing {path.name}…", "hint")
        self._section.show_writing(True)
        # Kept apart from what modes need, which is given up for another mode.
        self._writing = Job(f"writing {path.name}", work)
        self._writing.succeeded.connect(self._on_written)
        self._writing.failed.connect(self._on_failed)
        self._writing.ended.connect(self._on_writing_ended)
        self._writing.start()

    def _on_written(self, path: Path) -> None:
        self._section.problem.say(f"Saved {path}", "hint")

    def _on_writing_ended(self) -> None:
        self._writing = None
        self._section.show_writing(False)

    def _on_failed(self, error: Exception) -> None:
        self._section.problem.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            notifications.show_error(f"The heatmaps could not be shown or saved: {error}")

    def _on_ended(self) -> None:
        self._job = None
        self.changed.emit()


def _shows_heat(view: Image) -> bool:
    """Whether a compare mode's image layer shows heatmaps, not the image below them."""
    key: str = (marker_of(view) or {}).get("key", "")
    return key.startswith(("heatmap", "stack"))


def _row(heatmap: Any, looks: ResultSettings) -> ResultRow:
    """What the table says of a heatmap, or of its signed map, which nothing truncates."""
    largest = shown_largest(heatmap, looks)
    if looks.signed:
        return ResultRow(heatmap.name, largest, None if largest else heatmap.empty, signed=True)
    return ResultRow(heatmap.name, largest, heatmap.empty, heatmap.kept_share, heatmap.note)


def _first_to_show(explanation: Any) -> str:
    """Return the bottleneck, which the paper shows, or the deepest of what was asked."""
    names: list[str] = list(explanation.layers)
    deepest = max(names, key=lambda name: explanation[name].layer.level)
    return next((n for n in names if explanation[n].layer.role == "bottleneck"), deepest)


def draw_figure(result: Answer, path: Path) -> None:
    """Draw all heatmaps of an answer over its image; runs in a thread."""
    from ..store.figure import save_figure

    explanation, question = result.explanation, result.question
    asked, classes = explanation.record["question"], explanation.record["network"]["classes"]
    extent = extent_in_words(asked)
    facts = [question.plan.name, question.opened.network.name, score_in_words(asked, classes)]
    save_figure(
        path,
        explanation.image,
        explanation.mask,
        list(explanation.values()),
        f"{method_in_words(asked)}: {explanation.class_name} in {explanation.region_size:,} pixels",
        subtitle=", ".join([*facts, f"truncated to {extent}"] if extent else facts),
    )


def in_words(explanation: Any, signed: bool = False) -> str:
    """What was asked, in a sentence; signed maps are not truncated."""
    asked, classes = explanation.record["question"], explanation.record["network"]["classes"]
    extent = "" if signed else extent_in_words(asked)
    words = (
        f"{method_in_words(asked)} of the {score_in_words(asked, classes)}:"
        f" {explanation.class_name} in {explanation.region_size:,} px"
    )
    return f"{words}, truncated to {extent}" if extent else words
