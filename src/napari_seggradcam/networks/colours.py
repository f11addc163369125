"""Colours of classes, as ``"#rrggbb"``."""

import colorsys
import re

from ..errors import OptionError


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
