"""What a compare mode changes in a viewer, kept so that it can be put back."""

from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer

from .replacing import assign

_GRID = ("stride", "shape", "spacing", "enabled")
_CAMERA = ("center", "zoom", "angles")


def grid_of(viewer: ViewerModel) -> Any:
    """Return the grid model: on the canvas since napari 0.9, on the viewer before."""
    return getattr(viewer, "canvas", viewer).grid


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera: of the scene since napari 0.9, of the viewer before."""
    return getattr(viewer, "scene", viewer).camera


def text_of(viewer: ViewerModel) -> Any:
    """Return the text overlay: on the canvas since napari 0.9, on the viewer before."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.text_overlay if canvas is None else canvas.overlays.text


@dataclass(frozen=True, eq=False)
class ViewState:
    """Grid, camera, sliders, visibility and selection of a viewer.

    Attributes
    ----------
    grid, camera : dict
        Values of the fields that are put back.
    point : tuple of float
        The sliders' positions.
    visible : list of (Layer, bool)
        Visibility per layer.
    selected : list of Layer
        Selected layers, the active one last.
    """

    grid: dict[str, Any]
    camera: dict[str, Any]
    point: tuple[float, ...]
    visible: list[tuple[Layer, bool]]
    selected: list[Layer]

    @classmethod
    def of(cls, viewer: ViewerModel) -> "ViewState":
        """Read the state of a viewer."""
        selection = viewer.layers.selection
        active = [] if selection.active is None else [selection.active]
        return cls(
            grid={name: getattr(grid_of(viewer), name) for name in _GRID},
            camera={name: getattr(camera_of(viewer), name) for name in _CAMERA},
            point=tuple(viewer.dims.point),
            visible=[(layer, layer.visible) for layer in viewer.layers],
            selected=[*(layer for layer in selection if layer not in active), *active],
        )

    def restore(self, viewer: ViewerModel) -> None:
        """Put everything back on the layers that are still there."""
        for layer, visible in self.visible:
            if layer in viewer.layers:
                assign(layer, visible=visible)
        for model, values in ((grid_of(viewer), self.grid), (camera_of(viewer), self.camera)):
            for name, value in values.items():
                setattr(model, name, value)
        if viewer.dims.ndim == len(self.point):
            viewer.dims.point = self.point
        self.select(viewer)

    def select(self, viewer: ViewerModel) -> None:
        """Select again what was selected: adding a layer selects that one."""
        still = [layer for layer in self.selected if layer in viewer.layers]
        selection = viewer.layers.selection
        selection.clear()
        selection.update(still)
        selection.active = still[-1] if still else None
