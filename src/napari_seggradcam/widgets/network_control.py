"""Opens, moves and unloads the network, in threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.utils import notifications
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from ..errors import FactoryNeeded, SegGradCamError, UntrustedNetwork
from . import agreements, network_source
from .job import Cancel, Job, Progress
from .network import NetworkSection
from .network_opening import OpenedNetwork, open_source
from .network_source import NetworkSource
from .opening_dialog import OpeningDialog
from .trust_dialog import TrustDialog
from .value_choices import Description

_FILTER = (
    "Networks (*.safetensors *.pt *.pth *.ckpt *.pt2 *.onnx *.zip *.yaml *.yml);;All files (*)"
)


class NetworkControl(QObject):
    """The open network of one dock.

    Attributes
    ----------
    preview : callable
        Takes a normalisation in its JSON form and says what becomes of the current image.

    Signals
    -------
    changed()
        A network was opened or unloaded, or its opening began or ended.
    """

    changed = Signal()

    def __init__(self, section: NetworkSection, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._section = section
        self._job: Job | None = None
        self._session: list[NetworkSource] = []
        self._waiting: NetworkSource | None = None
        self.opened: OpenedNetwork | None = None
        self.preview: Callable[[Description], str] = lambda _normalisation: ""
        section.network_chosen.connect(self._on_chosen)
        section.open_requested.connect(self._on_open_requested)
        section.open_folder_requested.connect(self._on_open_folder_requested)
        section.unload_requested.connect(self.unload)
        section.device_changed.connect(self._on_device_changed)
        section.offer(self._sources(), None)

    @property
    def opening(self) -> bool:
        """Whether a network is being opened or moved."""
        return self._job is not None

    def open(self, source: NetworkSource) -> None:
        """Open a network; the one that is open is forgotten at once."""
        self.opened = None
        self._offer(source)
        self._section.show_opening(source.title)
        if self._job is not None:
            # One at a time: torch modules are large. The latest choice wins.
            self._waiting = source
            self._job.cancel()
            return
        device = self._section.device.value

        def work(progress: Progress, cancel: Cancel) -> OpenedNetwork:
            return open_source(source, device, progress, cancel)

        self._start(Job(f"opening {source.title}", work), self._on_opened)
        self._opening_source = source

    def open_demo(self, name: str) -> None:
        """Open one of the networks that come along, unless it is open already."""
        demo = next((d for d in network_source.demo_networks() if name in d.path), None)
        current = self.opened.source if self.opened else None
        if demo is not None and demo != current:
            self.open(demo)

    def unload(self) -> None:
        """Forget the network; its memory is freed when nothing else uses it."""
        self._waiting = None
        if self._job is not None:
            self._job.cancel()
        self.opened = None
        self._offer(None)
        self._section.problem.clear()
        self._section.show_card(None)
        self.changed.emit()

    def stop(self) -> None:
        """Cancel what runs and forget what waits; the dock is closing."""
        self._waiting = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._offer(None)
            self._section.show_card(None)

    def _start(self, job: Job, then: Any) -> None:
        self._job = job
        job.progressed.connect(self._section.show_progress)
        job.succeeded.connect(then)
        job.failed.connect(self._on_failed)
        job.ended.connect(self._on_ended)
        job.start()
        self.changed.emit()

    def _sources(self) -> list[NetworkSource]:
        known: dict[str, NetworkSource] = {}
        for source in (
            *network_source.demo_networks(),
            *self._session,
            *network_source.recent_networks(),
        ):
            known.setdefault(source.path, source)
        return list(known.values())

    def _offer(self, chosen: NetworkSource | None) -> None:
        if chosen is not None:
            self._session = [s for s in self._session if s.path != chosen.path]
            self._session.insert(0, chosen)
        sources = [
            chosen if chosen is not None and source.path == chosen.path else source
            for source in self._sources()
        ]
        self._section.offer(sources, chosen)

    def _on_chosen(self, source: NetworkSource | None) -> None:
        if source is None:
            self.unload()
        else:
            self.open(source)

    def _on_opened(self, opened: OpenedNetwork) -> None:
        self.opened = opened
        network_source.remember(opened.source)
        self._section.offer_devices(opened.devices, opened.best_device)
        self._section.show_card(opened.card)
        if not opened.values_known and "normalisation" not in opened.source.options:
            card = opened.card
            self._ask(opened.source, channels=card.channels, outputs=opened.outputs)

    def _on_failed(self, error: Exception) -> None:
        self._section.show_card(None)
        if isinstance(error, UntrustedNetwork) and self._agrees(error):
            self._waiting = replace(self._opening_source, trust=error.sha256)
            return
        if isinstance(error, FactoryNeeded) and self._ask(self._opening_source):
            return
        self._section.problem.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            notifications.show_error(f"The network could not be opened: {error}")

    def _on_ended(self) -> None:
        self._job = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.open(waiting)
            return
        if self.opened is None and not self._section.problem.text():
            self._section.show_card(None)
        self.changed.emit()

    def _agrees(self, error: UntrustedNetwork) -> bool:
        if agreements.is_agreed(error.sha256):
            return True
        dialog = TrustDialog(error, self._section)
        agreed = bool(dialog.exec())
        if agreed and dialog.remember.isChecked():
            agreements.remember(error.sha256)
        return agreed

    def _ask(self, source: NetworkSource, **known: Any) -> bool:
        """Ask for what a file does not tell, and open it with the answer."""
        dialog = OpeningDialog(source.title, **known, preview=self.preview, parent=self._section)
        if not dialog.exec():
            return False
        self._waiting = replace(source, options={**source.options, **dialog.options})
        return True

    def _on_open_requested(self) -> None:
        path, _filter = QFileDialog.getOpenFileName(self._section, "Open a network", "", _FILTER)
        if path:
            self.open_file(path)

    def _on_open_folder_requested(self) -> None:
        path = QFileDialog.getExistingDirectory(self._section, "Open a network's folder")
        if path:
            self.open_file(path)

    def open_file(self, path: str) -> None:
        """Open a file or folder that a person chose."""
        title = path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        self.open(NetworkSource(path, title))

    def _on_device_changed(self, device: str) -> None:
        opened = self.opened
        if opened is None or self._job is not None:
            return
        self.opened = None
        self._section.show_opening(f"{opened.source.title} on {device}")

        def work(_progress: Progress, _cancel: Cancel) -> OpenedNetwork:
            from ..networks.opening import best_device

            opened.network.to(best_device() if device == "auto" else device)
            return opened

        self._start(Job(f"moving {opened.source.title} to {device}", work), self._on_opened)
