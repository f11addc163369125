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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import torch

from ..errors import NetworkError
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.running import FunctionCalls, as_found
from ..networks.sizes import AxisRule
from .capture import Reading

TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference between a crop's logits and the whole image's, as a share of the largest.

By precision: above what rounding leaves, and below what another size of the input changes.
"""

# Lengths of the strips that are tried, until one is longer than the reach to both sides.
_LENGTHS = {2: (512, 2048), 3: (128, 512)}
_WIDTH = {2: 32, 3: 16}
_LOGITS = "logits"


@dataclass(frozen=True)
class AxisReach:
    """Which outputs, or positions of a network layer, see which inputs along one spatial axis.

    Attributes
    ----------
    stride
        Input pixels per block.
    outputs
        Output pixels per block.
    first, last
        Index of the first and the last output that see input block 0, were there any before it.
    """

    stride: int
    outputs: int
    first: int
    last: int

    @property
    def before(self) -> int:
        """Input pixels that an output pixel sees towards lower indices."""
        return (self.last + 1 - self.outputs) * self.stride // self.outputs

    @property
    def after(self) -> int:
        """Input pixels that an output pixel sees towards higher indices."""
        return -self.first * self.stride // self.outputs

    def widened(self) -> "AxisReach":
        """As if every position saw what its two neighbours see, too."""
        return replace(self, first=self.first - 1, last=self.last + 1)

    def inputs(self, start: int, stop: int) -> tuple[int, int]:
        """Input pixels, in whole blocks, that outputs ``start:stop`` see; some may not exist."""
        low = -((self.last - start) // self.outputs)
        high = (stop - 1 - self.first) // self.outputs
        return low * self.stride, (high + 1) * self.stride

    def inside(self, start: int, stop: int) -> tuple[int, int]:
        """Outputs ``first:stop`` that see nothing but inputs ``start:stop``, in whole blocks."""
        first = self.last + 1 + (start // self.stride - 1) * self.outputs
        return first, self.first + stop // self.stride * self.outputs

    def output_index(self, start: int) -> int:
        """Index on the whole output of the first output of a crop that begins at an input pixel."""
        return start // self.stride * self.outputs


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
    """

    axes: tuple[AxisReach, ...] | None
    why_not: str = ""
    layers: Mapping[str, tuple[AxisReach, ...]] = field(default_factory=dict)


_known: WeakKeyDictionary[Network, Reach] = WeakKeyDictionary()
# Of networks from files: opened again, they are not measured again.
_known_files: dict[tuple[object, ...], Reach] = {}
_lock = threading.Lock()


def reach_of(network: Network) -> Reach:
    """How far a network sees; measured at the first call (about as long as three predictions).

    A network at another precision sees as far as the one that it was made of.
    """
    with network.lock:
        if network not in _known:
            found = _measure_once(network) if network.origin is None else reach_of(network.origin)
            with _lock:
                _known[network] = found
        return _known[network]


def _measure_once(network: Network) -> Reach:
    """Measure, unless a network of the same file and with the same layers has been measured."""
    if network.sha256 is None:
        return _measure(network)
    key = (network.sha256, network.axes, network.channels, network.rules, network.layers)
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
                _run(network, _strip(network, axis, length), calls)
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
    seen = None
    for length in _LENGTHS[network.ndim]:
        strip = _strip(network, axis, max(length, 4 * stride))
        seen = _who_sees(network, axis, strip, stride)
        if seen is not None:
            break
    if seen is None:
        return _global_word(network, axis, strip, stride)
    block = strip.shape[2 + axis] // 2 // stride

    def reach(hit: tuple[int, int], per_block: int) -> AxisReach:
        return AxisReach(stride, per_block, hit[0] - block * per_block, hit[1] - block * per_block)

    reaches = {
        layer.name: reach(seen[layer.name], round(stride / layer.stride[axis]))
        for layer in network.layers
    }
    found = reach(seen[_LOGITS], stride // rule.output_stride)
    apart = _ends_are_apart(network, axis, strip, found)
    if not apart or not _crops_equal_whole(network, axis, strip, {**reaches, _LOGITS: found}):
        return (
            "What the network computes depends on the size of its input (interpolation with "
            "align_corners=True does, and circular padding), so that it has to see the whole image."
        )
    return found, reaches


def _strip(network: Network, axis: int, length: int) -> torch.Tensor:
    """Random input that is long on one axis and short on the others."""
    sizes = [rule.at_least(_WIDTH[network.ndim]) for rule in network.rules]
    sizes[axis] = network.rules[axis].at_least(length)
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, network.channels, *sizes), generator=generator)


def _with_nan(strip: torch.Tensor, axis: int, stride: int, block: int) -> torch.Tensor:
    """The strip with NaN in one block."""
    probe = strip.clone()
    probe.narrow(2 + axis, block * stride, stride).fill_(float("nan"))
    return probe


