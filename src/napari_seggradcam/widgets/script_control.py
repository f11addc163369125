"""Copy as Python: writes a question's arrays and puts its script on the clipboard."""

from __future__ import annotations

from pathlib import Path

from napari.utils import notifications
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from ..errors import SegGradCamError
from ..viewer.inputs import InputPlan
from ..viewer.script import ScriptedQuestion, save_question, script
from .job import Cancel, Job, Progress
from .network_source import data_folder
from .question import ImageExplainer, Question, read_image, region_of
from .run import RunSection
from .run_control import RunControl


class ScriptControl(QObject):
    """Makes the script of the question that the dock shows.

    Signals
    -------
    changed()
        The writing has begun or ended.
    """

    changed = Signal()

    def __init__(
        self,
        section: RunSection,
        run: RunControl,
        explainers: ImageExplainer,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._run = run
        self._explainers = explainers
        self._job: Job | None = None
        section.script_requested.connect(self.copy)

    @property
    def running(self) -> bool:
        """Whether the arrays are being written."""
        return self._job is not None

    def stop(self) -> None:
        """Give up; the dock is closing."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def copy(self) -> None:
        """Write the arrays in a thread, then copy the script."""
        if self._job is not None:
            return
        try:
            question = self._run.ask()
        except SegGradCamError as error:
            self._section.note.say(str(error), "error")
            return
        explainers = self._explainers

        def work(_progress: Progress, _cancel: Cancel) -> tuple[str, Path]:
            return write_script(question, explainers)

        self._job = Job("writing a question", work)
        self._job.succeeded.connect(self._on_written)
        self._job.failed.connect(self._on_failed)
        self._job.ended.connect(self._on_ended)
        self._job.start()
        self.changed.emit()

    def _on_written(self, written: tuple[str, Path]) -> None:
        text, path = written
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
        self._section.note.say(f"Script copied. Its image and region are in {path}.", "hint")

    def _on_failed(self, error: Exception) -> None:
        self._section.note.say(str(error), "error")
        if not isinstance(error, SegGradCamError):
            notifications.show_error(f"The script could not be made: {error}")

    def _on_ended(self) -> None:
        self._job = None
        self.changed.emit()


def write_script(question: Question, explainers: ImageExplainer) -> tuple[str, Path]:
    """Write a question's arrays and return its script; runs in a thread.

    Returns
    -------
    tuple of str and Path
        The script, and the file that it reads.
    """
    opened = question.opened
    image = read_image(question.plan)
    mask = region_of(question, explainers.of(opened.network, image))
    path = data_folder() / "questions" / f"{question.run_id}.npz"
    save_question(path, image.array, mask)
    trust = {"trust": opened.source.trust} if opened.source.trust else {}
    text = script(
        ScriptedQuestion(
            network=str(Path(opened.source.path).absolute()),
            device=str(opened.network.device),
            data=str(path),
            axes=image.axes,
            target=question.target,
            layers=question.layers,
            how=question.how.arguments,
            origin=f"Image: {_origin(image)}, {image.sentence}".replace("\n", " "),
            channel_names=image.channel_names,
            options={**opened.source.options, **trust},
        )
    )
    return text, path


def _origin(image: InputPlan) -> str:
    """Which layers the array in the file is made of."""
    if len(image.layers) == 1:
        return str(image.name)
    return f"np.stack of the layers {image.name}"
