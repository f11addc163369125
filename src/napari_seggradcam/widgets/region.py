"""Section 3: the region that the question is about, and the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from .fields import FieldGrid, button, combo, number, refill
from .message import Message
from .region_source import RegionChoice
from .section import Section
from .source_picker import SourcePicker

_OPERATIONS = (
    ("nothing else", "none"),
    ("union with", "union"),
    ("intersection with", "intersection"),
    ("without", "difference"),
    ("against (contrast)", "contrast"),
    ("only its border", "border"),
)
_MEANINGS = {
    "contrast": "Pixels of the first count for the class, those of the second against it.",
    "border": "Pixels just inside count for the class, those just outside against it.",
}
PREDICTED = "predicted"


class RegionSection(Section):
    """One source or two, the number of pixels, and the class.

    Signals
    -------
    region_changed()
        The region comes from somewhere else.
    target_changed()
        Another class is asked about.
    new_region_requested()
        A person wants an empty Labels layer to draw in.
    """

    region_changed = Signal()
    target_changed = Signal()
    new_region_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(3, "Region", parent)
        self._classes: list[str] = []
        self.first = SourcePicker()
        self.second = SourcePicker()
        self.operation = combo(
            "Combine",
            _OPERATIONS,
            "Put a second source together with the first, ask what speaks for the class in the"
            " first and not in the second, or what makes it end at the border",
            "none",
        )
        self.border_width = number(
            "Width of the border", "Of the border to either side, in pixels", 1, 1, 1000
        )
        self.border_width.native.setKeyboardTracking(False)
        self.meaning = Message(level="hint")
        self.target = combo(
            "Class",
            lambda _widget: [
                ("As predicted", PREDICTED),
                *((name, index) for index, name in enumerate(self._classes)),
            ],
            "The class whose score is explained; as predicted: the most frequent one in the region",
        )
        self.new_button = button(
            "New region to paint",
            "Add an empty Labels layer that lies on the image, ready to paint",
            self.new_region_requested.emit,
        )
        self.readout = Message()
        self.hint = Message("Ctrl-click the image to ask about one pixel at once.", "hint")
        self._lay_out()
        self.first.changed.connect(self.region_changed)
        self.second.changed.connect(self.region_changed)
        self.operation.changed.connect(self._on_operation)
        self.border_width.changed.connect(lambda _value: self.region_changed.emit())
        self.target.changed.connect(lambda _value: self.target_changed.emit())
        self._show_second()

    def _lay_out(self) -> None:
        grid = FieldGrid()
        grid.add("From", self.first)
        grid.add("And", self.operation.native)
        self._width_label = grid.add("Width", self.border_width.native)
        self._second_label = grid.add("", self.second)
        self._meaning_label = grid.add("", self.meaning)
        grid.add("Pixels", self.readout)
        grid.add("Class", self.target.native)
        self.rows.addLayout(grid)
        self.problem = Message()
        self.rows.addWidget(self.problem)
        self.rows.addWidget(self.new_button)
        self.rows.addWidget(self.hint)

    @property
    def choice(self) -> RegionChoice:
        """What the region is made of."""
        return RegionChoice(
            self.first.source, self.operation.value, self.second.source, self.border_width.value
        )

    @property
    def target_value(self) -> int | str:
        """The class index, or "predicted"."""
        value: int | str = self.target.value
        return value

    def offer_layers(self, layers: Sequence[Any]) -> None:
        """Offer layers as sources."""
        self.first.offer_layers(layers)
        self.second.offer_layers(layers)

    def offer_classes(self, classes: Sequence[str]) -> None:
        """Offer the classes of a network; the target stays if its name is there too."""
        chosen = self.target.value
        name = self._classes[chosen] if isinstance(chosen, int) else None
        self._classes = list(classes)
        refill(self.target, self._classes.index(name) if name in self._classes else PREDICTED)
        self.first.offer_classes(classes)
        self.second.offer_classes(classes)

    def follow_label(self, layer: Any) -> None:
        """Take over the label that was picked in a layer, where one label is meant."""
        for picker in (self.first, self.second):
            if picker.what.value is layer and layer.selected_label > 0:
                picker.label.value = layer.selected_label

    def show_size(self, pixels: int, against: int, total: int) -> None:
        """Show how many pixels count for the class, and how many against it."""
        if against:
            self.readout.say(f"{pixels:,} px against {against:,} px")
        else:
            share = 100 * pixels / total
            shown = f"{share:.2f}" if share >= 0.005 else f"{share:.1g}"
            self.readout.say(f"{pixels:,} px ({shown} %)")
        self.problem.clear()

    def show_unknown(self, why: str) -> None:
        """Say why there is no number of pixels; an empty text shows a dash."""
        self.readout.say(why or "–", "hint")
        self.problem.clear()

    def show_problem(self, why: str) -> None:
        """Say what is wrong with the region."""
        self.readout.say("–", "hint")
        self.problem.say(why, "warning")

    def _on_operation(self, _value: str) -> None:
        self._show_second()
        self.region_changed.emit()

    def _show_second(self) -> None:
        operation: str = self.operation.value
        self._width_label.setVisible(operation == "border")
        self.border_width.native.setVisible(operation == "border")
        self.meaning.say(_MEANINGS.get(operation, ""), "hint")
        self._meaning_label.setVisible(operation in _MEANINGS)
        combined = operation not in ("none", "border")
        self._second_label.setVisible(combined)
        self.second.setVisible(combined)
