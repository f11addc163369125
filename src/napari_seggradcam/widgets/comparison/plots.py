"""The plots where napari-matplotlib is there, else how to install it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

INSTALL = 'pip install "napari-seggradcam[plots]"'


def why_no_plots() -> str:
    """Say what plots need; empty if it is installed. Imports nothing."""
    if find_spec("napari_matplotlib") is None:
        return f"Plots need napari-matplotlib. Install it with: {INSTALL}"
    return ""


def load_plots() -> None:
    """Import matplotlib, which takes a second: call it in a thread before there is a plot."""
    if not why_no_plots():
        from . import channel_plot, layer_plot, similarity_plot  # noqa: F401


def make_plots(viewer: Any, *names: str) -> tuple[Any, ...]:
    """Make plots by the names of their classes; imports matplotlib.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Has the theme.
    *names : str
        "SimilarityPlot", "ChannelPlot", "LayerPlot", "CutPlot".
    """
    from .channel_plot import ChannelPlot
    from .layer_plot import CutPlot, LayerPlot
    from .similarity_plot import SimilarityPlot

    kinds = {kind.__name__: kind for kind in (SimilarityPlot, ChannelPlot, LayerPlot, CutPlot)}
    return tuple(kinds[name](viewer) for name in names)