def _with_nan_inside(strip: torch.Tensor, axis: int, stride: int) -> torch.Tensor:
    """The strip with NaN in its middle block."""
    return _with_nan(strip, axis, stride, strip.shape[2 + axis] // 2 // stride)


def _who_sees(
    network: Network, axis: int, strip: torch.Tensor, stride: int
) -> dict[str, tuple[int, int]] | None:
    """First and last position that see the middle block; None if the ends of the strip do.

    By name of the network layer, and for the logits.
    """
    hits: dict[str, tuple[int, int] | None] = {}

    def on_map(name: str, maps: torch.Tensor) -> None:
        hits[name] = _hit(maps, axis)

    _show(network, _with_nan_inside(strip, axis, stride), on_map)
    found = {name: hit for name, hit in hits.items() if hit is not None}
    return found if len(found) == len(hits) else None


def _hit(maps: torch.Tensor, axis: int) -> tuple[int, int] | None:
    """First and last position with NaN; None if there is none, or those at the ends have it."""
    hit = _hits(maps, axis)
    if not hit or hit[0] == 0 or hit[-1] == maps.shape[2 + axis] - 1:
        return None
    return hit[0], hit[-1]


def _hits(maps: torch.Tensor, axis: int) -> list[int]:
    """Positions with NaN."""
    found: list[int] = maps.isnan().movedim(2 + axis, 0).flatten(1).any(1).nonzero()[:, 0].tolist()
    return found


def _ends_are_apart(network: Network, axis: int, strip: torch.Tensor, reach: AxisReach) -> bool:
    """Whether outputs at one end don't see the other, as with circular padding."""
    length = network.rules[axis].at_least(reach.before + reach.after + 2 * reach.stride)
    short = strip.narrow(2 + axis, 0, min(length, strip.shape[2 + axis]))
    for block in (0, short.shape[2 + axis] // reach.stride - 1):
        probe = _with_nan(short, axis, reach.stride, block)
        first = block * reach.outputs
        if any(
            not first + reach.first <= at <= first + reach.last
            for at in _hits(_run(network, probe), axis)
        ):
            return False
    return True


def _crops_equal_whole(
    network: Network, axis: int, strip: torch.Tensor, reaches: Mapping[str, AxisReach]
) -> bool:
    """Whether crops give what the strip gives, at both of its ends, too.

    Network layers are compared beside the logits: what hardly changes the logits may be all of
    the gradient of a layer.
    """
    length, rule = strip.shape[2 + axis], network.rules[axis]
    count = (length - rule.margin) // rule.output_stride
    crops: list[tuple[slice, dict[str, torch.Tensor]]] = []
    # Not in the middle: there, interpolation with aligned corners is the same for all sizes.
    for at in (count // 4, 0, count - 1):
        window = _window(reaches[_LOGITS], rule, length, at)
        crops.append((window, {}))

        def keep(name: str, maps: torch.Tensor) -> None:
            crops[-1][1][name] = maps.clone()

        _show(network, strip.narrow(2 + axis, window.start, window.stop - window.start), keep)
    differing: list[str] = []

    def compare(name: str, whole: torch.Tensor) -> None:
        # Rounding of a layer before a norm is small beside values that the norm takes away.
        largest = float(whole.abs().max()) * (1 if name == _LOGITS else 10)
        for window, maps in crops:
            counts = whole.shape[2 + axis], maps[name].shape[2 + axis]
            first, stop, shift = _in_both(reaches[name], window, length, counts)
            if stop <= first:
                continue
            here = whole.narrow(2 + axis, first, stop - first)
            theirs = maps[name].narrow(2 + axis, first - shift, stop - first)
            if not same_logits(theirs, here, largest, network.precision):
                differing.append(name)

    _show(network, strip, compare)
    return not differing


def _window(reach: AxisReach, rule: AxisRule, length: int, at: int) -> slice:
    """What one output sees, of a size that runs."""
    start, stop = reach.inputs(at, at + 1)
    start, stop = max(0, start), min(length, stop)
    size = rule.at_least(stop - start)
    if start + size > length:
        start = max(0, (length - size) // reach.stride * reach.stride)
        size = length - start
    return slice(start, start + size)


def _in_both(
    reach: AxisReach, window: slice, length: int, counts: Sequence[int]
) -> tuple[int, int, int]:
    """Positions ``first:stop`` on the whole that a crop has to give, and where the crop begins.

    Parameters
    ----------
    reach
        Of the positions.
    window
        The crop's, on an input of a length.
    length
        Of the input.
    counts
        Number of positions on the whole and in the crop.
    """
    first, stop = reach.inside(window.start, window.stop)
    shift = reach.output_index(window.start)
    first = shift if window.start == 0 else max(first, shift)
    stop = counts[0] if window.stop == length else stop
    return first, min(stop, counts[0], shift + counts[1]), shift


def _show(
    network: Network, tensor: torch.Tensor, on_map: Callable[[str, torch.Tensor], None]
) -> None:
    """Run the network and show the maps of all network layers, and the logits."""
    taps = Reading(network.module, network.layers, on_map)
    with taps:
        on_map(_LOGITS, _run(network, tensor, taps.calls(network.ndim, network.bypass)))


def same_logits(crop: torch.Tensor, whole: torch.Tensor, largest: float, precision: str) -> bool:
    """Whether a crop's logits, or other values, are the whole image's, up to rounding.

    Parameters
    ----------
    crop, whole
        Logits of the same pixels.
    largest
        Largest absolute value among all logits of the image.
    precision
        In which the network computed them.
    """
    return bool((crop - whole).abs().max() <= TOLERANCES[precision] * largest)


def _global_word(network: Network, axis: int, strip: torch.Tensor, stride: int) -> str:
    """Which network layer is the first to see everything."""
    everywhere: list[str] = []

    def on_map(name: str, maps: torch.Tensor) -> None:
        if bool(maps.isnan().flatten(2).all(2).any()):
            everywhere.append(name)

    taps = Reading(network.module, network.layers, on_map)
    with taps:
        _run(
            network, _with_nan_inside(strip, axis, stride), taps.calls(network.ndim, network.bypass)
        )
    first = f", first in {everywhere[0]}" if everywhere else ""
    return f"The network sees the whole image at once{first}."


def _run(
    network: Network, tensor: torch.Tensor, calls: FunctionCalls | None = None
) -> torch.Tensor:
    # A copy, because a network may change its input.
    return network.run(tensor.clone(), calls or FunctionCalls(network.ndim, network.bypass))
