"""Asks what a network file does not tell: what builds its module, and how values are normalised."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from . import value_choices
from .fields import FieldGrid, combo, line, number, refill
from .message import Message

_AXES = (("2D images (CYX)", "CYX"), ("3D volumes (CZYX)", "CZYX"))
_BARE = (
    "{title} holds numbers and no architecture. Say which function builds the network that they"
    " belong to; it is imported and run."
)
_UNTOLD = (
    "{title} does not tell how raw values were normalised in training. Your answer is kept with it."
)


class OpeningDialog(QDialog):
    """Asks for what is missing, and shows what it would make of the current image.

    Parameters
    ----------
    title : str
        Name of the file.
    channels : int or None
        Channels that the network takes; None: not known, and neither is what builds it.
    outputs : sequence of str
        Which outputs it has, if there are several.
    preview : callable
        Takes a name in `value_choices.choices` and returns what becomes of the current image;
        empty without one.
    parent : QWidget
        Gives the dialog its theme.
    """

    def __init__(
        self,
        title: str,
        channels: int | None = None,
        outputs: Sequence[str] = (),
        preview: Callable[[str], str] = lambda _kind: "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Open {title}")
        self._bare = channels is None
        self._preview = preview
        self._several = len(outputs) > 1
        self.factory = line(
            "Factory", "Function or class that builds the module", "package.module:function"
        )
        self.kwargs = line("Arguments", "Its keyword arguments as JSON", '{"in_channels": 1}')
        self.axes = combo("Axes", _AXES, "What the network takes", "CYX")
        self.channels = number("Channels", "Channels of the image", low=1, value=channels or 1)
        self.classes = line("Classes", "Names in order, by commas", "background, nucleus")
        self.output = combo(
            "Output", [(name, name) for name in outputs], "Which output is explained"
        )
        self.values = combo(
            "Values",
            lambda _widget: value_choices.choices(self.channels.value),
            "What was done to raw values in training",
        )
        self.preview = Message(level="hint")
        self.problem = Message()
        self._lay_out(title)
        self.values.changed.connect(self._on_values)
        self.channels.changed.connect(self._on_channels)
        self._on_values()

    def _lay_out(self, title: str) -> None:
        column = QVBoxLayout(self)
        column.addWidget(Message((_BARE if self._bare else _UNTOLD).format(title=title)))
        grid = FieldGrid()
        if self._bare:
            grid.add("Factory", self.factory.native)
            grid.add("Arguments", self.kwargs.native)
            grid.add("Takes", self.axes.native)
            grid.add("Channels", self.channels.native)
        grid.add("Values", self.values.native)
        grid.add("", self.preview)
        grid.add("Classes", self.classes.native)
        if self._several:
            grid.add("Output", self.output.native)
        column.addLayout(grid)
        column.addWidget(self.problem)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self._on_accepted)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self.setMinimumWidth(420)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of ``open_network``; what was left empty is left out."""
        normalisation = value_choices.description(self.values.value, self.channels.value)
        options: dict[str, Any] = {"normalisation": normalisation}
        if self._bare:
            options |= {"axes": self.axes.value, "channels": self.channels.value}
        if self.factory.value.strip():
            options["factory"] = self.factory.value.strip()
        if self.kwargs.value.strip():
            options["kwargs"] = json.loads(self.kwargs.value)
        names = [name.strip() for name in self.classes.value.split(",") if name.strip()]
        if names:
            options["classes"] = names
        if self._several:
            options["output"] = self.output.value
        return options

    def _on_values(self, _kind: Any = None) -> None:
        self.preview.say(self._preview(self.values.value), "hint")

    def _on_channels(self, _channels: int) -> None:
        refill(self.values, self.values.value)

    def _on_accepted(self) -> None:
        try:
            given = self.options.get("kwargs", {})
        except ValueError as error:
            self.problem.say(f"The arguments are no JSON: {error}", "error")
            return
        if not isinstance(given, dict):
            self.problem.say(
                'The arguments must be a JSON object like {"in_channels": 1}.', "error"
            )
            return
        if self._bare and "factory" not in self.options:
            self.problem.say("Name the function that builds the network.", "error")
            return
        self.accept()
