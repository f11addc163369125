"""Colours of classes, as ``"#rrggbb"``."""

import colorsys
import re

from ..errors import OptionError, ShapeError


def check_colour(colour: str) -> str:
    """The colour itself, if it is one.

    Raises
    ------
    OptionError
        If it is not of the form ``"#rrggbb"``.
    """
    if re.fullmatch("#[0-9a-fA-F]{6}", colour) is None:
        raise OptionError(f"The colour is {colour!r}; expected a form like '#1f77b4'.")
    return colour


def palette(count: int) -> tuple[str, ...]:
    """Distinct colours; class 0, as a rule the background, is dark grey."""
    hues = (colorsys.hsv_to_rgb(0.58 + i / max(1, count - 1), 0.65, 0.95) for i in range(count - 1))
    return ("#404040", *("#" + "".join(f"{round(255 * v):02x}" for v in rgb) for rgb in hues))


def class_colours(given: tuple[str, ...] | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Colour of every class: those given, or a palette.

    Raises
    ------
    ShapeError
        If there is not one for each class.
    """
    if given is None:
        return palette(len(classes))
    if len(given) != len(classes):
        raise ShapeError(
            f"{len(given)} colours were given ({', '.join(given)}) and the network has "
            f"{len(classes)} classes; expected one colour for each of {', '.join(classes)}."
        )
    return given
