"""Asks whether Python code from a network file may run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QPlainTextEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ..errors import UntrustedNetwork
from .dialog import Dialog
from .fields import FieldGrid
from .message import TOP_LEFT, Message, WrappedLabel


class TrustDialog(Dialog):
    """Names the file and its digest, says what would run, and shows its source.

    Parameters
    ----------
    error : UntrustedNetwork
        Why the file was not opened.
    parent : QWidget
        Gives the dialog its theme.
    """

    def __init__(self, error: UntrustedNetwork, parent: QWidget | None = None) -> None:
        super().__init__(f"Run code from {Path(error.path).name}?", 520, parent)
        self.remember = QCheckBox("Do not ask again for this very file")
        self.remember.setToolTip("A file that has changed is asked about again")
        self.sources = _source_tabs(error.source)
        self._lay_out(error)

    def _lay_out(self, error: UntrustedNetwork) -> None:
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(
            Message(
                "Opening this file runs Python code that came with it, which can do whatever you"
                " can do on this computer. Open it only if you trust where it comes from."
            )
        )
        grid = FieldGrid()
        for text, value in (
            ("File", str(error.path)),
            ("SHA-256", " ".join(_in_groups(error.sha256))),
            ("Code", error.what[:1].upper() + error.what[1:]),
        ):
            label = WrappedLabel()
            label.setAlignment(TOP_LEFT)
            grid.add(text, label).setAlignment(TOP_LEFT)
            label.setText(value)
        column.addLayout(grid)
        if self.sources is not None:
            column.addWidget(self.sources, stretch=1)
        column.addWidget(self.remember)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.run_button = buttons.addButton(
            "Run it and open", QDialogButtonBox.ButtonRole.AcceptRole
        )
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)


def _source_tabs(source: Mapping[str, str]) -> QTabWidget | None:
    """Return a page for every piece of code; None without any."""
    if not source:
        return None
    tabs = QTabWidget()
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    for name, text in source.items():
        page = QPlainTextEdit(text)
        page.setReadOnly(True)
        page.setFont(font)
        page.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        page.setMinimumHeight(220)
        tabs.addTab(page, name)
    return tabs


def _in_groups(digest: str) -> list[str]:
    """Return a digest in pieces between which a line may break."""
    return [digest[i : i + 16] for i in range(0, len(digest), 16)]
