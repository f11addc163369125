"""How far an output pixel sees into the input, found by trying.

NaN is put into one block of an otherwise ordinary input; whichever outputs become NaN have seen
the block, whatever the network is made of. Blocks are as long as the network's stride, the shift
of the input under which the output is shifted and otherwise unchanged, so that what holds for one
block holds for all. A network with a global operation (instance norm, squeeze and excitation,
attention) turns NaN everywhere.

To see no farther is necessary, not sufficient, for a crop to give the whole image's logits:
interpolation with ``align_corners=True`` looks local and depends on the size of its input. So a
crop is compared with the whole, too.
"""

import math
import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ..networks.network import Network
from ..networks.running import FunctionCalls, as_found
from .capture import Reading

TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference between a crop's logits and the whole image's, as a share of the largest.

By precision: above what rounding leaves, and below what another size of the input changes.
"""

# Lengths of the strips that are tried, until one is longer than the reach to both sides.
_LENGTHS = {2: (512, 2048), 3: (128, 512)}
_WIDTH = {2: 32, 3: 16}


@dataclass(frozen=True)
class AxisReach:
    """Which outputs see which inputs along one spatial axis.

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

    def inputs(self, start: int, stop: int) -> tuple[int, int]:
        """Input pixels, in whole blocks, that outputs ``start:stop`` see; some may not exist."""
        low = -((self.last - start) // self.outputs)
        high = (stop - 1 - self.first) // self.outputs
        return low * self.stride, (high + 1) * self.stride

    def output_index(self, start: int) -> int:
        """Index on the whole output of the first output of a crop that begins at an input pixel."""
        return start // self.stride * self.outputs


@dataclass(frozen=True)
class Reach:
    """How far a network sees.

    Attributes
    ----------
    axes
        Per spatial axis; None if the network does not see locally.
    why_not
        Why crops can't stand for the whole image, in words; empty if they can.
    """

    axes: tuple[AxisReach, ...] | None
    why_not: str = ""


_known: WeakKeyDictionary[Network, Reach] = WeakKeyDictionary()
_lock = threading.Lock()


def reach_of(network: Network) -> Reach:
    """How far a network sees; measured at the first call (about as long as two predictions).

    A network at another precision sees as far as the one that it was made of.
    """
    with network.lock:
        if network not in _known:
            found = _measure(network) if network.origin is None else reach_of(network.origin)
            with _lock:
                _known[network] = found
        return _known[network]


def mark_not_local(network: Network, why_not: str) -> None:
    """Have `reach_of` say from now on that crops can't stand for the whole image."""
    with _lock:
        _known[network] = Reach(None, why_not)


def _measure(network: Network) -> Reach:
    with as_found(network.module), torch.no_grad():
        axes = []
        for axis in range(network.ndim):
            found = _measure_axis(network, axis)
            if isinstance(found, str):
                return Reach(None, found)
            axes.append(found)
    return Reach(tuple(axes))


def _measure_axis(network: Network, axis: int) -> AxisReach | str:
    """Reach along one axis, or why there is none."""
    strides = {round(layer.stride[axis]) for layer in network.layers}
    rule = network.rules[axis]
    outputs_per = rule.output_stride
    # By steps, because crops have to run, too.
    stride = math.lcm(outputs_per, rule.step, *(s for s in strides if s > 0))
    seen = None
    for length in _LENGTHS[network.ndim]:
        strip = _strip(network, axis, max(length, 4 * stride))
        seen = _outputs_that_see(network, axis, strip, stride)
        if seen is not None:
            break
    if seen is None:
        return _global_word(network, axis, strip, stride)
    middle = strip.shape[2 + axis] // 2 // stride
    outputs = stride // outputs_per
    reach = AxisReach(stride, outputs, seen[0] - middle * outputs, seen[1] - middle * outputs)
    if not _crop_equals_whole(network, axis, strip, reach):
        return (
            "What the network computes depends on the size of its input (interpolation with "
            "align_corners=True does), so that it has to see the whole image."
        )
    return reach


def _strip(network: Network, axis: int, length: int) -> torch.Tensor:
    """Random input that is long on one axis and short on the others."""
    sizes = [rule.at_least(_WIDTH[network.ndim]) for rule in network.rules]
    sizes[axis] = network.rules[axis].at_least(length)
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, network.channels, *sizes), generator=generator)


def _with_nan(strip: torch.Tensor, axis: int, stride: int) -> torch.Tensor:
    """The strip with NaN in its middle block."""
    middle = strip.shape[2 + axis] // 2 // stride * stride
    probe = strip.clone()
    probe.narrow(2 + axis, middle, stride).fill_(float("nan"))
    return probe


def _outputs_that_see(
    network: Network, axis: int, strip: torch.Tensor, stride: int
) -> tuple[int, int] | None:
    """First and last output that see the middle block; None if the ends of the strip do."""
    logits = _run(network, _with_nan(strip, axis, stride))
    hit = logits.isnan().movedim(2 + axis, 0).flatten(1).any(1).nonzero().flatten().tolist()
    if not hit or hit[0] == 0 or hit[-1] == logits.shape[2 + axis] - 1:
        return None
    return hit[0], hit[-1]


def _crop_equals_whole(network: Network, axis: int, strip: torch.Tensor, reach: AxisReach) -> bool:
    whole = _run(network, strip)
    # Not in the middle: there, interpolation with aligned corners is the same for all sizes.
    at = whole.shape[2 + axis] // 4
    start, stop = reach.inputs(at, at + 1)
    start = max(0, start)
    size = min(network.rules[axis].at_least(stop - start), strip.shape[2 + axis] - start)
    crop = _run(network, strip.narrow(2 + axis, start, size))
    theirs = crop.narrow(2 + axis, at - reach.output_index(start), 1)
    here = whole.narrow(2 + axis, at, 1)
    return same_logits(theirs, here, float(whole.abs().max()), network.precision)


def same_logits(crop: torch.Tensor, whole: torch.Tensor, largest: float, precision: str) -> bool:
    """Whether a crop's logits are the whole image's, up to rounding.

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
        _run(network, _with_nan(strip, axis, stride), taps.calls(network.ndim, network.bypass))
    first = f", first in {everywhere[0]}" if everywhere else ""
    return f"The network sees the whole image at once{first}."


def _run(
    network: Network, tensor: torch.Tensor, calls: FunctionCalls | None = None
) -> torch.Tensor:
    return network.run(tensor, calls or FunctionCalls(network.ndim, network.bypass))
