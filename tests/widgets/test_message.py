"""Text that wraps: long words, its height, and what is copied of it."""

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QApplication, QFrame, QLabel

from napari_seggradcam.widgets.message import Message, WrappedLabel

DIGEST = "4774133f1b186c92a9c4a89fbcae1d251c5923aacfb69f4eb7aef4584cd67172"
PATH = "/home/ann/nnUNetTrainer__nnUNetPlans__2d_with_more_epochs/fold_0/checkpoint_final.pth"


@pytest.fixture
def label(qtbot: Any) -> Message:
    label = Message()
    qtbot.addWidget(label)
    return label


@pytest.mark.parametrize("text", [DIGEST, PATH, f"It has {DIGEST}, not {DIGEST}."])
def test_long_words_are_broken_and_stay_whole_in_the_text(label: Message, text: str) -> None:
    label.say(text)
    wide = label.fontMetrics().horizontalAdvance(text)
    assert label.heightForWidth(wide // 3) > 2 * label.heightForWidth(2 * wide)
    assert label.text() == text
    label.setSelection(0, len(QLabel.text(label)))
    assert label.selectedText() != text
    label._copy()
    assert QApplication.clipboard().text() == text


def test_words_of_people_are_left(label: Message) -> None:
    label.say("a network of 1,942,306 parameters, segmentation-models-pytorch")
    assert QLabel.text(label) == label.text()


@pytest.mark.parametrize("width", range(120, 160, 3))
def test_the_height_is_that_of_the_lines_that_are_drawn(qtbot: Any, width: int) -> None:
    """A style sheet that knows frames gives labels one."""
    label = WrappedLabel()
    qtbot.addWidget(label)
    label.setFrameShape(QFrame.Shape.Box)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setText("U-Net 2D, depth 1, base width 2, batch norm, same convolutions, transposed")
    drawn = QTextDocument(label.text())
    drawn.setDefaultFont(label.font())
    drawn.setDocumentMargin(0)
    drawn.setTextWidth(width - label.indent() - 2 * label.frameWidth())
    line = label.fontMetrics().height()
    assert 0 <= label.heightForWidth(width) - drawn.size().height() < line
