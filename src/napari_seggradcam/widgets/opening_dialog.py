"""What must be said about a file of bare weights before it can be opened."""

from __future__ import annotations

import json
from typing import Any

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from .fields import FieldGrid, combo, line, number
from .message import Message

_NORMALISATIONS = (
    ("Values as they are", "none"),
    ("Percentiles 1 to 99.8 to 0…1", "percentile"),
    ("Mean 0, standard deviation 1", "zero-mean-unit-variance"),
)
_AXES = (("2D images (CYX)", "CYX"), ("3D volumes (CZYX)", "CZYX"))


def needs_factory(path: str) -> bool:
    """Whether a file may be weights without an architecture, judged by its name and header.

    Parameters
    ----------
    path : str
        A network file. A native file is a safetensors file whose header names the
        architecture; everything else is asked about.
    """
    if not path.lower().endswith(".safetensors"):
        return True
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, 2**24)))
    except (OSError, ValueError):
        return False
    # The key of networks.formats.native, which can not be imported here: it loads torch.
    return "napari-seggradcam" not in header.get("__metadata__", {})


class OpeningDialog(QDialog):
    """Asks for the factory and for what the network expects.

    Parameters
    ----------
    title : str
        Name of the file.
    parent : QWidget
        Gives the dialog its theme.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Open {title}")
        self.factory = line(
            "Factory", "Function or class that builds the module", "package.module:function"
        )
        self.kwargs = line("Arguments", "Its keyword arguments as JSON", '{"in_channels": 1}')
        self.axes = combo("Axes", _AXES, "What the network takes", "CYX")
        self.channels = number("Channels", "Channels of the image", low=1)
        self.classes = line("Classes", "Names in order, by commas", "background, nucleus")
        self.normalisation = combo(
            "Values", _NORMALISATIONS, "What was done to raw values in training"
        )
        self.problem = Message()
        self._lay_out(title)

    def _lay_out(self, title: str) -> None:
        column = QVBoxLayout(self)
        column.addWidget(
            Message(
                f"{title} may hold numbers only. Say which function builds the network that"
                " they belong to; it is imported and run. Leave it empty for a whole saved"
                " module."
            )
        )
        grid = FieldGrid()
        for text, field in (
            ("Factory", self.factory),
            ("Arguments", self.kwargs),
            ("Takes", self.axes),
            ("Channels", self.channels),
            ("Classes", self.classes),
            ("Values", self.normalisation),
        ):
            grid.add(text, field.native)
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
        options: dict[str, Any] = {"axes": self.axes.value, "channels": self.channels.value}
        if self.factory.value.strip():
            options["factory"] = self.factory.value.strip()
        if self.kwargs.value.strip():
            options["kwargs"] = json.loads(self.kwargs.value)
        names = [name.strip() for name in self.classes.value.split(",") if name.strip()]
        if names:
            options["classes"] = names
        if self.normalisation.value != "none":
            options["normalisation"] = {"kind": self.normalisation.value}
        return options

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
        self.accept()
