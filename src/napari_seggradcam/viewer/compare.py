"""Three ways to compare heatmaps: Overlay, Grid and Stack.

Overlay shows one result layer at a time on the image. Grid shows a cell per
network layer with image, heatmap and outline of M, or, for more network layers
than napari draws fast, one mosaic. Stack is one image with a slider over the
network layers. A new answer of the same kind changes the layers of the mode that
is on. Leaving a mode removes the layers that it added and restores the
visibility, grid, camera and slider positions that it found.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from .caption import Caption
from .cells import PER_CELL, cell_layers, cell_values, heat_key
from .heatmaps import DEFAULT_SETTINGS, ResultSettings
from .inputs import ImageInput, InputPlan
from .mosaic import HEAT, NAMES, Mosaic, build_mosaic, with_values
from .ownership import METADATA_KEY, marker_of, own_layers, seal
from .prepared import Mode, Prepared
from .regions import pixel_at
from .replacing import assign, show_instead, show_values
from .results import ResultLayers
from .stack import Sliders, Stack, build_stack, go_to_step, shown_step
from .view_state import ViewState, grid_of

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

GRID_LAYERS = 15
"""napari layers that a grid may have; more become a mosaic."""

_TURNS_TO_DRAW = 3


class Compare:
    """The compare mode of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, or napari's proxy of it.

    Attributes
    ----------
    wants_reset_view : bool
        Whether the view has to be fitted one event-loop turn after `enter`.
    chosen : str or None
        Network layer that Overlay and Stack show; None: all of them, and Stack begins with the
        first.

    Signals
    -------
    stepped(str)
        The slider of Stack has come to another network layer; "": beyond all of them.
    """

    stepped = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._caption = Caption(viewer)
        self.chosen: str | None = None
        self._prepared: Prepared | None = None
        self._before: ViewState | None = None
        self._sliders: Sliders | None = None
        self._stack_layer: Image | None = None
        self._built = 0
        self.wants_reset_view = False

    @property
    def mode(self) -> Mode:
        """The mode that is on; "overlay" where nothing is."""
        return "overlay" if self._prepared is None else self._prepared.mode

    @property
    def prepared(self) -> Prepared | None:
        """What the mode that is on shows; None in Overlay."""
        return self._prepared

    @staticmethod
    def prepare(
        mode: Mode,
        explanation: "Explanation",
        image: ImageInput,
        settings: ResultSettings = DEFAULT_SETTINGS,
        like: Prepared | None = None,
    ) -> Prepared:
        """Make the arrays that a mode shows; the slow part, safe in a worker.

        Parameters
        ----------
        mode : {"overlay", "grid", "stack"}
            Which mode.
        explanation : Explanation
            What is shown.
        image : ImageInput
            The image that was asked about.
        settings : ResultSettings
            Which maps it shows.
        like : Prepared, optional
            Of the same image, region and network layers; of it is taken over what is the same.

        Returns
        -------
        Prepared
            To hand to `enter` or `show_values`.
        """
        content: Mosaic | Stack | None = None
        if mode == "stack":
            content = build_stack(explanation, image, settings)
        elif mode == "grid" and PER_CELL * len(explanation) > GRID_LAYERS:
            before = None if like is None else like.content
            if isinstance(before, Mosaic) and before.image is image:
                content = with_values(before, explanation, settings)
            else:
                content = build_mosaic(explanation, image, settings)
        return Prepared(mode, explanation, image, content, settings.signed)

    def enter(
        self, prepared: Prepared, settings: ResultSettings = DEFAULT_SETTINGS
    ) -> Iterator[None]:
        """Show what was prepared, one napari layer per step.

        Where the mode that is on shows an answer of the same kind, its layers take over the
        new data; otherwise it is left and another entered. Run it to its end, one step per
        turn of the event loop, then call ``viewer.reset_view()`` one turn later if
        `wants_reset_view` (in the same turn napari fits the wrong zoom).

        Parameters
        ----------
        prepared : Prepared
            From `prepare`.
        settings : ResultSettings
            Colormap, opacity, blending.
        """
        if self._is_complete and self._prepared is not None and prepared.is_like(self._prepared):
            self._prepared, self.wants_reset_view = prepared, False
            yield from self._update(prepared, settings)
            return
        if self._before is not None:
            self.leave()
            # Qt has to draw without the layers that went: new ones that are drawn while OpenGL
            # still has their buffers to delete have ended the process (napari/napari#8122 is of
            # the same kind).
            for _ in range(_TURNS_TO_DRAW):
                yield
        if prepared.mode == "overlay":
            return
        self._before = ViewState.of(self._viewer)
        self._sliders = Sliders.of(self._viewer.dims)
        self._prepared, self.wants_reset_view = prepared, prepared.mode == "grid"
        yield from self._build(prepared, settings)

    def show_values(self, prepared: Prepared, settings: ResultSettings = DEFAULT_SETTINGS) -> bool:
        """Give the layers of the mode that is on other values, all in one turn.

        Parameters
        ----------
        prepared : Prepared
            Of the same image and region as what the mode shows.
        settings : ResultSettings
            Which maps it shows.

        Returns
        -------
        bool
            Whether they could; they can't where layers would have to come or go.
        """
        shown = self._prepared
        if shown is None or not (self._is_complete and prepared.is_like(shown)):
            return shown is None and prepared.mode == "overlay"
        self._prepared = prepared
        content, views = prepared.content, self._views()
        if isinstance(content, Stack):
            layer = views["stack"]
            step = shown_step(layer, self._viewer.dims)
            show_values(layer, content.shown(layer.ndim, step or 0))
            self._caption.say("" if step is None else content.captions[step])
        elif isinstance(content, Mosaic):
            show_values(views[HEAT], content.heat)
            views[NAMES].features = content.titles
            views[NAMES].refresh_text()
            if self._caption.stands:
                self._on_pointer()
            shown.give_back()
        else:
            for name, heatmap in prepared.explanation.items():
                values = cell_values(heatmap, prepared.image, settings)
                show_values(views[heat_key(name)], values)
        return True

    def _views(self) -> dict[str, Any]:
        """Layers of the mode that is on, by key."""
        return {
            layer.metadata[METADATA_KEY]["key"]: layer for layer in own_layers(self._viewer, "view")
        }

    @property
    def _is_complete(self) -> bool:
        """Whether all layers of the mode that is on are there, and still ours."""
        return 0 < self._built == len(list(own_layers(self._viewer, "view")))

    def _layers(self, prepared: Prepared, settings: ResultSettings) -> Iterator[Layer]:
        """Make the layers of a mode, from the bottom up."""
        content = prepared.content
        if isinstance(content, Stack):
            assert self._sliders is not None  # kept when a mode is entered
            return iter([content.layer(self._sliders, settings)])
        if isinstance(content, Mosaic):
            return content.layers(settings)
        return cell_layers(prepared.explanation, prepared.image, settings)

    def _update(self, prepared: Prepared, settings: ResultSettings) -> Iterator[None]:
        """Give the layers of the mode that is on other data."""
        views = self._views()
        for layer in self._layers(prepared, settings):
            show_instead(views[layer.metadata[METADATA_KEY]["key"]], layer)
            yield
            if self._prepared is not prepared:
                return
        self._on_step()

    def _build(self, prepared: Prepared, settings: ResultSettings) -> Iterator[None]:
        """Add the layers of a mode that was just entered."""
        if isinstance(prepared.content, Stack):
            self._show_stack(prepared, settings)
            self._built = 1
            yield
            return
        for layer in list(self._viewer.layers):
            assign(layer, visible=False)
        if isinstance(prepared.content, Mosaic):
            self._viewer.cursor.events.position.connect(self._on_pointer)
        # Below the user's layers, because napari counts the cells from the bottom.
        for index, layer in enumerate(self._layers(prepared, settings)):
            self._insert(index, layer)
            yield
            if self._prepared is not prepared:
                return
        self._built = index + 1
        if isinstance(prepared.content, Mosaic):
            self._viewer.dims.events.ndisplay.connect(self._on_display)
            if self._viewer.dims.ndisplay == 3:
                self._on_display()
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
        if isinstance(content, Mosaic) and content.image.layers == plan.layers:
            return content.pixel_at(position, self._viewer.dims)
        return pixel_at(plan, position, self._viewer.dims)

    def show_only(self, name: str | None) -> None:
        """Show one network layer: its result layer in Overlay, its step in Stack.

        Parameters
        ----------
        name : str or None
            A network layer; None shows all result layers (Overlay).
        """
        self.chosen = name
        content = None if self._prepared is None else self._prepared.content
        if isinstance(content, Stack):
            if self._stack_layer is not None and self._is_complete and name in content.names:
                go_to_step(self._stack_layer, self._viewer.dims, content.names.index(name))
        elif self.mode == "overlay":
            for key, layer in ResultLayers(self._viewer).heatmaps().items():
                assign(layer, visible=name is None or key == name)

    def leave(self) -> None:
        """Remove what the mode added and restore what it found; nothing to do in Overlay."""
        if self._before is None:
            return
        self._viewer.cursor.events.position.disconnect(self._on_pointer)
        self._viewer.dims.events.ndisplay.disconnect(self._on_display)
        for emitter in self._step_events:
            emitter.disconnect(self._on_step)
        before, self._before, self._prepared, self._stack_layer = self._before, None, None, None
        self._sliders, self._built, self.wants_reset_view = None, 0, False
        self._caption.give_back()
        # Else napari collects garbage and draws after every layer.
        with self._viewer.layers.batched_update():
            grid_of(self._viewer).enabled = False
            for layer in own_layers(self._viewer, "view"):
                self._viewer.layers.remove(layer)
            before.restore(self._viewer)

    def _insert(self, index: int, layer: Layer) -> None:
        self._viewer.layers.insert(index, layer)
        seal(layer)
        if self._before is not None:
            self._before.select(self._viewer)

    def _show_stack(self, prepared: Prepared, settings: ResultSettings) -> None:
        for layer in own_layers(self._viewer, "heatmap"):
            assign(layer, visible=False)
        (self._stack_layer,) = self._layers(prepared, settings)
        index = len(self._viewer.layers)
        for outline in own_layers(self._viewer, "region"):
            index = min(index, self._viewer.layers.index(outline))
        self._insert(index, self._stack_layer)
        content = prepared.content
        assert isinstance(content, Stack)
        first = content.names.index(self.chosen) if self.chosen in content.names else 0
        go_to_step(self._stack_layer, self._viewer.dims, first)
        for emitter in self._step_events:
            emitter.connect(self._on_step)
        self._on_step()

    @property
    def _step_events(self) -> tuple[Any, ...]:
        """What changes which network layer a stack shows."""
        dims = self._viewer.dims.events
        return dims.point, dims.ndisplay, dims.order, self._viewer.layers.events.removed

    def _on_step(self, event: Any = None) -> None:
        """Give the network layer that is shown its own colour scale and caption."""
        layer = self._stack_layer
        content = None if self._prepared is None else self._prepared.content
        if layer is None or not isinstance(content, Stack):
            return
        if marker_of(layer) is None or layer not in self._viewer.layers:
            self._caption.give_back()
            return
        step = shown_step(layer, self._viewer.dims)
        if step is not None:
            layer.contrast_limits = content.limits[step]
            layer.contrast_limits_range = content.limits[step]
        self._caption.say("" if step is None else content.captions[step])
        name = "" if step is None else content.names[step]
        self.chosen = name or self.chosen
        self.stepped.emit(name)

    def _on_display(self, event: Any = None) -> None:
        """Let the names of a mosaic stand where 2D or 3D has them."""
        content = None if self._prepared is None else self._prepared.content
        names = self._views().get(NAMES)
        if isinstance(content, Mosaic) and names is not None:
            names.data = content.title_places(self._viewer.dims.ndisplay)

    def _on_pointer(self, event: Any = None) -> None:
        """Read the mosaic's value under the pointer in raw units."""
        content = None if self._prepared is None else self._prepared.content
        if isinstance(content, Mosaic):
            self._caption.say(content.reading(self._viewer.cursor.position, self._viewer.dims))
