"""Keeps the image section in step with the viewer, and the plan of what the network gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import SegGradCamError
from ..viewer.channel_layers import plan_layers, propose_layers, single_channel_layers
from ..viewer.inputs import InputPlan, channel_axis_choices, plan_input
from . import value_choices
from .connections import Connections
from .image import ImageSection
from .network import NetworkSection

KEY = "napari_seggradcam"
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "data")
_SETTLE_MS = 50


@dataclass(frozen=True)
class _Takes:
    """What a network takes."""

    ndim: int
    channels: int
    names: tuple[str, ...] | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its channels, for people."""
        return self.names or tuple(f"channel {n}" for n in range(1, self.channels + 1))


class ImageControl(QObject):
    """The image of one dock and how it fits the network.

    A network with several channels takes a layer with an axis of channels, or as many layers.

    Signals
    -------
    changed()
        Another image, plane, channel axis or network: ``plan`` and ``problem`` are new.
    layers_changed()
        The viewer's layers were added, removed, renamed or reordered.
    layer_added(object)
        This layer is new in the viewer, and the sections offer it already.
    """

    changed = Signal()
    layers_changed = Signal()
    layer_added = Signal(object)

    def __init__(
        self,
        viewer: Any,
        section: ImageSection,
        network_section: NetworkSection,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._section = section
        self._network_section = network_section
        self._takes: _Takes | None = None
        self._offered: Any = None
        self._by_hand = False
        self._started = False
        self._followed: list[Any] = []
        self._of_viewer = Connections()
        self._of_layers = Connections()
        self.plan: InputPlan | None = None
        self.problem = ""
        # A slider that plays sends many events; the sentence follows when it rests.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self.update)
        section.layer_changed.connect(self._on_layer_changed)
        section.channel_axis_changed.connect(lambda _axis: self.update())
        section.channel_layers_changed.connect(self._on_channel_layers)
        section.pin.toggled.connect(self._on_pin)

    def start(self) -> None:
        """Follow the viewer."""
        self._started = True
        layers = self._viewer.layers
        self._of_viewer.connect(layers.events.inserted, self._on_inserted)
        self._of_viewer.connect_all(
            layers.events, ("removed", "reordered", "renamed"), self._on_layers
        )
        self._of_viewer.connect(layers.selection.events.active, self._on_layers)
        self._of_viewer.connect_all(
            self._viewer.dims.events, ("current_step", "order", "ndim", "ndisplay"), self._on_dims
        )
        self._on_layers()
        self._on_layer_changed(self.layer)

    def stop(self) -> None:
        """Let go of the viewer."""
        self._timer.stop()
        self._offered = None
        self._of_viewer.disconnect()
        self._follow([])
        self._started = False

    @property
    def layer(self) -> Any:
        """The image layer that is meant, or None."""
        return self._section.current

    def set_network(
        self, ndim: int, channels: int, channel_names: Sequence[str] | None = None
    ) -> None:
        """Say what the network takes."""
        names = None if channel_names is None else tuple(channel_names)
        self._takes, self._by_hand = _Takes(ndim, channels, names), False
        self.update()

    def forget_network(self) -> None:
        """Say that there is no network."""
        self._takes, self._by_hand = None, False
        self.update()

    def preview(self, normalisation: value_choices.Description) -> str:
        """Say what a normalisation makes of the image; empty without one."""
        layer = self.layer
        if layer is None:
            return ""
        data = layer.data[-1] if layer.multiscale else layer.data
        return value_choices.preview(layer.name, data, normalisation)

    def settle(self) -> None:
        """Plan now what a change of the last moments waits for."""
        if self._timer.isActive():
            self.update()

    def update(self) -> None:
        """Plan again what the network gets, and say so."""
        self._timer.stop()
        self.plan, self.problem = None, ""
        layer = self.layer
        if layer is not None and self._takes is not None:
            self._plan(layer, self._takes)
        elif layer is not None:
            self._section.offer_axes([])
            self._section.channels.show_rows((), (), ())
            self._section.say(_size_of(layer))
        self._follow([] if layer is None else [layer, *self._section.channels.layers])
        self._network_section.misfit.say(self.problem, "warning")
        self.changed.emit()

    def _plan(self, layer: Any, takes: _Takes) -> None:
        what = takes.ndim, takes.channels
        axes = channel_axis_choices(layer, *what, takes.names)
        choices = [(f"axis {axis}: {layer.axis_labels[axis]}", axis) for axis in axes]
        # With one choice there is nothing to choose; without any, napari's colours serve.
        self._section.offer_axes(choices if len(choices) > 1 else [])
        layers = self._offer_channel_layers(layer, takes)
        try:
            if layers:
                self.plan = plan_layers(layers, self._viewer.dims, takes.ndim)
            else:
                chosen = self._section.channel_axis if len(axes) != 1 else axes[0]
                self.plan = plan_input(layer, self._viewer.dims, *what, chosen, takes.names)
        except SegGradCamError as error:
            self.problem = str(error)
            self._section.say(_size_of(layer))
        else:
            self._section.say(self.plan.sentence)

    def _offer_channel_layers(self, layer: Any, takes: _Takes) -> tuple[Any, ...]:
        """Show a row per channel if layers hold one each; return the layer of each."""
        rows = self._section.channels
        what = takes.channels, takes.names
        offered = single_channel_layers(self._section.offered, takes.ndim, *what)
        layers = rows.layers
        if not (self._by_hand and layers and all(one in offered for one in layers)):
            self._by_hand = False
            layers = propose_layers(offered, layer, *what)
        rows.show_rows(takes.labels, offered, layers)
        return layers

    def _follow(self, layers: list[Any]) -> None:
        """Plan again when one of these layers is moved or changed."""
        if not self._started or layers == self._followed:
            return
        self._of_layers.disconnect()
        self._followed = layers
        for layer in dict.fromkeys(layers):
            self._of_layers.connect_all(layer.events, _PLACEMENT, self._on_dims)

    def _on_layers(self, _event: Any = None) -> None:
        images = [layer for layer in self._viewer.layers if _is_input(layer)]
        active = self._viewer.layers.selection.active
        active_image = next((image for image in images if image == active), None)
        # One layer that is added sends half a dozen events, most of which change nothing here.
        offered = [(image, image.name) for image in images], active_image
        if offered != self._offered:
            others = self._offered is None or offered[0] != self._offered[0]
            self._offered, before = offered, self.layer
            self._section.show_layers(images, active_image)
            several = self._takes is not None and self._takes.channels > 1
            if several and others and self.layer is before:
                self._timer.start()
        self.layers_changed.emit()

    def _on_pin(self, pinned: bool) -> None:
        if not pinned:
            self._by_hand = False
            self._offered = None
            self._on_layers()

    def _on_inserted(self, event: Any) -> None:
        self._on_layers()
        self.layer_added.emit(event.value)

    def _on_layer_changed(self, _layer: Any) -> None:
        self._by_hand = False
        self.update()

    def _on_channel_layers(self) -> None:
        self._by_hand = True
        self.update()

    def _on_dims(self, _event: Any = None) -> None:
        self._timer.start()


def sample_marker(layer: Any) -> dict[str, Any]:
    """Return what a sample layer says about itself; empty for other layers."""
    marker = layer.metadata.get(KEY) or {}
    return marker if "sample" in marker else {}


def _is_input(layer: Any) -> bool:
    """Whether an Image layer can be asked about: not a heatmap or view of ours."""
    return isinstance(layer, Image) and (KEY not in layer.metadata or bool(sample_marker(layer)))


def _size_of(layer: Any) -> str:
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return f"{' × '.join(str(side) for side in shape)}, {layer.dtype}"
