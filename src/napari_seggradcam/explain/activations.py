"""What a network computed on one image, kept for the next question as far as memory allows."""

import math
import warnings
from collections.abc import Callable, Sequence

import torch

from ..errors import OutOfMemory
from ..networks.images import PreparedImage
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel
from ..networks.running import channels_last, memory_of, version_of, versions_of
from .capture import OnMaps, Run, read
from .convolutions import KeepConvolutions
from .fitting import pixels_at_once
from .habits import convolution_name, habits_of, numbered, value_name
from .kept_gradients import KeptGradients
from .reach import reach_of
from .regions.region import Box
from .replay import Replay
from .steps import UnevenShift
from .tape import Tape, record
from .tiled_run import Gathered, OnPart, first_in, run_tiles


class Activations:
    """Logits and feature maps of one image, made without gradients.

    Parameters
    ----------
    network
        The network; use everything here with its lock held and inside `as_found`, after
        `refresh`.
    prepared
        The image as the network sees it.
    budget
        Bytes that kept feature maps may take. What does not fit is computed again for every
        question.
    once
        Whether there will be one question only, so that what the next ones would need is not
        kept: memory that is taken for the first time costs more than to compute again.
    every_gradient
        As for `KeptGradients`.

    Attributes
    ----------
    gradients : KeptGradients
        Of the last questions.
    most : int or None
        Pixels that may run at once where memory is short; None: all.
    """

    def __init__(
        self,
        network: Network,
        prepared: PreparedImage,
        budget: int,
        once: bool,
        every_gradient: bool,
    ):
        self._budget = budget
        self.once = once
        self.gradients = KeptGradients(every_gradient)
        self.most: int | None = None
        self._network = network
        self._prepared = prepared
        self._maps: dict[str, torch.Tensor] = {}
        self._logits: torch.Tensor | None = None
        self._largest: float | None = None
        self._tape: Tape | None = None
        self._has_run = False
        self._input: tuple[torch.Tensor, int] | None = None
        self._state: tuple[tuple[int, int], ...] = ()

    @property
    def budget(self) -> int:
        """Bytes that kept feature maps may take; what is beyond it is let go of."""
        return self._budget

    @budget.setter
    def budget(self, budget: int) -> None:
        self._budget = budget
        if self.used > budget:
            self.gradients.clear()
        while self.used > budget:
            del self._maps[next(iter(self._maps))]

    @property
    def has_logits(self) -> bool:
        """Whether the network has run on the image."""
        return self._logits is not None

    def are_kept(self, layers: Sequence[NetworkLayer]) -> bool:
        """Whether nothing has to run for logits and maps of some network layers."""
        return self._logits is not None and all(layer.name in self._maps for layer in layers)

    @property
    def logits(self) -> torch.Tensor:
        """Logits (1, rows, *output) of the padded input; the network runs if need be."""
        self.prepare(())
        assert self._logits is not None  # just prepared
        return self._logits

    @property
    def largest_logit(self) -> float:
        """Largest absolute value of the logits."""
        if self._largest is None:
            self._largest = float(self.logits.abs().max())
        return self._largest

    @property
    def used(self) -> int:
        """Bytes that kept feature maps and gradients take."""
        # A convolution that was asked about is kept under two names.
        maps = sum({memory_of(maps): _bytes(maps) for maps in self._maps.values()}.values())
        return maps + self.gradients.bytes

    @property
    def convolutions(self) -> dict[int, torch.Tensor]:
        """Outputs of convolutions by number of the call, as far as they are kept."""
        return numbered(self._maps, convolution_name(0))

    def replay(self, layers: Sequence[NetworkLayer], windows: Sequence[Box]) -> Replay | None:
        """Crops that can be asked about without a run, or None.

        Parameters
        ----------
        layers
            Network layers whose gradients will be wanted.
        windows
            Of the padded input, all of one shape.
        """
        if self._tape is None or self._logits is None:
            return None
        names, kept = [layer.name for layer in layers], numbered(self._maps, value_name(0))
        if not set(names) <= self._tape.layers.keys():  # on this image it took another way
            return None
        path = self._tape.path_to(names)
        if not path.needs <= kept.keys():
            return None
        try:
            return Replay(path, kept, self._logits, windows)
        except UnevenShift:
            return None

    def refresh(self) -> None:
        """Forget what parameters or buffers of before have computed, and see what fits.

        Raises
        ------
        ImageError
            If the network has yet to run on the image, and memory is too short for it.
        """
        state = versions_of(self._network.module)
        if state != self._state:
            self.forget()
            self._state = state
        if self._logits is None:
            self._fit()

    def forget(self) -> None:
        """Let go of everything."""
        self._maps.clear()
        self.gradients.clear()
        self._logits = self._largest = self._tape = None
        self._has_run = False
        self._input = None  # of the device where the network was

    def _fit(self) -> None:
        """Divide passes from the beginning if the image needs more memory than is free."""
        most = pixels_at_once(self._network, self._prepared.padded_shape, self._budget)
        self.most = most if self.most is None or most is None else min(most, self.most)

    def make_do(self, told: str) -> int:
        """Let go of everything, and divide passes further, because memory ran out.

        Parameters
        ----------
        told
            How that was told.

        Returns
        -------
        int
            Pixels that may run at once from now on.

        Raises
        ------
        OutOfMemory
            If passes can't be divided further.
        """
        shape = self.input.shape[2:]
        reach, whole = reach_of(self._network, shape).axes, math.prod(shape)
        self.forget()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()
        self.budget //= 2
        self.most = (self.most or whole) // 2
        least = 0 if reach is None else math.prod(a.before + a.stride + a.after for a in reach)
        if reach is None or self.most < least:
            what = "runs on the whole image at once" if reach is None else f"needs {least:,} pixels"
            raise OutOfMemory(
                f"{told}. The network {what}, so that the computation can't be divided further. "
                "Choose a smaller image, a device with more memory, or end other programs."
            )
        warnings.warn(
            f"{told}. Going on with {self.most:,} pixels at a time.", RuntimeWarning, stacklevel=2
        )
        return self.most

    def keep(self, logits: torch.Tensor, maps: dict[str, torch.Tensor]) -> None:
        """Take over what another run has computed, as far as it fits.

        Parameters
        ----------
        logits, maps
            Detached; nothing else may change them later.
        """
        self._logits, self._largest = logits, None
        for name, tensor in maps.items():
            self._keep(name, tensor, set(maps))

    def prepare(
        self,
        layers: Sequence[NetworkLayer],
        on_layer: Callable[[str], None] = lambda name: None,
        cancel: Cancel | None = None,
    ) -> None:
        """Run the network unless logits and maps that can be kept are there already.

        Parameters
        ----------
        layers
            Network layers of the next question.
        on_layer
            Called with the name of every layer that the network has come to.
        cancel
            Asked before each module.
        """
        missing = [layer for layer in layers if layer.name not in self._maps]
        wanted = {layer.name for layer in layers}
        if self.most is not None:
            fitting = [it for it in missing if self._could_fit(it, wanted)]
            if self._logits is None or fitting:
                self._run_tiles(fitting, wanted, cancel)
            return
        # A pass with gradients has left its maps, and nothing that crops would compute.
        is_new = not (self._has_run or self.once or not layers)
        if self._logits is None or is_new or any(self._could_fit(it, wanted) for it in missing):
            self._run(missing, wanted, on_layer, cancel)

    def visit(
        self,
        layers: Sequence[NetworkLayer],
        on_maps: OnPart,
        cancel: Cancel | None,
    ) -> None:
        """Show every layer's feature maps, running the network for those not kept.

        The logits are there afterwards.

        Parameters
        ----------
        layers
            The network layers.
        on_maps
            Called with name, feature maps, and which part they are; None: all.
        cancel
            Asked before each module.
        """
        for layer in layers:
            if layer.name in self._maps:
                on_maps(layer.name, self._maps[layer.name], None)
        missing = [layer for layer in layers if layer.name not in self._maps]
        if not missing and self._logits is not None:
            return
        if self.most is not None:
            self._logits = self._in_tiles(missing, on_maps, cancel)
        else:

            def on_whole(name: str, maps: torch.Tensor) -> None:
                on_maps(name, maps, None)

            self._logits = self._forward(missing, on_whole, cancel)
        self._largest = None

    def _run(
        self,
        layers: Sequence[NetworkLayer],
        wanted: set[str],
        on_layer: Callable[[str], None],
        cancel: Cancel | None,
    ) -> None:
        """Run once and keep what fits: maps of layers, and what the next crops would compute."""
        habits, once = habits_of(self._network, self.input.shape[2:]), self.once
        asked, versions = {layer.name for layer in layers}, {}

        def take(name: str, maps: torch.Tensor) -> None:
            maps = maps.clone() if name in habits.overwritten else maps
            if self._keep(name, maps, wanted):
                versions[name] = version_of(maps)

        def on_maps(name: str, maps: torch.Tensor) -> None:
            if name in asked:
                take(name, maps)
                on_layer(name)

        finished = False
        try:
            if once or not habits.recordable:
                keep = None if once else KeepConvolutions(lambda n, t: take(convolution_name(n), t))
                self._logits = self._forward(layers, on_maps, cancel, keep)
            else:
                self._logits, self._tape = record(
                    self._network, self.input, on_maps, lambda n, t: take(value_name(n), t), cancel
                )
            self._largest = None
            finished = self._has_run = True
        finally:
            for name, version in versions.items():
                if name in self._maps and not (
                    finished and version_of(self._maps[name]) == version
                ):
                    del self._maps[name]

    def _run_tiles(
        self, layers: Sequence[NetworkLayer], wanted: set[str], cancel: Cancel | None
    ) -> None:
        """Run tile by tile, and keep maps of layers as far as they fit."""
        room = self.budget - sum(_bytes(m) for name, m in self._maps.items() if name in wanted)
        gathered = Gathered()
        fitting = first_in(layers, room, math.prod(self.input.shape[2:]))
        self._logits, self._largest = self._in_tiles(fitting, gathered.add, cancel), None
        for name, maps in gathered.maps.items():
            self._keep(name, maps, wanted)

    def _forward(
        self,
        layers: Sequence[NetworkLayer],
        on_maps: OnMaps,
        cancel: Cancel | None,
        run: Run | None = None,
    ) -> torch.Tensor:
        return read(self._network, self.input, layers, on_maps, cancel, run)

    def _in_tiles(
        self, layers: Sequence[NetworkLayer], on_maps: OnPart, cancel: Cancel | None
    ) -> torch.Tensor:
        assert self.most is not None
        grid = self._network.output_grid(self._prepared)
        return run_tiles(self._network, self.input, grid, layers, self.most, on_maps, cancel)

    @property
    def input(self) -> torch.Tensor:
        """The padded input, in the layout in which the network is fast and exact."""
        # Networks may change what they are given.
        if self._input is None or self._input[0]._version != self._input[1]:
            network = self._network
            tensor = self._prepared.tensor.to(network.device, network.dtype, copy=True)
            # What sees the whole image at once are norms, and those lose digits in this layout.
            tensor = tensor if reach_of(network).axes is None else channels_last(tensor)
            self._input = tensor, tensor._version
        return self._input[0]

    def _keep(self, name: str, maps: torch.Tensor, wanted: set[str]) -> bool:
        """Keep a layer's maps, if need be instead of others that are not wanted now."""
        self._maps.pop(name, None)
        size = _bytes(maps)
        for other in [other for other in self._maps if other not in wanted]:
            if self.used + size <= self.budget:
                break
            del self._maps[other]
        fits = self.used + size <= self.budget
        if fits:
            self._maps[name] = maps
        return fits

    def _could_fit(self, layer: NetworkLayer, wanted: set[str]) -> bool:
        sizes = zip(self.input.shape[2:], layer.stride, strict=True)
        positions = math.prod(size / stride for size, stride in sizes)
        others = sum(_bytes(maps) for name, maps in self._maps.items() if name in wanted)
        return others + 4 * layer.channels * positions <= self.budget


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes that are held with a tensor, which may be a view of a larger one."""
    return tensor.untyped_storage().nbytes()
