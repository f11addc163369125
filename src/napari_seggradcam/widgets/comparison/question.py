"""Section 1 of the comparison dock: which regions, at which network layer, for which class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..fields import FieldGrid, button, combo, refill
from ..message import Message
from ..region import PREDICTED
from ..section import Section

LIKE_MAIN_DOCK = "main dock"


class ComparisonQuestionSection(Section):
    """What the main dock has, and what is asked of it here.

    Signals
    -------
    main_dock_requested()
        A person wants the main dock to be opened.
    changed()
        Another choice.
    """

    main_dock_requested = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(1, "What is compared", parent)
        self._layers: list[Any] = []
        self._network_layers: list[str] = []
        self._classes: list[str] = []
        self._build_empty_state()
        self._build_fields()
        self.show_main_dock(None)

    def _build_empty_state(self) -> None:
        self.empty = QWidget()
        column = QVBoxLayout(self.empty)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(
            Message("Image and network are those of the main dock. Open it first.", "hint")
        )
        self.open_button = button(
            "Open the main dock",
            "Open the dock Seg-Grad-CAM, which has the image and the network",
            self.main_dock_requested.emit,
        )
        column.addWidget(self.open_button)
        self.rows.addWidget(self.empty)

    def _build_fields(self) -> None:
        self.fields = QWidget()
        column = QVBoxLayout(self.fields)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        self.sentence = Message(level="hint")
        self.source = combo(
            "Regions from",
            lambda _widget: [(layer.name, layer) for layer in self._layers],
            "Labels: every value is a region. Points: the pixel under every point is a region.",
        )
        self.network_layer = combo(
            "Network layer",
            lambda _widget: self._network_layers,
            "Weights are compared at one network layer",
        )
        self.target = combo(
            "Class",
            lambda _widget: [
                ("As in main dock", LIKE_MAIN_DOCK),
                ("As predicted", PREDICTED),
                *((name, index) for index, name in enumerate(self._classes)),
            ],
            "The class whose score is explained; as predicted: of each region its own",
        )
        for field in (self.source, self.network_layer, self.target):
            field.changed.connect(lambda _value: self.changed.emit())
        grid = FieldGrid()
        grid.add("Regions", self.source.native)
        grid.add("Layer", self.network_layer.native)
        grid.add("Class", self.target.native)
        column.addWidget(self.sentence)
        column.addLayout(grid)
        self.no_source = Message(
            "Regions come from a Labels or Points layer: paint two labels, or add two points.",
            "hint",
        )
        column.addWidget(self.no_source)
        self.rows.addWidget(self.fields)

    @property
    def layer(self) -> Any:
        """The Labels or Points layer, or None."""
        return self.source.value if self._layers else None

    def show_main_dock(self, sentence: str | None) -> None:
        """Say what the main dock has; None where there is no main dock."""
        self.empty.setVisible(sentence is None)
        self.fields.setVisible(sentence is not None)
        self.sentence.say(sentence or "", "hint")

    def offer_layers(self, layers: Sequence[Any]) -> None:
        """Offer Labels and Points layers; the choice stays if it can."""
        self._layers = list(layers)
        refill(self.source, self.source.value)
        self.source.native.setEnabled(bool(layers))
        self.no_source.setVisible(not layers)

    def offer_network(
        self, network_layers: Sequence[str], first: str | None, classes: Sequence[str]
    ) -> None:
        """Offer the network layers and classes of a network; choices stay if they can.

        Parameters
        ----------
        network_layers : sequence of str
            Names.
        first : str or None
            The one to begin with.
        classes : sequence of str
            Names.
        """
        same = list(network_layers) == self._network_layers
        kept = self.network_layer.value if same else first
        self._network_layers = list(network_layers)
        refill(self.network_layer, kept)
        self.network_layer.native.setEnabled(bool(network_layers))
        target = self.target.value if list(classes) == self._classes else LIKE_MAIN_DOCK
        self._classes = list(classes)
        refill(self.target, target)
