"""Section 1: which image, and which part of it the network will see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .channel_rows import ChannelRows
from .fields import FieldGrid, beside, button, combo, refill
from .message import Message
from .section import Section


class ImageSection(Section):
    """Follows the active image layer until a person pins one.

    Signals
    -------
    layer_changed(object)
        Another image layer is meant, or None.
    channel_axis_changed(object)
        Another axis holds the channels; None if none does.
    channel_layers_changed()
        Another layer holds one of the channels.
    sample_requested()
        A person wants to try the sample image.
    """

    layer_changed = Signal(object)
    channel_axis_changed = Signal(object)
    channel_layers_changed = Signal()
    sample_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(1, "Image", parent)
        self._layers: list[Any] = []
        self._shown: Any = None
        self._axes: list[tuple[str, Any]] = []
        self._build_empty_state()
        self._build_fields()
        self.show_layers([], None)

    def _build_empty_state(self) -> None:
        self.empty = QWidget()
        column = QVBoxLayout(self.empty)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(
            Message(
                "No image is open. Open one of yours, or begin with the sample: a"
                " fluorescence image, a drawn region and a network that fits.",
                "hint",
            )
        )
        self.sample_button = button(
            "Open the nuclei sample",
            "The same as File > Open Sample > napari-seggradcam > Nuclei",
            self.sample_requested.emit,
        )
        column.addWidget(self.sample_button)
        self.rows.addWidget(self.empty)

    def _build_fields(self) -> None:
        self.layer = combo(
            "Image layer",
            lambda _widget: [(layer.name, layer) for layer in self._layers],
            "The image that the question is about; choosing one pins it",
        )
        self.layer.changed.connect(self._on_layer_chosen)
        self.pin = button("Pin", "Stay with this image when another layer becomes active")
        self.pin.setCheckable(True)
        self.axis = combo(
            "Channel axis",
            lambda _widget: self._axes,
            "The axis of the image that holds the network's input channels",
        )
        self.axis.changed.connect(lambda value: self.channel_axis_changed.emit(value))
        self.channels = ChannelRows()
        self.channels.chosen.connect(self._on_channel_chosen)
        self.sentence = Message(level="hint")
        self.fields = QWidget()
        grid = FieldGrid()
        grid.add("Layer", beside(self.layer.native, self.pin, stretch=(1, 0)))
        self._axis_label = grid.add("Channels", self.axis.native)
        column = QVBoxLayout(self.fields)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(grid)
        column.addWidget(self.channels)
        column.addWidget(self.sentence)
        self.rows.addWidget(self.fields)
        self.offer_axes([])

    @property
    def offered(self) -> tuple[Any, ...]:
        """The image layers to choose from."""
        return tuple(self._layers)

    @property
    def current(self) -> Any:
        """The image layer that is meant, or None."""
        return self.layer.value if self._layers else None

    @property
    def channel_axis(self) -> Any:
        """The chosen channel axis, or None where there is no choice."""
        return self.axis.value if self._axes else None

    @property
    def pinned(self) -> bool:
        """Whether the active layer is followed no more."""
        return self.pin.isChecked()

    def show_layers(self, layers: Sequence[Any], active: Any) -> None:
        """Offer these image layers; the active one is chosen unless one is pinned.

        Parameters
        ----------
        layers : sequence of napari.layers.Image
            In the order of the viewer's list.
        active : napari.layers.Image or None
            The active layer, if it is an image.
        """
        before = self.current
        self._layers = list(layers)
        if self.pinned and before not in self._layers:
            self.pin.setChecked(False)
        follows = not self.pinned and active in self._layers
        refill(self.layer, active if follows else before)
        self.empty.setVisible(not self._layers)
        self.fields.setVisible(bool(self._layers))
        self._announce()

    def choose(self, layer: Any) -> None:
        """Choose a layer from outside, without pinning it."""
        with self.layer.changed.blocked():
            self.layer.value = layer
        self._announce()

    def offer_axes(self, axes: Sequence[tuple[str, Any]]) -> None:
        """Offer a choice of channel axes; an empty one hides the field.

        Parameters
        ----------
        axes : sequence of (str, int or None)
            Text and value of each choice; the value stays if it is still offered.
        """
        before = self.channel_axis
        self._axes = list(axes)
        refill(self.axis, before)
        for widget in (self._axis_label, self.axis.native):
            widget.setVisible(bool(self._axes))

    def say(self, sentence: str) -> None:
        """Say which plane and channels will be used."""
        self.sentence.say(sentence, "hint")

    def _on_layer_chosen(self, _layer: Any) -> None:
        self.pin.setChecked(True)
        self._announce()

    def _on_channel_chosen(self) -> None:
        self.pin.setChecked(True)
        self.channel_layers_changed.emit()

    def _announce(self) -> None:
        if self.current is not self._shown:
            self._shown = self.current
            self.layer_changed.emit(self._shown)
