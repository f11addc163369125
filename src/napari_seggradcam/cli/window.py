"""The demo's window: the sample and the dock, and the clicks that a person would make."""

from collections.abc import Callable
from typing import Any

PLUGIN = "napari-seggradcam"
DOCK = "Seg-Grad-CAM"


def show(sample: str, label: int | None) -> None:
    """Open napari with the sample and the dock, let it answer, and stay until it is closed.

    Parameters
    ----------
    sample
        "nuclei" or "streets".
    label
        Which object is the region; None for the sample's own choice.

    Raises
    ------
    OptionError, RegionError
        If there is no such sample or object.
    """
    import napari

    viewer = napari.Viewer(title=f"{DOCK}: {sample}")
    clicks = open_demo(viewer, sample, label)
    napari.run()
    # Qt's signals do not hold on to what they call.
    del clicks


def open_demo(viewer: Any, sample: str, label: int | None = None) -> "Clicks":
    """Open a sample and the dock in a viewer, and begin to click.

    Parameters
    ----------
    viewer : napari.Viewer
    sample, label
        As for `show`.

    Returns
    -------
    Clicks
        Predict, Run and Grid, each clicked as soon as the dock offers it. It clicks as long as
        somebody keeps it.
    """
    from napari.layers import Labels

    from ..scenes.samples import open_sample

    region = open_sample(sample, label).region
    for layer in viewer.open_sample(PLUGIN, sample):
        if isinstance(layer, Labels):
            layer.data = region.astype(layer.data.dtype)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    return Clicks(dock)


class Clicks:
    """What a person would click after opening the sample, one after the other.

    Nothing is computed here: each step waits until the dock offers its button.

    Parameters
    ----------
    dock : napari_seggradcam.widgets.dock.SegGradCamWidget
        Kept as attribute of the same name.
    """

    def __init__(self, dock: Any) -> None:
        self.dock = dock
        self._answered = False
        self._clicking = False
        self._left: list[Callable[[], bool]] = [self._predict, self._run, self._side_by_side]
        dock.run_control.answered.connect(self._on_answered)
        for control in (
            dock.image_control,
            dock.network_control,
            dock.region_control,
            dock.prediction_control,
            dock.run_control,
        ):
            control.changed.connect(self._go_on)
        self._go_on()

    @property
    def done(self) -> bool:
        """Whether everything was clicked and the heatmaps stand side by side."""
        return not self._left and not self.dock.compare_control.building

    def _go_on(self) -> None:
        # A click makes the dock change, which calls this again: one step at a time.
        if self._clicking:
            return
        self._clicking = True
        while self._left and self._left[0]():
            del self._left[0]
        self._clicking = False

    def _on_answered(self, _answer: Any) -> None:
        self._answered = True
        self._go_on()

    def _predict(self) -> bool:
        if self.dock.run_control.reason:
            return False
        self.dock.network.predict_button.click()
        return True

    def _run(self) -> bool:
        if self.dock.run_control.reason or self.dock.prediction_control.running:
            return False
        self.dock.run.button.click()
        return True

    def _side_by_side(self) -> bool:
        if self._answered:
            self.dock.compare.modes["grid"].click()
        return self._answered
