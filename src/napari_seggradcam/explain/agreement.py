"""Whether crops of an input give what all of it gives, tried on strips.

Strips are long on one axis and short on the others, so that little has to run.
"""

from collections.abc import Callable, Mapping, Sequence

import torch

from ..networks.network import Network
from ..networks.running import FunctionCalls
from ..networks.sizes import AxisRule
from .axis_reach import AxisReach
from .capture import Reading

TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference between a crop's logits and the whole image's, as a share of the largest.

By precision: above what rounding leaves, and below what another size of the input changes.
"""

LOGITS = "logits"
"""Name of the logits, beside those of network layers."""

# Of strips, on the other axes.
_WIDTH = {2: 32, 3: 16}


def strip_of(network: Network, axis: int, length: int) -> torch.Tensor:
    """Random input that is long on one axis and short on the others."""
    sizes = [rule.at_least(_WIDTH[network.ndim]) for rule in network.rules]
    sizes[axis] = network.rules[axis].at_least(length)
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, network.channels, *sizes), generator=generator)


def with_nan(strip: torch.Tensor, axis: int, stride: int, block: int) -> torch.Tensor:
    """The strip with NaN in one block."""
    probe = strip.clone()
    probe.narrow(2 + axis, block * stride, stride).fill_(float("nan"))
    return probe


def ends_are_apart(network: Network, axis: int, strip: torch.Tensor, reach: AxisReach) -> bool:
    """Whether outputs at one end don't see the other, as with circular padding."""
    length = network.rules[axis].at_least(reach.before + reach.after + 2 * reach.stride)
    short = strip.narrow(2 + axis, 0, min(length, strip.shape[2 + axis]))
    for block in (0, short.shape[2 + axis] // reach.stride - 1):
        probe = with_nan(short, axis, reach.stride, block)
        first = block * reach.outputs
        if any(
            not first + reach.first <= at <= first + reach.last
            for at in positions_with_nan(run(network, probe), axis)
        ):
            return False
    return True


def crops_equal_whole(
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
        window = _window(reaches[LOGITS], rule, length, at)
        crops.append((window, {}))

        def keep(name: str, maps: torch.Tensor) -> None:
            crops[-1][1][name] = maps.clone()

        show(network, strip.narrow(2 + axis, window.start, window.stop - window.start), keep)
    differing: list[str] = []

    def compare(name: str, whole: torch.Tensor) -> None:
        # Rounding of a layer before a norm is small beside values that the norm takes away.
        largest = float(whole.abs().max()) * (1 if name == LOGITS else 10)
        for window, maps in crops:
            counts = whole.shape[2 + axis], maps[name].shape[2 + axis]
            first, stop, shift = _in_both(reaches[name], window, length, counts)
            if stop <= first:
                continue
            here = whole.narrow(2 + axis, first, stop - first)
            theirs = maps[name].narrow(2 + axis, first - shift, stop - first)
            if not same_logits(theirs, here, largest, network.precision):
                differing.append(name)

    show(network, strip, compare)
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


def show(
    network: Network, tensor: torch.Tensor, on_map: Callable[[str, torch.Tensor], None]
) -> None:
    """Run the network and show the maps of all network layers, and the logits."""
    taps = Reading(network.module, network.layers, on_map)
    with taps:
        on_map(LOGITS, run(network, tensor, taps.calls(network.ndim, network.bypass)))


def positions_with_nan(maps: torch.Tensor, axis: int) -> list[int]:
    """Positions with NaN."""
    found: list[int] = maps.isnan().movedim(2 + axis, 0).flatten(1).any(1).nonzero()[:, 0].tolist()
    return found


def run(network: Network, tensor: torch.Tensor, calls: FunctionCalls | None = None) -> torch.Tensor:
    """Logits of an input, which stays as it is, as a network may change what it is given."""
    return network.run(tensor.clone(), calls or FunctionCalls(network.ndim, network.bypass))


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
