"""Section 5: run, cancel, and why not."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QWidget

from .fields import FieldGrid, beside, button, gibibytes, switch
from .message import Message
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
        self._running = False
        self.button = button("Run", "Compute the heatmaps", self._on_clicked)
        self.button.setObjectName("sgc_run")
        self.reason = Message(level="hint")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress_text = Message(level="hint")
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
        self.note = Message(level="hint")
        for widget in (self.button, self.reason, self.progress, self.progress_text):
            self.rows.addWidget(widget)
        self.rows.addWidget(self.note)
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
        return self._running

    def show_idle(self, reason: str) -> None:
        """Offer Run; with a reason it is disabled and the reason stands below."""
        self._running = False
        self.button.setText("Run")
        self.button.setToolTip(reason or "Compute the heatmaps")
        self.button.setEnabled(not reason)
        self.script_button.setEnabled(not reason)
        self.reason.say(reason, "hint")
        self.progress.hide()
        self.progress_text.clear()

    def show_running(self, done: int, total: int, what: str) -> None:
        """Offer Cancel and show how far it is; ``total`` 0 means not known."""
        self._running = True
        self.button.setText("Cancel")
        self.button.setToolTip("Stop computing; the viewer stays as it is")
        self.button.setEnabled(True)
        self.script_button.setEnabled(False)
        self.reason.clear()
        self.note.clear()
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.show()
        self.progress_text.say(f"{done}/{total} {what}" if total else what, "hint")

    def show_cancelling(self) -> None:
        """Say that the work was asked to stop."""
        self.button.setText("Cancelling…")
        self.button.setEnabled(False)

    def show_kept(self, text: str, may_forget: bool) -> None:
        """Say what is kept for the next question, and whether it can be freed now.

        Without text there is nothing to free, and no button.
        """
        self.kept.say(text, "hint")
        self.forget_button.setVisible(bool(text))
        self.forget_button.setEnabled(may_forget)

    def _on_clicked(self) -> None:
        (self.cancel_requested if self._running else self.run_requested).emit()
