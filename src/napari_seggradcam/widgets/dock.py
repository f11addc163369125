"""The dock widget: six numbered sections, and what connects them.

Life of a dock. It is built without torch and without looking at pixels. When it is
given a parent or shown, it *attaches*: it connects to the viewer, takes over the
sample if one is open, and listens for Ctrl-click. When napari takes it out of its
frame, or it is closed or destroyed, it *detaches*: work is cancelled, every callback
comes off the viewer and its layers, and the compare mode gives back what it found.
The heatmaps stay in the viewer. A dock that is put back attaches again.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from ..viewer.reader import prefer_reader
from ..viewer.regions import new_region_layer
from . import open_docks
from .compare import CompareSection
from .compare_control import CompareControl
from .connections import Connections
from .how import How
from .image import ImageSection
from .image_control import ImageControl, sample_marker
from .live_control import LiveControl
from .memory import MemoryControl, memory_of
from .method import MethodFields
from .network import NetworkSection
from .network_control import NetworkControl
from .network_layers import NetworkLayersSection
from .pointer import Pointer
from .prediction_control import PredictionControl
from .question import Answer, ImageExplainer
from .region import RegionSection
from .region_control import RegionControl
from .run import RunSection
from .run_control import RunControl
from .script_control import ScriptControl
from .scrolled_dock import ScrolledDock
from .settings import PLUGIN, read_settings


class SegGradCamWidget(ScrolledDock):
    """Ask a segmentation network why, region by region.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        The viewer; napari passes it by this name.

    Signals
    -------
    changed()
        The network is another one, or work has begun or ended.
    """

    changed = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._viewer = napari_viewer
        self._held = ""
        self._connections = Connections()
        settings = read_settings()
        self.image = ImageSection()
        self.network = NetworkSection(settings.device)
        self.region = RegionSection()
        self.layers = NetworkLayersSection()
        self.method = MethodFields(How(method=settings.method, score=settings.score))
        self.layers.rows.addWidget(self.method)
        self.run = RunSection(settings.keep_results, settings.memory)
        self.compare = CompareSection(settings)
        self.lay_out(self.sections)
        self._make_controls()
        self._connect_controls()
        self.follow_theme()
        self.attach()

    @property
    def sections(self) -> tuple[QWidget, ...]:
        """The sections, in order of work."""
        return (self.image, self.network, self.region, self.layers, self.run, self.compare)

    def _make_controls(self) -> None:
        viewer = self._viewer
        self._explainers = ImageExplainer(memory_of(self.run.memory.value))
        self.image_control = ImageControl(viewer, self.image, self.network, self)
        self.network_control = NetworkControl(self.network, self)
        self.network_control.preview = self.image_control.preview
        self.region_control = RegionControl(viewer, self.region, self.image_control, self)
        self.run_control = RunControl(
            viewer,
            self.run,
            self.region,
            self.layers,
            self.method,
            (self.image_control, self.network_control, self.region_control),
            self._explainers,
            self,
        )
        results = self.run_control.results
        self.prediction_control = PredictionControl(
            self.network, self.image_control, self.network_control, self._explainers, results, self
        )
        self.compare_control = CompareControl(viewer, self.compare, results, self)
        self.live_control = LiveControl(
            self.run_control, self.compare_control, self.method, self._explainers, self
        )
        self.script_control = ScriptControl(self.run, self.run_control, self._explainers, self)
        self.memory_control = MemoryControl(self.run, self._explainers, self)
        self.pointer = Pointer(
            viewer, lambda: self.image_control.plan, self.compare_control.modes, self
        )
        self.run_control.looks = lambda: self.compare_control.looks

    def _connect_controls(self) -> None:
        self.image_control.layer_added.connect(self._adopt_sample)
        self.image.sample_requested.connect(self._on_sample_requested)
        self.region.new_region_requested.connect(self._on_new_region)
        self.network_control.changed.connect(self._on_network)
        self.run_control.delivering.connect(self.compare_control.make_way)
        self.run_control.answered.connect(self._on_answer)
        self.prediction_control.predicted.connect(self.region_control.set_prediction)
        self.pointer.pixel_clicked.connect(self._on_pixel)
        for control in (self.image_control, self.prediction_control, self.script_control):
            control.changed.connect(self._on_busy)
        self.run_control.changed.connect(self._on_busy)
        self.compare_control.changed.connect(self._on_busy)
        self.compare.clear_requested.connect(self.run_control.clear)

    def attach(self) -> None:
        """Connect to the viewer; nothing happens if it is connected."""
        if self.attached:
            return
        self.attached = True
        self._connections.connect(self._viewer.events.theme, self.follow_theme)
        prefer_reader()
        self.image_control.start()
        self.pointer.start()
        for layer in self._viewer.layers:
            self._adopt_sample(layer)
        self._on_busy()
        open_docks.notice.changed.emit()

    def detach(self) -> None:
        """Cancel all work and let go of the viewer; the heatmaps stay in it."""
        if not self.attached:
            return
        self.attached = False
        self.run_control.stop()
        self.prediction_control.stop()
        self.script_control.stop()
        self.live_control.stop()
        self.compare_control.stop()
        self.network_control.stop()
        self.region_control.stop()
        self.image_control.stop()
        self.pointer.stop()
        self._connections.disconnect()
        self._on_busy()
        open_docks.notice.changed.emit()

    @property
    def explainers(self) -> ImageExplainer:
        """What is kept of the image; one thread at a time may use it, see `busy` and `hold`."""
        return self._explainers

    @property
    def busy(self) -> bool:
        """Whether work of this dock uses the network."""
        controls = (self.run_control, self.script_control, self.prediction_control)
        return any(control.running for control in controls)

    def hold(self, reason: str) -> None:
        """Start no work while another dock uses the network, for this reason; empty: go on."""
        self._held = reason
        self._on_busy()

    def _adopt_sample(self, layer: Any) -> None:
        """Choose what belongs to a sample's layer, so that Run is all that is left to do."""
        marker = sample_marker(layer)
        if not marker:
            return
        if layer in self.image.offered:
            if not self.image.pinned:
                self.image.choose(layer)
            network = marker.get("network")
            if network:
                self.network_control.open_demo(str(network))
        else:
            self.region.first.choose_layer(layer)

    def _on_sample_requested(self) -> None:
        self._viewer.open_sample(PLUGIN, "nuclei")

    def _on_new_region(self) -> None:
        layer = self.image_control.layer
        if layer is None:
            self.region.show_problem("Open an image first; the region lies on it.")
            return
        self.compare_control.show_image()
        region = new_region_layer(layer)
        self._viewer.add_layer(region)
        region.mode = "paint"
        self.region.first.choose_layer(region)

    def _on_network(self) -> None:
        opened = self.network_control.opened
        self._explainers.forget()
        if opened is None:
            self.layers.show_network([], {})
            self.region.offer_classes([])
            self.method.offer_classes([])
            self.image_control.forget_network()
        else:
            self.layers.show_network(opened.layers, opened.presets)
            card = opened.card
            self.region.offer_classes(card.classes)
            self.method.offer_methods(opened.methods)
            self.method.offer_classes(card.classes)
            self.image_control.set_network(card.ndim, card.channels, card.channel_names)
        self._on_busy()

    def _on_pixel(self, pixel: tuple[int, ...]) -> None:
        self.region.operation.value = "none"
        self.region.first.choose_pixel(pixel)
        self.run_control.run()

    def _on_answer(self, result: Answer) -> None:
        if result.prediction is not None:
            self.region_control.set_prediction(result.prediction)
        first = not self.compare.has_results
        self.compare_control.show(result)
        if first:
            # The layout has to know the table's height before it can be scrolled to.
            QTimer.singleShot(0, self._show_results)

    def _show_results(self) -> None:
        self.compare.expanded = True
        self.scroll.ensureWidgetVisible(self.compare.table, 0, 12)

    def _on_busy(self) -> None:
        """Let one thing compute at a time: they share the network and its feature maps."""
        blocked = self._held
        if self.prediction_control.running:
            blocked = "The prediction is being computed."
        elif self.script_control.running:
            blocked = "The question is being written."
        self.run_control.blocked_by = blocked
        self.run_control.refresh()
        busy = self.run_control.running or self.script_control.running or bool(self._held)
        self.prediction_control.refresh(allowed=not busy)
        # A thread that was given up may go on for a moment with what is kept.
        self.memory_control.refresh(busy or self.prediction_control.running or not self.attached)
        self.changed.emit()
