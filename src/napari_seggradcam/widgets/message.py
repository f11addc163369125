"""A line of text that says how things stand, in the colour of its urgency."""

from __future__ import annotations

import re
from typing import Literal

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QContextMenuEvent, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QMenu, QSizePolicy, QWidget

Level = Literal["plain", "hint", "warning", "error"]

TOP_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
_MAY_BREAK = "\u200b"  # a space without width
_INDENT = 4  # pixels, as Qt has it for labels of one line
_LONG = 20  # characters of a word that may not fit beside a label


class WrappedLabel(QLabel):
    """Plain text that can be selected, takes the width that there is and the height it needs.

    Words that are too long for a line, such as paths and digests, are broken; what is copied has
    them whole.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        # Qt's own is twice as wide when it measures the height as when it draws the text.
        self.setIndent(_INDENT)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def minimumSizeHint(self) -> QSize:
        """One line: Qt's own hint is the height at the least width, which is many."""
        return QSize(1, self.fontMetrics().height())

    def text(self) -> str:
        """The text as it was set."""
        return str(super().text()).replace(_MAY_BREAK, "")

    def setText(self, text: str) -> None:
        """Show a text."""
        plain = self.textFormat() == Qt.TextFormat.PlainText
        super().setText(_breakable(text) if plain else text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy what is selected as it was set."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        menu = QMenu(self)
        menu.addAction("Copy", self._copy).setEnabled(self.hasSelectedText())
        menu.addAction("Select all", lambda: self.setSelection(0, len(QLabel.text(self))))
        menu.exec(event.globalPos())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.selectedText().replace(_MAY_BREAK, ""))


class Message(WrappedLabel):
    """A label with a level of urgency that is hidden while it has no text."""

    def __init__(
        self, text: str = "", level: Level = "plain", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
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


def _breakable(text: str) -> str:
    """Text whose long words may be broken, behind signs where they have some."""
    return re.sub(rf"[^\s/\-]{{{_LONG},}}", lambda found: _broken(found[0]), text)


def _broken(word: str) -> str:
    parts = re.split(r"(?<=[_.,:=])(?=[^_.,:=])", word)
    short = [part[i : i + _LONG] for part in parts for i in range(0, len(part), _LONG)]
    return _MAY_BREAK.join(short)
