"""Section 2: the network, its card, its device and its own answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QMenu,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from .fields import FieldGrid, beside, button, combo, refill
from .message import TOP_LEFT, Message, WrappedLabel
from .network_source import NetworkSource, titles
from .section import Section

OPEN = "open"
OPEN_FOLDER = "open folder"
NONE = "none"


@dataclass(frozen=True)
class Card:
    """What the section shows of an opened network; plain values, no torch."""

    architecture: str
    parameters: int
    classes: tuple[str, ...]
    colours: tuple[str, ...]
    channels: int
    channel_names: tuple[str, ...] | None
    ndim: int
    sizes: str
    normalisation: str
    layers: str
    reach: str
    format: str
    check: str
    notices: tuple[str, ...]
    path: str
    sha256: str


class NetworkSection(Section):
    """Choose, open, unload; the card; Predict and Logits.

    Signals
    -------
    network_chosen(object)
        A :class:`~.network_source.NetworkSource` is to be opened, or None.
    open_requested(), open_folder_requested()
        A person wants to choose a file or a folder.
    device_changed(str)
        The network is to compute somewhere else.
    unload_requested(), predict_requested()
        The buttons.
    logits_requested(int)
        The logit map of this class is wanted.
    """

    network_chosen = Signal(object)
    open_requested = Signal()
    open_folder_requested = Signal()
    unload_requested = Signal()
    device_changed = Signal(str)
    predict_requested = Signal()
    logits_requested = Signal(int)

    def __init__(self, device: str = "auto", parent: QWidget | None = None) -> None:
        super().__init__(2, "Network", parent)
        self._sources: list[tuple[str, NetworkSource | str]] = []
        self._chosen: NetworkSource | None = None
        self._devices = [(name, name) for name in dict.fromkeys(("auto", "cpu", device))]
        self._build_choice(device)
        self._build_card()
        self._build_answers()
        self.problem = Message()
        self.rows.addWidget(self.problem)
        self.misfit = Message()
        self.rows.addWidget(self.misfit)
        self.offer([], None)
        self.show_card(None)

    def _build_choice(self, device: str) -> None:
        self.source = combo(
            "Network",
            lambda _widget: self._sources,
            "The segmentation network to explain. Open… takes a file of any format in the"
            " documentation: PyTorch, TorchScript, BioImage.IO, ONNX and others",
        )
        self.source.changed.connect(self._on_source)
        self.device = combo(
            "Device",
            lambda _widget: self._devices,
            "Where the network computes; auto takes a graphics card if there is one",
            device,
        )
        self.device.changed.connect(lambda name: self.device_changed.emit(name))
        self.unload_button = button(
            "Unload", "Forget the network and free its memory", self.unload_requested.emit
        )
        grid = FieldGrid()
        grid.add("File", self.source.native)
        grid.add("Device", beside(self.device.native, self.unload_button, stretch=(1, 0)))
        self.rows.addLayout(grid)
        # One that moves by itself would have napari's canvas drawn again with every step, which
        # takes more time than opening does where no graphics card draws.
        self.busy = QProgressBar()
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(4)
        self.busy.hide()
        self.rows.addWidget(self.busy)
        self.state = Message(level="hint")
        self.rows.addWidget(self.state)

    def _build_card(self) -> None:
        self.card = QFrame()
        self.card.setObjectName("sgc_card")
        self.architecture = _card_label()
        grid = FieldGrid()
        grid.setVerticalSpacing(3)
        grid.setColumnMinimumWidth(0, 52)
        self._values: dict[str, QLabel] = {}
        self._labels: dict[str, QLabel] = {}
        for name in (
            "Size",
            "Input",
            "Values",
            "Classes",
            "Layers",
            "Reach",
            "Format",
            "Check",
            "File",
        ):
            self._values[name] = _card_label()
            self._labels[name] = grid.add(name, self._values[name])
            self._labels[name].setAlignment(TOP_LEFT)
        self._values["Classes"].setTextFormat(Qt.TextFormat.RichText)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(5)
        column.addWidget(self.architecture)
        column.addLayout(grid)
        self.notices = Message(level="hint")
        column.addWidget(self.notices)
        self.rows.addWidget(self.card)

    def _build_answers(self) -> None:
        self.predict_button = button(
            "Predict",
            "Add the network's segmentation of the image as a Labels layer",
            self.predict_requested.emit,
        )
        self.logits_button = button(
            "Logits", "Add the map of one class's logit (the score before the softmax)"
        )
        self.logits_menu = QMenu(self.logits_button)
        self.logits_button.setMenu(self.logits_menu)
        self.answers = QWidget()
        self.answers.setLayout(beside(self.predict_button, self.logits_button))
        self.rows.addWidget(self.answers)

    def offer(self, sources: Sequence[NetworkSource], chosen: NetworkSource | None) -> None:
        """Fill the list of networks without asking to open any of them."""
        self._chosen = chosen
        self._sources = [("Choose a network…", NONE)]
        # Two of one text would be one choice.
        self._sources += list(zip(titles(sources), sources, strict=True))
        self._sources += [("Open…", OPEN), ("Open a folder…", OPEN_FOLDER)]
        refill(self.source, chosen or NONE)
        for row, source in enumerate(sources, 1):
            tip = Qt.ItemDataRole.ToolTipRole
            self.source.native.setItemData(row, source.path, tip)

    def offer_devices(self, devices: Sequence[str], best: str) -> None:
        """Offer what this machine has; a choice that it lacks becomes auto.

        Parameters
        ----------
        devices : sequence of str
            Names that torch knows.
        best : str
            What auto means here.
        """
        chosen = self.device.value
        self._devices = [(f"auto: {best}", "auto"), *((name, name) for name in devices)]
        refill(self.device, chosen if chosen in devices else "auto")

    def _on_source(self, source: NetworkSource | str) -> None:
        asking = {OPEN: self.open_requested, OPEN_FOLDER: self.open_folder_requested}
        if isinstance(source, str) and source in asking:
            # Nothing is open yet: the person may still cancel the dialog.
            refill(self.source, self._chosen or NONE)
            asking[source].emit()
        else:
            self.network_chosen.emit(None if source == NONE else source)

    def show_opening(self, title: str) -> None:
        """Say that a network is being opened."""
        self.show_card(None)
        self.problem.clear()
        self.show_progress(0, 1, f"Opening {title}")
        self.busy.show()

    def show_progress(self, done: int, total: int, what: str) -> None:
        """Say what is being done, and how many of all steps are behind it."""
        self.busy.setRange(0, total)
        self.busy.setValue(done)
        self.state.say(f"{what}…", "hint")

    def show_card(self, card: Card | None) -> None:
        """Show an opened network; None hides card and buttons."""
        self.busy.hide()
        for widget in (self.card, self.answers):
            widget.setVisible(card is not None)
        self.unload_button.setEnabled(card is not None)
        if card is None:
            self.state.say("Choose a network that comes along, or open your own.", "hint")
            return
        self.state.clear()
        channels = "1 channel" if card.channels == 1 else f"{card.channels} channels"
        if card.channel_names is not None:
            channels += f" ({', '.join(card.channel_names)})"
        self.architecture.setText(card.architecture)
        self._values["Size"].setText(f"{card.parameters:,} parameters")
        self._values["Input"].setText(f"{channels}, {card.ndim}D, {card.sizes}")
        self._values["Classes"].setText(_class_list(card.classes, card.colours))
        self._values["Values"].setText(card.normalisation)
        for name, text in (
            ("Layers", card.layers),
            ("Reach", card.reach),
            ("Format", card.format),
            ("Check", card.check),
            ("File", Path(card.path).name),
        ):
            self._values[name].setText(text)
            for widget in (self._values[name], self._labels[name]):
                widget.setVisible(bool(text))
        self._values["File"].setToolTip(f"{card.path}\nSHA-256 {card.sha256}")
        self.notices.say("\n\n".join(card.notices), "hint")
        self.logits_menu.clear()
        for index, name in enumerate(card.classes):
            action = self.logits_menu.addAction(name)
            action.triggered.connect(
                lambda _checked=False, index=index: self.logits_requested.emit(index)
            )

    def show_answering(self, running: bool, allowed: bool) -> None:
        """Reflect whether Predict and Logits can be asked for now."""
        self.predict_button.setText("Predicting…" if running else "Predict")
        for widget in (self.predict_button, self.logits_button):
            widget.setEnabled(allowed and not running)


def _card_label() -> WrappedLabel:
    label = WrappedLabel()
    label.setAlignment(TOP_LEFT)
    return label


def _class_list(classes: Sequence[str], colours: Sequence[Any]) -> str:
    """Return class names with a square of their colour, as rich text."""
    pairs = zip(classes, [*colours, *[None] * len(classes)], strict=False)
    shown = [
        (f'<span style="color:{colour}">■</span>&nbsp;' if colour else "")
        + escape(name).replace(" ", "&nbsp;")
        for name, colour in pairs
    ]
    return "  ".join(shown)
