"""A line of text that says how things stand, in the colour of its urgency."""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

Level = Literal["plain", "hint", "warning", "error"]


class WrappedLabel(QLabel):
    """Text that can be selected, takes the width that there is and the height it needs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def minimumSizeHint(self) -> QSize:
        """One line: Qt's own hint is the height at the least width, which is many."""
        return QSize(1, self.fontMetrics().height())


class Message(WrappedLabel):
    """A label with a level of urgency that is hidden while it has no text."""

    def __init__(
        self, text: str = "", level: Level = "plain", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.say(text, level)

    @property
    def level(self) -> Level:
        """How urgent the text is."""
        level: Level = self.property("level")
        return level

    def say(self, text: str, level: Level = "plain") -> None:
        """Show ``text``; an empty one hides the label.

        Parameters
        ----------
        text : str
            One or two sentences.
        level : {"plain", "hint", "warning", "error"}
            Which of the dock's text colours it gets.
        """
        self.setText(text)
        if self.property("level") != level:
            self.setProperty("level", level)
            # A changed property reaches the style sheet only by polishing again.
            self.style().unpolish(self)
            self.style().polish(self)
        self.setVisible(bool(text))

    def clear(self) -> None:
        """Take the text away."""
        self.say("")
