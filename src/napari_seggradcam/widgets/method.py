"""The part of section 4 that says how is asked: method, score, and what heatmaps keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ..explain.words import method_title
from .fields import LABEL_WIDTH, FieldGrid, combo, percent, refill, value_field
from .how import How, Truncation
from .message import Message

if TYPE_CHECKING:
    from ..explain.methods.described import MethodFacts

ALL_OTHERS = -1
SCORES = (
    ("Logit", "logit", "The class's logit y_c, as in the paper."),
    (
        "Margin",
        "margin",
        "How far the class is ahead: y_c minus the log of the summed exponentials of all other"
        " logits, or minus the logit of one other class.",
    ),
    ("Log-probability", "log-probability", "The logarithm of the class's probability."),
    (
        "Probability",
        "probability",
        "The class's probability, which the code that the paper's authors released"
        " differentiates. Where the network is sure, its gradient is near zero.",
    ),
)
REDUCTIONS = (
    ("Sum", "sum", "The pixels' scores are added up, as in the paper."),
    (
        "Mean",
        "mean",
        "The mean of the pixels' scores, so that regions of different size can be compared;"
        " of two regions against each other both count alike.",
    ),
)
EXTENTS = (
    ("Whole heatmap", "whole", "Nothing is cut off, as in the paper."),
    (
        "Support",
        "support",
        "Positions with a gradient: exactly those that the score depends on.",
    ),
    (
        "Share of mass",
        "mass",
        "The smallest set of positions that has this share of the sum of |gradient times feature"
        " map|.",
    ),
    ("Distance", "distance", "Positions no further from the region than the network sees."),
)
_MOST_OPTIONS = 16  # rows above the score's
NEEDS_RUN = "This method is not made of the kept gradients: press Run."


class MethodFields(QWidget):
    """Fields of method, score and extent, which fold into one line.

    Parameters
    ----------
    begin : How
        What they show at first.

    Signals
    -------
    changed()
        Something else is to be asked.
    """

    changed = Signal()

    def __init__(self, begin: How, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._methods: dict[str, MethodFacts] = {}
        self._classes: list[str] = []
        self._begin = begin.method
        # By method and option, so that a method that is chosen again has its values of before.
        self._options: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, list[tuple[QWidget, QWidget]]] = {}
        self.header = QPushButton()
        self.header.setObjectName("sgc_subheader")
        self.header.setCheckable(True)
        self.header.setCursor(Qt.CursorShape.PointingHandCursor)
        self.header.setAccessibleName("Method: show or hide")
        self.header.toggled.connect(self._on_toggled)
        self.summary = Message(level="hint")
        self._make_fields(begin)
        self._lay_out()
        self._on_toggled(False)
        self._on_method(self.method.value)
        for field in (self.score, self.versus, self.reduce, self.extent, self.share):
            field.changed.connect(self._on_changed)
        self.method.changed.connect(self._on_method)

    def _make_fields(self, begin: How) -> None:
        self.method = combo("Method", self._method_choices, "", begin.method)
        self.score = _told_combo("Score", SCORES, begin.score)
        self.versus = combo(
            "Against class",
            lambda _widget: [
                ("All others", ALL_OTHERS),
                *((name, index) for index, name in enumerate(self._classes)),
            ],
            "The class that the margin is asked against",
        )
        self.reduce = _told_combo("Over the region", REDUCTIONS, begin.reduce)
        extent = "whole" if begin.truncate is None else begin.truncate
        self.extent = _told_combo("Extent", EXTENTS, extent)
        self.share = percent("Share of the mass", "How much of the mass is kept, in percent", 95.0)
        self.again = Message(level="hint")

    def _lay_out(self) -> None:
        self.body = QWidget()
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        # The names of methods are long, and the header says that they are methods.
        column.addWidget(self.method.native)
        column.addWidget(self.again)
        # One grid, so that all labels have one width; a method's options come when it is chosen.
        self._grid, below = FieldGrid(), _MOST_OPTIONS
        self._grid.add("Score", self.score.native, below)
        self._against = self._grid.add("Against", self.versus.native)
        self._grid.add("Region", self.reduce.native)
        self._grid.add("Extent", self.extent.native)
        self._share_label = self._grid.add("Share", self.share.native)
        column.addLayout(self._grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for widget in (self.header, self.summary, self.body):
            layout.addWidget(widget)

    @property
    def how(self) -> How:
        """What the fields say."""
        margin = self.score.value == "margin" and self.versus.value != ALL_OTHERS
        return How(
            method=self.method.value,
            options={name: box.value for name, box in self._boxes().items()},
            score=self.score.value,
            versus=self.versus.value if margin else None,
            reduce=self.reduce.value,
            truncate=self._truncate,
        )

    @property
    def at_once(self) -> bool:
        """Whether the method needs no pass where the gradients are there."""
        facts = self._methods.get(self.method.value)
        return facts is not None and facts.at_once

    @property
    def _truncate(self) -> Truncation:
        extent: str = self.extent.value
        if extent == "mass":
            return extent, round(self.share.value / 100, 4)
        return None if extent == "whole" else extent

    def offer_methods(self, methods: Sequence[MethodFacts]) -> None:
        """Offer the methods that there are; the choice stays."""
        if tuple(self._methods.values()) == tuple(methods):
            return
        chosen = self.method.value
        self._methods = {facts.name: facts for facts in methods}
        refill(self.method, chosen)
        for index, facts in enumerate(methods):
            self.method.native.setItemData(index, facts.what, Qt.ItemDataRole.ToolTipRole)
        self._on_method(self.method.value)

    def offer_classes(self, classes: Sequence[str]) -> None:
        """Offer the classes of a network to ask against; the choice stays if its name is there."""
        chosen, names = self.versus.value, self._classes
        name = names[chosen] if isinstance(chosen, int) and 0 <= chosen < len(names) else None
        self._classes = list(classes)
        refill(self.versus, self._classes.index(name) if name in self._classes else ALL_OTHERS)
        self._say()

    def _method_choices(self, _widget: Any) -> list[tuple[str, str]]:
        if not self._methods:  # known when a network is open, which brings torch
            return [(method_title(self._begin), self._begin)]
        return [(facts.title, facts.name) for facts in self._methods.values()]

    def _boxes(self) -> dict[str, Any]:
        return self._options.get(self.method.value, {})

    def _on_method(self, name: str) -> None:
        facts = self._methods.get(name)
        if facts is not None and name not in self._options:
            self._options[name] = self._make_options(facts)
        self._show_options(name)
        self.method.native.setToolTip("" if facts is None else facts.what)
        self.again.say("" if facts is None or facts.at_once else NEEDS_RUN, "hint")
        self._on_changed()

    def _make_options(self, facts: MethodFacts) -> dict[str, Any]:
        boxes = {}
        for option in facts.options:
            box = value_field(option.name, option.what, option.kind, option.default, option.choices)
            if box is not None:
                box.changed.connect(self._on_changed)
                boxes[option.name] = box
        self._rows[facts.name] = [
            (self._label(option, box, row), box.native)
            for row, (option, box) in enumerate(boxes.items())
        ]
        return boxes

    def _label(self, option: str, box: Any, row: int) -> QWidget:
        """Add an option to the grid; a long name takes two lines rather than the values' room."""
        label = self._grid.add(option.replace("_", " ").capitalize(), box.native, row)
        label.setWordWrap(True)
        label.setMaximumWidth(LABEL_WIDTH)
        return label

    def _show_options(self, name: str) -> None:
        for method, rows in self._rows.items():
            for row in rows:
                for widget in row:
                    widget.setVisible(method == name)

    def _on_changed(self, _value: Any = None) -> None:
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        margin = self.score.value == "margin"
        self._against.setVisible(margin)
        self.versus.native.setVisible(margin)
        mass = self.extent.value == "mass"
        self._share_label.setVisible(mass)
        self.share.native.setVisible(mass)
        for box, told in ((self.score, SCORES), (self.reduce, REDUCTIONS), (self.extent, EXTENTS)):
            box.native.setToolTip(next(what for _, value, what in told if value == box.value))
        self._show_summary()

    def _show_summary(self) -> None:
        folded = not self.header.isChecked()
        self.summary.say(self.how.in_words(self._classes) if folded else "", "hint")

    def _on_toggled(self, shown: bool) -> None:
        self.header.setText(f"{'▾' if shown else '▸'}  Method")
        self.body.setVisible(shown)
        self._show_summary()


def _told_combo(name: str, told: Sequence[tuple[str, str, str]], value: Any) -> Any:
    """ComboBox whose entries say what they mean."""
    box = combo(name, [(text, word) for text, word, _ in told], "", value)
    for index, (_, _, what) in enumerate(told):
        box.native.setItemData(index, what, Qt.ItemDataRole.ToolTipRole)
    return box
