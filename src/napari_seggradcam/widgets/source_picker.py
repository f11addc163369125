"""The fields that choose one source of a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .fields import beside, combo, number, refill
from .message import Message
from .region_source import Source

_TEXTS = {
    "pixel": "One pixel (Ctrl-click)",
    "image": "Whole image",
    "class": "Predicted class",
    "false positives": "False positives",
    "false negatives": "False negatives",
}
_ERRORS = ("false positives", "false negatives")


class SourcePicker(QWidget):
    """A list of layers and the other sources, and the label or class that is meant.

    Signals
    -------
    changed()
        Another source is meant.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Any] = []
        self._classes: list[str] = []
        self.pixel: tuple[int, ...] | None = None
        self.what = combo("Region from", self._choices, "Where the pixels of the region come from")
        self.extent = combo(
            "Labels that count",
            (("All labels", "all"), ("One label", "one")),
            "Every labelled pixel, or those of one label only",
        )
        self.label = number("Label", "The label whose pixels are the region", low=1)
        self.predicted = combo(
            "Predicted class",
            lambda _widget: [(name, index) for index, name in enumerate(self._classes)],
            "The region is every pixel that the network predicts as this class, or what is wrong"
            " there",
        )
        self.truth = combo(
            "Ground truth",
            lambda _widget: [(layer.name, layer) for layer in self._labels],
            "The Labels layer that says which class every pixel truly is. A label is the index of"
            " a class: 0 is the first one, and where nothing is painted.",
        )
        self.meaning = Message(level="hint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addWidget(self.what.native)
        column.addLayout(beside(self.extent.native, self.label.native))
        for widget in (self.predicted.native, self.truth.native, self.meaning):
            column.addWidget(widget)
        for field in (self.what, self.extent, self.label, self.predicted, self.truth):
            field.changed.connect(self._on_changed)
        self._show_fields()

    def _choices(self, _widget: Any) -> list[tuple[str, Any]]:
        layers = [(layer.name, layer) for layer in self._layers]
        return layers + [(text, kind) for kind, text in _TEXTS.items()]

    @property
    def _labels(self) -> list[Any]:
        return [layer for layer in self._layers if isinstance(layer, Labels)]

    @property
    def source(self) -> Source:
        """The source that is meant."""
        what = self.what.value
        if what == "pixel":
            return Source("pixel", pixel=self.pixel)
        if what == "class":
            return Source("class", value=self.predicted.value)
        if what == "image":
            return Source("image")
        if what in _ERRORS:
            return Source(what, layer=self.truth.value, value=self.predicted.value)
        one = isinstance(what, Labels) and self.extent.value == "one"
        return Source("layer", layer=what, value=self.label.value if one else None)

    def offer_layers(self, layers: Sequence[Any]) -> None:
        """Offer these Labels, Shapes and Points layers; the choice stays if it can."""
        before, truth = self.what.value, self.truth.value
        self._layers = list(layers)
        refill(self.what, before)
        refill(self.truth, truth)
        self._show_fields()
        other_truth = self.what.value in _ERRORS and self.truth.value is not truth
        if self.what.value is not before or other_truth:
            self.changed.emit()

    def offer_classes(self, classes: Sequence[str]) -> None:
        """Offer the classes of a network."""
        self._classes = list(classes)
        refill(self.predicted, self.predicted.value)
        self._show_fields()

    def choose_layer(self, layer: Any) -> None:
        """Take the region from this layer."""
        self.what.value = layer

    def choose_pixel(self, pixel: tuple[int, ...]) -> None:
        """Take one pixel as the region."""
        self.pixel = pixel
        with self.what.changed.blocked():
            self.what.value = "pixel"
        self._on_changed()

    def _on_changed(self, _value: Any = None) -> None:
        self._show_fields()
        self.changed.emit()

    def _show_fields(self) -> None:
        what = self.what.value
        labels = isinstance(what, Labels)
        self.extent.native.setVisible(labels)
        self.label.native.setVisible(labels and self.extent.value == "one")
        wrong = isinstance(what, str) and what in _ERRORS
        self.predicted.native.setVisible(wrong or what == "class")
        self.truth.native.setVisible(wrong)
        self.meaning.say(self._meaning() if wrong else "", "hint")

    def _meaning(self) -> str:
        """Which label of the ground truth is the class."""
        chosen = self.predicted.value
        if not self._labels:
            return "Open the ground truth as a Labels layer; a label is the index of a class."
        if chosen is None:
            return "A label is the index of a class."
        return f"Label {chosen} of the layer is taken for {self._classes[chosen]}."
