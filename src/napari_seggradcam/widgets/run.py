"""Section 5: run, cancel, and why not."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from .fields import FieldGrid, beside, button, gibibytes, switch
from .message import Message
from .run_row import RunRow
from .section import Section


class RunSection(Section):
    """One button that runs and cancels, progress, and the reason why it is disabled.

    Signals
    -------
    run_requested(), cancel_requested()
        The button.
    script_requested()
        Copy as Python.
    memory_changed(float), forget_requested()
        GiB that kept feature maps may take (0: automatic), and the button that frees them.
    """

    run_requested = Signal()
    cancel_requested = Signal()
    script_requested = Signal()
    memory_changed = Signal(float)
    forget_requested = Signal()

    def __init__(
        self, keep_results: bool = False, memory: float = 0.0, parent: QWidget | None = None
    ) -> None:
        super().__init__(5, "Run", parent)
        self._row = RunRow("Run", "Compute the heatmaps")
        self._row.run_requested.connect(self.run_requested)
        self._row.cancel_requested.connect(self.cancel_requested)
        self.button, self.reason, self.note = self._row.button, self._row.reason, self._row.note
        self.progress, self.progress_text = self._row.progress, self._row.progress_text
        self.keep = switch(
            "Keep previous heatmaps",
            "Off: a run updates the heatmaps of the run before."
            " On: they stay and new layers are added.",
            keep_results,
        )
        self.script_button = button(
            "Copy as Python",
            "Save image and region of this question and copy a script that asks it again",
            self.script_requested.emit,
        )
        self.rows.addWidget(self._row)
        self._build_memory(memory)
        self.rows.addWidget(self.keep.native)
        self.rows.addWidget(self.script_button)
        self.show_idle("")
        self.show_kept("", False)

    def _build_memory(self, memory: float) -> None:
        self.kept = Message(level="hint")
        self.memory = gibibytes(
            "Memory for kept feature maps",
            "What the network computed on an image is kept for the next question, as far as it"
            " fits into this.\nAutomatic: a quarter of the memory that is free.",
            memory,
        )
        self.memory.changed.connect(lambda value: self.memory_changed.emit(float(value)))
        self.forget_button = button(
            "Forget",
            "Free what is kept; the next question lets the network run on the image again",
            self.forget_requested.emit,
        )
        fields = FieldGrid()
        fields.add("Memory", self.memory.native)
        self.rows.addLayout(beside(self.kept, self.forget_button, stretch=(1, 0)))
        self.rows.addLayout(fields)

    @property
    def running(self) -> bool:
        """Whether the button means Cancel."""
        return self._row.running

    def show_idle(self, reason: str) -> None:
        """Offer Run; with a reason it is disabled and the reason stands below."""
        self._row.show_idle(reason)
        self.script_button.setEnabled(not reason)

    def show_running(self, done: int, total: int, what: str) -> None:
        """Offer Cancel and show how far it is; ``total`` 0 means not known."""
        self._row.show_running(done, total, what)
        self.script_button.setEnabled(False)

    def show_cancelling(self) -> None:
        """Say that the work was asked to stop."""
        self._row.show_cancelling()

    def show_kept(self, text: str, may_forget: bool) -> None:
        """Say what is kept for the next question, and whether it can be freed now.

        Without text there is nothing to free, and no button.
        """
        self.kept.say(text, "hint")
        self.forget_button.setVisible(bool(text))
        self.forget_button.setEnabled(may_forget)
