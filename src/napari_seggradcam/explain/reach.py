"""How far an output pixel sees into the input, found by trying.

NaN is put into one block of an otherwise ordinary input; whichever outputs become NaN have seen
the block, whatever the network is made of. Blocks are as long as the network's stride, the shift
of the input under which the output is shifted and otherwise unchanged, so that what holds for one
block holds for all. A network with a global operation (instance norm, squeeze and excitation,
attention) turns NaN everywhere.

To see no farther is necessary, not sufficient, for a crop to give the whole image's logits:
interpolation with ``align_corners=True`` looks local and depends on the size of its input, and
circular padding joins the ends of the input. So NaN is put at the ends, too, and crops are compared
with the whole.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from ..errors import NetworkError, SegGradCamError
from ..networks.layers import LOGITS, NetworkLayer
from ..networks.network import Network
from ..networks.running import as_found
from ..networks.sizes import AxisRule
from ..networks.sliding import patch_in_words
from .agreement import (
    Maps,
    crops_equal_whole,
    positions_with_nan,
    run,
    show,
    strip_of,
    with_nan,
)
from .axis_reach import AxisReach
from .capture import Reading

# Lengths of the strips that are tried, until one is longer than the reach to both sides.
_LENGTHS = {2: (512, 1024, 2048), 3: (128, 256, 512)}
# Convolutions bring NaN to the ends of a strip step by step. Where it comes there at once from less
# than this share of the strip, a somewhat longer one will hardly do, and the longest is tried next.
_SUDDEN = 0.5
_SIZE_MATTERS = (
    "What the network computes depends on the size of its input (interpolation with "
    "align_corners=True does, and circular padding), so that it has to see the whole image."
)


@dataclass(frozen=True)
class Reach:
    """How far a network sees.

    Attributes
    ----------
    axes
        Of the logits, per spatial axis; None if the network does not see locally.
    why_not
        Why crops can't stand for the whole image, in words; empty if they can.
    layers
        Of the positions of every network layer, per spatial axis.
    patch
        Size of the patches as which the network sees an image; None: it sees the image.
    """

    axes: tuple[AxisReach, ...] | None
    why_not: str = ""
    layers: Mapping[str, tuple[AxisReach, ...]] = field(default_factory=dict)
    patch: tuple[int, ...] | None = None

    def in_words(self) -> str:
        """How far a pixel of the logits sees to either side, for people."""
        if self.patch is not None:
            return f"explained on patches of {patch_in_words(self.patch)}"
        if self.axes is None:
            return "the whole image"
        sides = [str(max(axis.before, axis.after)) for axis in self.axes]
        return f"{' × '.join(sides if len(set(sides)) > 1 else sides[:1])} pixels to every side"


_known: WeakKeyDictionary[Network, Reach] = WeakKeyDictionary()
# Of networks from files: opened again, they are not measured again.
_known_files: dict[tuple[object, ...], Reach] = {}
_known_sizes: WeakKeyDictionary[Network, dict[tuple[int, ...], bool]] = WeakKeyDictionary()
_lock = threading.Lock()


def reach_of(network: Network, shape: Sequence[int] | None = None) -> Reach:
    """How far a network sees; measured at the first call (about as long as three predictions).

    A network at another precision sees as far as the one that it was made of.

    Parameters
    ----------
    network
        The network.
    shape
        Spatial shape of a padded input, which may not suit a network that takes any size: one
        that interpolates to it, for example. None: one that suits.
    """
    if network.patch is not None:
        return Reach(None, "The network is explained on patches as a whole.", patch=network.patch)
    with network.lock:
        if network not in _known:
            found = _measure_once(network) if network.origin is None else reach_of(network.origin)
            with _lock:
                _known[network] = found
        reach = _known[network]
        if shape is None or reach.axes is None or _suits(network, reach.axes, reach.layers, shape):
            return reach
        return Reach(None, _SIZE_MATTERS)


def _suits(
    network: Network,
    axes: Sequence[AxisReach],
    layers: Mapping[str, Sequence[AxisReach]],
    shape: Sequence[int],
) -> bool:
    """Whether crops give what the whole gives where sizes leave these remainders."""
    known = _known_sizes.setdefault(network, {})
    remainders = tuple(size % reach.stride for size, reach in zip(shape, axes, strict=True))
    if remainders not in known:
        with as_found(network.module), torch.no_grad():
            known[remainders] = all(
                _suits_axis(network, axis, size, {name: r[axis] for name, r in layers.items()}, one)
                for axis, (size, one) in enumerate(zip(shape, axes, strict=True))
            )
    return known[remainders]


def _suits_axis(
    network: Network, axis: int, size: int, layers: Mapping[str, AxisReach], reach: AxisReach
) -> bool:
    stride = reach.stride
    if (size - _measured(network.rules[axis], stride, network.ndim)) % stride == 0:
        return True
    enough = 2 * (reach.before + reach.after + stride)
    length = size - max(0, size - enough) // stride * stride
    strip = strip_of(network, axis, length)
    whole: dict[str, Maps] = {}

    def keep(name: str, maps: torch.Tensor) -> None:
        whole[name] = Maps.of(maps, axis)

    try:
        show(network, strip, keep)
        return crops_equal_whole(network, axis, strip, {**layers, LOGITS: reach}, whole)
    except NetworkError:
        return False


def _measured(rule: AxisRule, stride: int, ndim: int) -> int:
    """Length of the shortest strip that is tried; the others are longer by whole strides."""
    return rule.at_least(max(_LENGTHS[ndim][0], 4 * stride))


def _measure_once(network: Network) -> Reach:
    """Measure, unless a network of the same file and with the same layers has been measured."""
    if network.sha256 is None:
        return _measure(network)
    key = (
        network.sha256,
        network.axes,
        network.channels,
        network.output,
        network.rules,
        network.layers,
    )
    if key not in _known_files:
        _known_files[key] = _measure(network)
    return _known_files[key]


def layer_shapes(
    network: Network, layers: Sequence[NetworkLayer], shape: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """Spatial shapes of network layers on a padded input, found on thin strips of its lengths.

    Parameters
    ----------
    network
        A network that sees locally.
    layers
        The network layers.
    shape
        Spatial shape of the padded input.
    """
    lengths: dict[str, list[int]] = {layer.name: [] for layer in layers}
    with network.lock, as_found(network.module), torch.no_grad():
        for axis, length in enumerate(shape):

            def on_map(name: str, maps: torch.Tensor, axis: int = axis) -> None:
                lengths[name].append(maps.shape[2 + axis])

            taps = Reading(network.module, layers, on_map)
            with taps:
                calls = taps.calls(network.ndim, network.bypass)
                run(network, strip_of(network, axis, length), calls)
    return {name: tuple(found) for name, found in lengths.items()}


def mark_not_local(network: Network, why_not: str) -> None:
    """Have `reach_of` say from now on that crops can't stand for the whole image."""
    with _lock:
        _known[network] = Reach(None, why_not)


