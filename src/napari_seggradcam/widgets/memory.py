"""How much memory the feature maps take that are kept for the next question."""

from __future__ import annotations

from qtpy.QtCore import QObject

from .question import ImageExplainer, Kept
from .run import RunSection

_GIB = 2**30


class MemoryControl(QObject):
    """Shows what is kept, and lets a person set how much that may be, or free it.

    Parameters
    ----------
    section : RunSection
        Where that stands.
    explainers : ImageExplainer
        What keeps it.
    """

    def __init__(
        self, section: RunSection, explainers: ImageExplainer, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._explainers = explainers
        self._busy = False
        section.memory_changed.connect(self._on_changed)
        section.forget_requested.connect(self._on_forget)

    def refresh(self, busy: bool) -> None:
        """Say what is kept; while something computes, what was said stays.

        Parameters
        ----------
        busy : bool
            Whether a thread uses what is kept.
        """
        self._busy = busy
        if busy:
            self._section.forget_button.setEnabled(False)
            return
        # The memory may have been changed while the thread was at work.
        self._explainers.hold_to_memory()
        kept = self._explainers.kept
        self._section.show_kept(kept_in_words(kept), kept is not None)

    def _on_changed(self, gibibytes: float) -> None:
        self._explainers.memory = memory_of(gibibytes)
        if not self._busy:
            self.refresh(False)

    def _on_forget(self) -> None:
        self._explainers.forget()
        self.refresh(False)


def memory_of(gibibytes: float) -> int | None:
    """Return what a person set as bytes; None where it is left to the explainer."""
    return round(gibibytes * _GIB) or None


def kept_in_words(kept: Kept | None) -> str:
    """Say what is kept in one sentence; empty where nothing was asked."""
    if kept is None:
        return ""
    budget = in_units(kept.budget)
    if kept.used == 0:
        return f"Nothing of {kept.image} is kept for the next question; {budget} may be."
    return f"Kept {in_units(kept.used)} of {budget} for the next question about {kept.image}."


def in_units(size: int) -> str:
    """Write a number of bytes as MiB or GiB."""
    mebibytes = size / 2**20
    return f"{mebibytes:.3g} MiB" if mebibytes < 999.5 else f"{size / _GIB:.1f} GiB"
