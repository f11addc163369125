"""A pass forward in tiles, for images of which not all can run at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..networks.layers import LOGITS, NetworkLayer
from ..networks.network import Network
from ..networks.outputs import MapGrid
from ..networks.progress import Cancel
from ..networks.running import channels_last
from .capture import read
from .reach import layer_shapes, reach_of
from .regions.region import Box
from .tiles import Tile, Tiling


@dataclass(frozen=True)
class Part:
    """Which part of a network layer's feature maps is there.

    Attributes
    ----------
    box
        The positions, per spatial axis.
    shape
        Spatial shape of the whole.
    """

    box: Box
    shape: tuple[int, ...]


OnPart = Callable[[str, torch.Tensor, Part | None], None]


def run_tiles(
    network: Network,
    tensor: torch.Tensor,
    grid: MapGrid,
    layers: Sequence[NetworkLayer],
    most: int,
    on_maps: OnPart,
    cancel: Cancel | None,
) -> torch.Tensor:
    """Run on one tile after another.

    Parameters
    ----------
    network
        One that sees locally.
    tensor
        The padded input.
    grid
        Of its logits.
    layers
        Network layers whose maps are shown.
    most
        Pixels that a tile may have.
    on_maps
        Called with name, feature maps, and which part they are.
    cancel
        Asked before each module.

    Returns
    -------
    torch.Tensor
        All logits.
    """
    shape = tuple(tensor.shape[2:])
    reach, shapes = reach_of(network, shape), layer_shapes(network, layers, shape)
    assert reach.axes is not None  # only such networks come here
    reaches = {layer.name: reach.layers[layer.name] for layer in layers}
    tiling = Tiling(
        {**reaches, LOGITS: reach.axes},
        {**shapes, LOGITS: grid.shape},
        network.rules,
        shape,
        most,
    )
    logits = tensor.new_empty((1, network.rows, *grid.shape))
    for tile in tiling:

        def on_tile(name: str, maps: torch.Tensor, tile: Tile = tile) -> None:
            place = tile.places[name]
            on_maps(name, maps[:, :, *place.tile], Part(place.whole, shapes[name]))

        window, place = tensor[:, :, *tile.window], tile.places[LOGITS]
        found = read(network, channels_last(window), layers, on_tile, cancel)
        logits[:, :, *place.whole] = found[:, :, *place.tile]
    return logits


class Gathered:
    """Feature maps that come in parts, put together.

    Attributes
    ----------
    maps
        By name of the network layer.
    """

    def __init__(self) -> None:
        self.maps: dict[str, torch.Tensor] = {}

    def add(self, name: str, maps: torch.Tensor, part: Part | None) -> None:
        """Put a part where it belongs."""
        assert part is not None
        if name not in self.maps:
            self.maps[name] = _empty_like(maps, part.shape)
        self.maps[name][:, :, *part.box] = maps


def _empty_like(maps: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Room for maps of another spatial shape, in the same layout."""
    last = maps.ndim == 4 and maps.stride(1) == 1
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(
        (*maps.shape[:2], *shape), dtype=maps.dtype, device=maps.device, memory_format=layout
    )


def first_in(layers: Sequence[NetworkLayer], room: int, pixels: int) -> list[NetworkLayer]:
    """The first layers whose maps have room together, in bytes."""
    found = []
    for layer in layers:
        room -= round(4 * layer.channels * pixels / math.prod(layer.stride))
        if room < 0:
            break
        found.append(layer)
    return found
