"""Rows of a label and a value, laid out alike in every section.

The values are magicgui widgets, so that they are set and read with ``.value`` and
say with ``.changed`` when a person changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import create_widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

LABEL_WIDTH = 66

Choices = Sequence[Any] | Callable[[Any], Sequence[Any]]


def combo(name: str, choices: Choices, tooltip: str, value: Any = None) -> Any:
    """Return a magicgui ComboBox that never widens the dock.

    Parameters
    ----------
    name : str
        Accessible name.
    choices : sequence or callable
        Values, or pairs (text, value), or a callable that returns them.
    tooltip : str
        What the choice does.
    value : optional
        Value to begin with; the first choice if None.

    Returns
    -------
    magicgui.widgets.ComboBox
        Its ``native`` is the widget to lay out.
    """
    options: dict[str, Any] = {"choices": choices, "nullable": False}
    box = create_widget(name=name, widget_type="ComboBox", options=options)
    if value is not None:
        box.value = value
    native: QComboBox = box.native
    native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    native.setMinimumWidth(70)
    native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return _describe(box, name, tooltip)


def refill(box: Any, value: Any) -> None:
    """Ask a ComboBox for its choices again, quietly, and choose ``value`` if it is offered.

    magicgui leaves what is there already in its old place and appends what is new;
    cleared first, the choices stand in their order.
    """
    with box.changed.blocked():
        box.native.clear()
        box.reset_choices()
        if value in box.choices:
            box.value = value


def number(name: str, tooltip: str, value: int = 1, low: int = 0, high: int = 2**31 - 1) -> Any:
    """Return a magicgui SpinBox."""
    box = create_widget(
        value=value, name=name, widget_type="SpinBox", options={"min": low, "max": high}
    )
    box.native.setMinimumWidth(60)
    return _describe(box, name, tooltip)


def gibibytes(name: str, tooltip: str, value: float) -> Any:
    """Return a magicgui FloatSpinBox of an amount of memory; at 0 it says "automatic"."""
    options = {"min": 0.0, "max": 1024.0, "step": 0.5}
    box = create_widget(value=value, name=name, widget_type="FloatSpinBox", options=options)
    # Not every number that is typed on the way to another one is meant.
    box.native.setKeyboardTracking(False)
    box.native.setDecimals(2)
    box.native.setSuffix(" GiB")
    box.native.setSpecialValueText("automatic")
    box.native.setMinimumWidth(70)
    box.value = value
    return _describe(box, name, tooltip)


def percent(name: str, tooltip: str, value: float) -> Any:
    """Return a magicgui FloatSpinBox of a share above 0, in percent."""
    options = {"min": 0.1, "max": 100.0, "step": 1.0}
    box = create_widget(value=value, name=name, widget_type="FloatSpinBox", options=options)
    box.native.setKeyboardTracking(False)
    box.native.setDecimals(1)
    box.native.setSuffix(" %")
    box.native.setMinimumWidth(64)
    box.value = value
    return _describe(box, name, tooltip)


def value_field(
    name: str, tooltip: str, kind: type, value: Any, choices: Sequence[Any] = ()
) -> Any | None:
    """Return the magicgui widget for a value that is known by its type alone.

    Parameters
    ----------
    name : str
        Accessible name.
    tooltip : str
        What the value does.
    kind : type
        bool, int, float or str; of any other type a person can't give a value here.
    value : object
        To begin with; None: what the widget begins with.
    choices : sequence, optional
        The only values that there are.

    Returns
    -------
    magicgui.widgets.Widget or None
    """
    if choices:
        return combo(name, [(str(choice), choice) for choice in choices], tooltip, value)
    if kind is bool:
        return switch("", tooltip, bool(value))
    if kind is int:
        first = 1 if value is None else value
        box = number(name, tooltip, first, low=min(1, first))
        box.native.setKeyboardTracking(False)
        return box
    if kind is float:
        # Shares of a hundredth or less are usual, and are stepped by their own size.
        options = {"min": -1e9, "max": 1e9, "step": min(0.1, abs(value or 0.1))}
        box = create_widget(value=value, name=name, widget_type="FloatSpinBox", options=options)
        box.native.setKeyboardTracking(False)
        box.native.setDecimals(4)
        box.value = value or 0.0
        return _describe(box, name, tooltip)
    if kind is str:
        box = line(name, tooltip)
        box.value = value or ""
        return box
    return None


def slider(name: str, tooltip: str, value: float) -> Any:
    """Return a magicgui FloatSlider from 0 to 1."""
    box = create_widget(
        value=value,
        name=name,
        widget_type="FloatSlider",
        options={"min": 0.0, "max": 1.0, "step": 0.01},
    )
    return _describe(box, name, tooltip)


def switch(text: str, tooltip: str, value: bool) -> Any:
    """Return a magicgui CheckBox with its text beside it."""
    box = create_widget(value=value, name="", label=text, widget_type="CheckBox")
    box.text = text
    return _describe(box, text, tooltip)


def line(name: str, tooltip: str, placeholder: str = "") -> Any:
    """Return a magicgui LineEdit."""
    box = create_widget(value="", name=name, widget_type="LineEdit")
    box.native.setPlaceholderText(placeholder)
    box.native.setMinimumWidth(40)
    return _describe(box, name, tooltip)


def _describe(box: Any, name: str, tooltip: str) -> Any:
    box.native.setAccessibleName(name)
    box.native.setToolTip(tooltip)
    return box


def button(text: str, tooltip: str, slot: Callable[[], Any] | None = None) -> QPushButton:
    """Return a push button with its tooltip and accessible name."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.setAccessibleName(text)
    # Qt lets the dock squeeze a button below its text.
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance(text) + 16)
    if slot is not None:
        made.clicked.connect(lambda _checked=False: slot())
    return made


def beside(*widgets: QWidget, stretch: Sequence[int] = ()) -> QHBoxLayout:
    """Lay widgets out in one row."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(5)
    for index, widget in enumerate(widgets):
        row.addWidget(widget, stretch[index] if index < len(stretch) else 1)
    return row


class FieldGrid(QGridLayout):
    """Two columns: labels of one width, and values that take the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(6)
        self.setVerticalSpacing(5)
        self.setColumnMinimumWidth(0, LABEL_WIDTH)
        self.setColumnStretch(1, 1)

    def add(self, text: str, value: QWidget | QLayout, row: int | None = None) -> QLabel:
        """Add a row.

        Parameters
        ----------
        text : str
            The label.
        value : QWidget or QLayout
            What stands beside it.
        row : int, optional
            Where; by default below all others. Rows whose widgets are hidden take no space, so that
            one row can have several fields of which one is shown.

        Returns
        -------
        QLabel
            The label, to hide it together with its value.
        """
        row = self.rowCount() if row is None else row
        label = QLabel(text)
        label.setObjectName("sgc_label")
        label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.addWidget(label, row, 0)
        top = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        if isinstance(value.layout(), QVBoxLayout):
            # Lines may come: the label stays beside the first one, a field.
            label.setAlignment(top)
        elif value.sizeHint().height() > 2 * label.sizeHint().height() + 8:
            # Beside several lines the label belongs to the first one.
            label.setAlignment(top)
            label.setContentsMargins(0, 4, 0, 0)
        if isinstance(value, QLayout):
            self.addLayout(value, row, 1)
        else:
            label.setBuddy(value)
            self.addWidget(value, row, 1)
        return label
