"""The second dock widget: weights of regions, an atlas of the image, and network layers compared.

It has no image and no network of its own: both are those of the main dock in the same viewer, which
it finds, waits for, or opens. While it computes, the main dock computes nothing, and the other way
round. What it adds to the viewer stays there when it is closed.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QWidget

from ..connections import Connections
from ..scrolled_dock import ScrolledDock
from .atlas import AtlasSection
from .atlas_control import AtlasControl
from .layers import LayerComparisonSection
from .layers_control import LayersControl
from .main_dock import MainDock
from .question import ComparisonQuestionSection
from .question_control import QuestionControl
from .runner import Runner
from .shown import Shown
from .weights import WeightsSection
from .weights_control import WeightsControl


class ComparisonWidget(ScrolledDock):
    """Compare regions, places and network layers by what the network uses.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        The viewer; napari passes it by this name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._connections = Connections()
        self.question = ComparisonQuestionSection()
        self.weights = WeightsSection(napari_viewer)
        self.atlas = AtlasSection()
        self.layers = LayerComparisonSection(napari_viewer)
        self.lay_out(self.sections)
        self.main = MainDock(napari_viewer, self)
        self.runner = Runner(self.main, self)
        self.shown = Shown(napari_viewer, self.main)
        self.question_control = QuestionControl(self.question, self.main, self.runner, self)
        shared = self.question_control, self.runner, self.shown
        self.weights_control = WeightsControl(self.weights, *shared, self)
        self.atlas_control = AtlasControl(self.atlas, *shared, self)
        self.layers_control = LayersControl(self.layers, *shared, self)
        self.follow_theme()
        self.attach()

    @property
    def sections(self) -> tuple[QWidget, ...]:
        """The sections, in order."""
        return (self.question, self.weights, self.atlas, self.layers)

    def attach(self) -> None:
        """Connect to the viewer and find the main dock; nothing happens if that is done."""
        if self.attached:
            return
        self.attached = True
        self._connections.connect(self.viewer.events.theme, self.follow_theme)
        for section in (self.weights, self.layers):
            section.follow_theme()
        self.main.start()
        self.question_control.refresh()

    def detach(self) -> None:
        """Cancel all work and let go of the viewer; what was added to it stays."""
        if not self.attached:
            return
        self.attached = False
        self.runner.stop()
        self.atlas_control.stop()
        self.main.stop()
        for section in (self.weights, self.layers):
            section.let_go()
        self._connections.disconnect()
