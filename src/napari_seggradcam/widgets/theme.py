"""The dock's own colours for napari's themes.

napari's style sheet has no colours for text that warns, and its ``warning`` and
``error`` are made for backgrounds: as text they are unreadable on one theme or the
other. These have a contrast of at least 4.5 to 1 on the theme's background.
"""

from __future__ import annotations

from typing import Any

_TEXT = {
    "dark": {"hint": "#a9adb8", "warning": "#f0c040", "error": "#ff8a80"},
    "light": {"hint": "#56565c", "warning": "#7a4f00", "error": "#b00020"},
}


def theme_kind(theme: Any) -> str:
    """Return "dark" or "light", judged by the background's luminance."""
    red, green, blue = theme.background.as_rgb_tuple(alpha=False)
    return "dark" if 0.299 * red + 0.587 * green + 0.114 * blue < 128 else "light"


def style_sheet(theme_name: str) -> str:
    """Style sheet of the dock for one of napari's themes.

    Parameters
    ----------
    theme_name : str
        Name of the theme as the viewer has it.

    Returns
    -------
    str
        Rules that come on top of napari's own.
    """
    from napari.utils.theme import get_theme

    theme = get_theme(theme_name)
    text = _TEXT[theme_kind(theme)]
    plain = theme.text.as_hex()
    rules = [
        f'QLabel[level="plain"] {{ color: {plain}; }}',
        *(f'QLabel[level="{level}"] {{ color: {colour}; }}' for level, colour in text.items()),
        f"QLabel#sgc_label {{ color: {text['hint']}; }}",
        f"QFrame#sgc_section {{ border: 0; border-top: 1px solid {theme.primary.as_hex()}; }}",
        "QPushButton#sgc_header { text-align: left; font-weight: 600; border: 0;"
        " padding: 6px 4px; background: transparent; }",
        "QPushButton#sgc_subheader { text-align: left; border: 0; padding: 3px 0;"
        " background: transparent; }",
        f"QPushButton#sgc_subheader:hover {{ background: {theme.foreground.as_hex()}; }}",
        f"QPushButton#sgc_subheader:focus {{ background: {theme.foreground.as_hex()}; }}",
        f"QPushButton#sgc_header:hover {{ background: {theme.foreground.as_hex()}; }}",
        f"QPushButton#sgc_header:focus {{ background: {theme.foreground.as_hex()}; }}",
        f"QPushButton#sgc_run {{ background: {theme.current.as_hex()};"
        f" font-weight: 600; padding: 6px; }}",
        f"QPushButton#sgc_run:hover {{ border: 1px solid {plain}; }}",
        f"QPushButton#sgc_run:disabled {{ background: {theme.primary.as_hex()};"
        f" color: {text['hint']}; }}",
        f"QFrame#sgc_card {{ border: 0; border-radius: 3px;"
        f" background: {theme.foreground.as_hex()}; }}",
        "QFrame#sgc_card QLabel { background: transparent; }",
        "QScrollArea#sgc_scroll { border: 0; }",
        "QTreeWidget::item { padding: 1px 0; }",
    ]
    return "\n".join(rules)
