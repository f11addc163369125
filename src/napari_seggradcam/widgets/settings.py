"""What a person set on the plugin's page in napari's Preferences.

The page is declared under ``configurations`` in ``napari.yaml``; napari has it since
0.9. Without it, or with a value that is no longer offered, the defaults hold.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

PLUGIN = "napari-seggradcam"

# category and property in napari.yaml, per field of Settings
_KEYS = {
    "device": ("computing", "device"),
    "memory": ("computing", "memory"),
    "method": ("explaining", "method"),
    "score": ("explaining", "score"),
    "colormap": ("results", "colormap"),
    "opacity": ("results", "opacity"),
    "keep_results": ("results", "keep_results"),
}


@dataclass(frozen=True)
class Settings:
    """Values that the dock begins with.

    Attributes
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    memory : float
        GiB that kept feature maps may take; 0: a quarter of what is free.
    method : str
        Name of the method.
    score : str
        What is differentiated.
    colormap : str
        Name of a napari colormap.
    opacity : float
        Of heatmaps over the image, 0 to 1.
    keep_results : bool
        Whether a new run leaves the heatmaps of the one before.
    """

    device: str = "auto"
    memory: float = 0.0
    method: str = "seg-grad-cam"
    score: str = "logit"
    colormap: str = "inferno"
    opacity: float = 0.6
    keep_results: bool = False


def read_settings() -> Settings:
    """Read the Preferences page.

    Returns
    -------
    Settings
        The defaults where napari has no such page or no such value.
    """
    try:
        from napari.settings import get_plugin_settings

        stored: Any = get_plugin_settings(PLUGIN)
    except (ImportError, KeyError, ValueError):
        return Settings()
    values = {}
    for field in fields(Settings):
        category, name = _KEYS[field.name]
        value = getattr(getattr(stored, category, None), name, None)
        # Stored numbers without a fraction come back as int.
        value = float(value) if isinstance(field.default, float) and type(value) is int else value
        if isinstance(value, type(field.default)):
            values[field.name] = value
    return Settings(**values)