def _measure(network: Network) -> Reach:
    with as_found(network.module), torch.no_grad():
        axes, layers = [], []
        for axis in range(network.ndim):
            try:
                found = _measure_axis(network, axis)
            except NetworkError as error:
                return Reach(None, f"The network fails on parts of an image. {error}")
            if isinstance(found, str):
                return Reach(None, found)
            axes.append(found[0])
            layers.append(found[1])
    by_name = {layer.name: tuple(found[layer.name] for found in layers) for layer in network.layers}
    return Reach(tuple(axes), layers=by_name)


def _measure_axis(network: Network, axis: int) -> tuple[AxisReach, dict[str, AxisReach]] | str:
    """Reach of the logits and of network layers along one axis, or why there is none."""
    strides = {round(layer.stride[axis]) for layer in network.layers}
    rule = network.rules[axis]
    # By steps, because crops have to run, too.
    stride = math.lcm(rule.output_stride, rule.step, *(s for s in strides if s > 0))
    shortest, lengths = _measured(rule, stride, network.ndim), list(_LENGTHS[network.ndim])
    while lengths:
        more = max(0, math.ceil((lengths.pop(0) - shortest) / stride)) * stride
        strip = strip_of(network, axis, shortest + more)
        block = strip.shape[2 + axis] // 2 // stride
        spread = _Spread(axis, is_last=not lengths)
        spread.run(network, with_nan(strip, axis, stride, block))
        if spread.is_inside:
            break
        if spread.share < _SUDDEN:
            lengths = lengths[-1:]
    if not spread.is_inside:
        return spread.in_words()

    def reach(name: str, per_block: int) -> AxisReach:
        first, last = spread.maps[name].seen or (0, 0)
        return AxisReach(stride, per_block, first - block * per_block, last - block * per_block)

    reaches = {
        layer.name: reach(layer.name, round(stride / layer.stride[axis]))
        for layer in network.layers
    }
    found = reach(LOGITS, stride // rule.output_stride)
    if not crops_equal_whole(network, axis, strip, {**reaches, LOGITS: found}, spread.maps):
        return _SIZE_MATTERS
    return found, reaches


class _Enough(SegGradCamError):
    """Ends a run that has shown what it was for."""


class _Spread:
    """How far NaN in the middle of a strip spreads.

    Parameters
    ----------
    axis
        Along which the strip is long.
    is_last
        Whether no longer strip will be tried.

    Attributes
    ----------
    maps
        By name, of network layers and the logits.
    is_inside
        Whether it spreads to some positions of all of them, and to the ends of none.
    share
        Of the positions of a map that it spreads to, at most, before it comes to the ends.
    """

    def __init__(self, axis: int, is_last: bool):
        self.maps: dict[str, Maps] = {}
        self.is_inside = True
        self.share = 0.0
        self._axis = axis
        self._is_last = is_last
        self._everywhere = ""

    def run(self, network: Network, strip: torch.Tensor) -> None:
        """Run a strip with NaN, no further than need be."""
        with suppress(_Enough):
            show(network, strip, self._look)

    def _look(self, name: str, maps: torch.Tensor) -> None:
        hit = _hit(maps, self._axis)
        if hit is not None and self.is_inside:
            self.maps[name] = Maps.of(maps, self._axis, hit)
            share = (hit[1] - hit[0] + 1) / maps.shape[2 + self._axis]
            self.share = max(self.share, share)
            return
        self.is_inside = False
        if name != LOGITS and bool(maps.isnan().flatten(2).all(2).any()):
            self._everywhere = name
        if self._everywhere or not self._is_last:
            raise _Enough

    def in_words(self) -> str:
        """Which network layer is the first to see everything."""
        first = f", first in {self._everywhere}" if self._everywhere else ""
        return f"The network sees the whole image at once{first}."


def _hit(maps: torch.Tensor, axis: int) -> tuple[int, int] | None:
    """First and last position with NaN; None if there is none, or those at the ends have it."""
    hit = positions_with_nan(maps, axis)
    if not hit or hit[0] == 0 or hit[-1] == maps.shape[2 + axis] - 1:
        return None
    return hit[0], hit[-1]
