"""Asks what a network file does not tell: what builds its module, and how values are normalised."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QDialogButtonBox, QVBoxLayout, QWidget

from ..errors import OptionError
from . import value_choices
from .dialog import Dialog
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
_EACH = "One number for all channels, or one per channel with commas between them"


class OpeningDialog(Dialog):
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
        Takes a normalisation in its JSON form and returns what becomes of the current image; empty
        without one.
    parent : QWidget
        Gives the dialog its theme.
    """

    def __init__(
        self,
        title: str,
        channels: int | None = None,
        outputs: Sequence[str] = (),
        preview: Callable[[value_choices.Description], str] = lambda _normalisation: "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(f"Open {title}", 420, parent)
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
        self.means = line("Means", f"Subtracted from raw values. {_EACH}", "0.28, 0.26, 0.27")
        self.deviations = line("Deviations", f"Divided by after that. {_EACH}", "0.24, 0.23, 0.25")
        self._given: list[QWidget] = []
        self.preview = Message(level="hint")
        self.problem = Message()
        self._lay_out(title)
        for field in (self.values, self.means, self.deviations):
            field.changed.connect(self._show_preview)
        self.channels.changed.connect(self._on_channels)
        self._show_preview()

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
        for name, field in (("Means", self.means), ("Deviations", self.deviations)):
            self._given += [grid.add(name, field.native), field.native]
        self._beside_preview = grid.add("", self.preview)
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

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of ``open_network``; what was left empty is left out.

        Raises
        ------
        OptionError
            If means and deviations are no numbers for the channels.
        ValueError
            If the arguments are no JSON.
        """
        options: dict[str, Any] = {"normalisation": self._normalisation}
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

    @property
    def _normalisation(self) -> value_choices.Description:
        return value_choices.description(
            self.values.value, self.channels.value, self.means.value, self.deviations.value
        )

    def _show_preview(self, _changed: Any = None) -> None:
        for widget in self._given:
            widget.setVisible(self.values.value == value_choices.GIVEN)
        try:
            said = self._preview(self._normalisation)
        except OptionError:
            said = ""  # somebody is still typing
        self.preview.say(said, "hint")
        self._beside_preview.setVisible(bool(said))
        self.problem.clear()
        self.fit()

    def _on_channels(self, _channels: int) -> None:
        refill(self.values, self.values.value)
        self._show_preview()

    def _on_accepted(self) -> None:
        problem = self._find_problem()
        if not problem:
            self.accept()
            return
        self.problem.say(problem, "error")
        self.fit()

    def _find_problem(self) -> str:
        """What is wrong with the answers; empty if nothing is."""
        try:
            options = self.options
        except OptionError as error:
            return str(error)
        except ValueError as error:
            return f"The arguments are no JSON: {error}"
        if not isinstance(options.get("kwargs", {}), dict):
            return 'The arguments must be a JSON object like {"in_channels": 1}.'
        if self._bare and "factory" not in options:
            return "Name the function that builds the network."
        return ""
