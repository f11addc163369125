"""Three ways to compare heatmaps: Overlay, Grid and Stack.

Overlay shows one result layer at a time on the image. Grid shows a cell per
network layer with image, heatmap and outline of M, or, for more network layers
than napari draws fast, one mosaic. Stack is one image with a slider over the
network layers. Leaving a mode removes the layers that it added and restores
the visibility, grid, camera and slider positions that it found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari.components import ViewerModel
from napari.layers import Image, Layer

from .cells import PER_CELL, cell_layers
from .heatmaps import DEFAULT_SETTINGS, ResultSettings
from .inputs import ImageInput, InputPlan
from .mosaic import Mosaic, build_mosaic
from .ownership import marker_of, own_layers, seal
from .regions import pixel_at
from .results import ResultLayers
from .stack import Stack, build_stack
from .view_state import ViewState, grid_of, text_of

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

Mode = Literal["overlay", "grid", "stack"]

GRID_LAYERS = 15
"""napari layers that a grid may have; more become a mosaic."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a mode shows, ready to be made into layers.

    Attributes
    ----------
    mode : {"overlay", "grid", "stack"}
        Which mode.
    explanation : Explanation
        What is shown.
    image : ImageInput
        The image that was asked about.
    content : Mosaic, Stack or None
        Arrays that had to be made.
    """

    mode: Mode
    explanation: "Explanation"
    image: ImageInput
    content: Mosaic | Stack | None


class Compare:
    """The compare mode of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._prepared: Prepared | None = None
        self._before: ViewState | None = None
        self._stack_layer: Image | None = None

    @property
    def mode(self) -> Mode:
        """The mode that is on; "overlay" where nothing is."""
        return "overlay" if self._prepared is None else self._prepared.mode

    @property
    def wants_reset_view(self) -> bool:
        """Whether the view has to be fitted one event-loop turn after `enter`."""
        return self.mode == "grid"

    @staticmethod
    def prepare(mode: Mode, explanation: "Explanation", image: ImageInput) -> Prepared:
        """Make the arrays that a mode shows; the slow part, safe in a worker.

        Parameters
        ----------
        mode : {"overlay", "grid", "stack"}
            Which mode.
        explanation : Explanation
            What is shown.
        image : ImageInput
            The image that was asked about.

        Returns
        -------
        Prepared
            To hand to `enter`.
        """
        content: Mosaic | Stack | None = None
        if mode == "stack":
            content = build_stack(explanation, image)
        elif mode == "grid" and PER_CELL * len(explanation) > GRID_LAYERS:
            content = build_mosaic(explanation, image)
        return Prepared(mode, explanation, image, content)

    def enter(
        self, prepared: Prepared, settings: ResultSettings = DEFAULT_SETTINGS
    ) -> Iterator[None]:
        """Leave the mode that is on and enter another, one napari layer per step.

        Run it to its end, one step per turn of the event loop, then call
        ``viewer.reset_view()`` one turn later if `wants_reset_view` (in the
        same turn napari fits the wrong zoom).

        Parameters
        ----------
        prepared : Prepared
            From `prepare`.
        settings : ResultSettings
            Colormap, opacity, blending.
        """
        self.leave()
        if prepared.mode == "overlay":
            return
        self._before = ViewState.of(self._viewer)
        self._prepared = prepared
        if isinstance(prepared.content, Stack):
            self._enter_stack(prepared.content, settings)
            yield
            return
        for layer in list(self._viewer.layers):
            layer.visible = False
        if isinstance(prepared.content, Mosaic):
            layers = prepared.content.layers(settings)
            self._viewer.cursor.events.position.connect(self._on_pointer)
        else:
            layers = cell_layers(prepared.explanation, prepared.image, settings)
        # Below the user's layers, because napari counts the cells from the bottom.
        for index, layer in enumerate(layers):
            self._insert(index, layer)
            yield
            if self._prepared is not prepared:
                return
        if prepared.content is None:
            # Last: napari lays out a grid that is on again for every layer that is added.
            grid = grid_of(self._viewer)
            grid.stride, grid.shape, grid.spacing = PER_CELL, (-1, -1), 0.02
            grid.enabled = True

    def pixel_at(self, plan: InputPlan, position: Sequence[float]) -> tuple[int, ...] | None:
        """Image pixel under the pointer, in whichever tile of a mosaic; None where there is none.

        Parameters
        ----------
        plan : InputPlan
            The image that is asked about.
        position : sequence of float
            ``event.position`` of a mouse callback.
        """
        content = None if self._prepared is None else self._prepared.content
        if isinstance(content, Mosaic) and content.image.layer is plan.layer:
            return content.pixel_at(position, self._viewer.dims)
        return pixel_at(plan, position, self._viewer.dims)

    def show_only(self, name: str | None) -> None:
        """Show one network layer: its result layer in Overlay, its step in Stack.

        Parameters
        ----------
        name : str or None
            A network layer; None shows all result layers (Overlay).
        """
        content = None if self._prepared is None else self._prepared.content
        if isinstance(content, Stack) and name in content.names:
            self._viewer.dims.set_current_step(0, content.names.index(name))
        elif self.mode == "overlay":
            for key, layer in ResultLayers(self._viewer).heatmaps().items():
                layer.visible = name is None or key == name

    def leave(self) -> None:
        """Remove what the mode added and restore what it found; nothing to do in Overlay."""
        if self._before is None:
            return
        self._viewer.cursor.events.position.disconnect(self._on_pointer)
        self._viewer.dims.events.current_step.disconnect(self._on_step)
        before, self._before, self._prepared, self._stack_layer = self._before, None, None, None
        grid_of(self._viewer).enabled = False
        for layer in own_layers(self._viewer, "view"):
            self._viewer.layers.remove(layer)
        before.restore(self._viewer)

    def _insert(self, index: int, layer: Layer) -> None:
        self._viewer.layers.insert(index, layer)
        seal(layer)
        if self._before is not None:
            self._before.select(self._viewer)

    def _enter_stack(self, stack: Stack, settings: ResultSettings) -> None:
        for layer in own_layers(self._viewer, "heatmap"):
            layer.visible = False
        self._stack_layer = stack.layer(self._viewer.dims, settings)
        index = len(self._viewer.layers)
        for outline in own_layers(self._viewer, "region"):
            index = min(index, self._viewer.layers.index(outline))
        self._insert(index, self._stack_layer)
        self._viewer.dims.set_current_step(0, 0)
        self._viewer.dims.events.current_step.connect(self._on_step)
        self._on_step()

    def _on_step(self, event: Any = None) -> None:
        """Give the network layer that is shown its own colour scale and caption."""
        layer = self._stack_layer
        content = None if self._prepared is None else self._prepared.content
        if layer is None or not isinstance(content, Stack) or marker_of(layer) is None:
            return
        step = min(max(int(self._viewer.dims.current_step[0]), 0), len(content.names) - 1)
        layer.contrast_limits = content.limits[step]
        layer.contrast_limits_range = content.limits[step]
        self._say(content.caption(step))

    def _on_pointer(self, event: Any = None) -> None:
        """Read the mosaic's value under the pointer in raw units."""
        content = None if self._prepared is None else self._prepared.content
        if isinstance(content, Mosaic):
            self._say(content.reading(self._viewer.cursor.position, self._viewer.dims))

    def _say(self, text: str) -> None:
        overlay = text_of(self._viewer)
        overlay.text = text
        overlay.visible = bool(text)
