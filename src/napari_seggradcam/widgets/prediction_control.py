"""Predict and Logits: the network's own answer as napari layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils import notifications
from qtpy.QtCore import QObject, Signal

from ..errors import SegGradCamError
from ..viewer.inputs import ImageInput
from ..viewer.prediction import logit_layer, prediction_layer
from ..viewer.results import ResultLayers
from .image_control import ImageControl
from .job import Cancel, Job, Progress
from .network import NetworkSection
from .network_control import NetworkControl
from .question import ImageExplainer, read_image


class PredictionControl(QObject):
    """Runs the network and adds its classes or the logit of one class.

    Signals
    -------
    changed()
        A prediction has begun or ended.
    predicted(object)
        The predicted classes of the image, an integer array.
    """

    changed = Signal()
    predicted = Signal(object)

    def __init__(
        self,
        section: NetworkSection,
        image: ImageControl,
        network: NetworkControl,
        explainers: ImageExplainer,
        results: ResultLayers,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._image = image
        self._network = network
        self._explainers = explainers
        self._results = results
        self._job: Job | None = None
        section.predict_requested.connect(lambda: self._start(self._add_prediction))
        section.logits_requested.connect(
            lambda index: self._start(lambda *made: self._add_logits(index, *made))
        )

    @property
    def running(self) -> bool:
        """Whether the network runs for a prediction."""
        return self._job is not None

    def refresh(self, allowed: bool) -> None:
        """Offer the buttons while nothing else computes and the image fits."""
        self._section.show_answering(self.running, allowed and self._image.plan is not None)

    def stop(self) -> None:
        """Give up; the dock is closing."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _start(self, then: Callable[[ImageInput, Any, Any], None]) -> None:
        plan, opened, explainers = self._image.plan, self._network.opened, self._explainers
        if self._job is not None or plan is None or opened is None:
            return

        def work(_progress: Progress, _cancel: Cancel) -> tuple[ImageInput, Any, Any]:
            image = read_image(plan)
            explainer = explainers.of(opened.network, image)
            return image, explainer.prediction, explainer.logits

        self._section.problem.clear()
        self._job = Job("predicting", work)
        self._job.succeeded.connect(lambda made: then(*made))
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self.changed.emit()

    def _add_prediction(self, image: ImageInput, prediction: Any, _logits: Any) -> None:
        if self._network.opened is None:
            return
        card = self._network.opened.card
        name = self._network.opened.network.name
        self._results.put(prediction_layer(prediction, image, card.classes, card.colours, name))
        self.predicted.emit(prediction)

    def _add_logits(self, index: int, image: ImageInput, prediction: Any, logits: Any) -> None:
        if self._network.opened is None:
            return
        card = self._network.opened.card
        name = self._network.opened.network.name
        self._results.put(logit_layer(logits, index, image, card.classes, name))
        self.predicted.emit(prediction)

    def _on_failed(self, error: Exception) -> None:
        self._section.problem.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            notifications.show_error(f"The prediction could not be made: {error}")

    def _on_ended(self) -> None:
        self._job = None
        self.changed.emit()
