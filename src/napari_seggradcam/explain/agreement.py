"""Whether crops of an input give what all of it gives, tried on strips.

Strips are long on one axis and as short as can be on the others, so that little has to run. One
run can answer two questions: what sees no NaN is as if there were none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..networks.layers import LOGITS
from ..networks.network import Network
from ..networks.running import FunctionCalls
from ..networks.sizes import AxisRule
from .axis_reach import AxisReach
from .capture import OnMaps, Reading

TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference between a crop's logits and the whole image's, as a share of the largest.

By precision: above what rounding leaves, and below what another size of the input changes.
"""

# Of strips, on the other axes.
_WIDTH = 16


@dataclass(frozen=True)
class Maps:
    """What the network, or one of its layers, gave for a strip.

    Attributes
    ----------
    values
        Of shape (1, channels, *spatial).
    largest
        Largest absolute value of those that see no NaN.
    seen
        First and last position that see NaN in the strip; None if there is none.
    """

    values: torch.Tensor
    largest: float
    seen: tuple[int, int] | None = None

    @classmethod
    def of(cls, values: torch.Tensor, axis: int, seen: tuple[int, int] | None = None) -> "Maps":
        """A copy of values that the network may change."""
        parts = [values]
        if seen is not None:
            count = values.shape[2 + axis] - seen[1] - 1
            parts = [values.narrow(2 + axis, 0, seen[0]), values.narrow(2 + axis, -count, count)]
        return cls(values.clone(), max(float(part.abs().max()) for part in parts), seen)


def strip_of(network: Network, axis: int, length: int) -> torch.Tensor:
    """Random input that is long on one axis and short on the others."""
    sizes = [rule.at_least(_WIDTH) for rule in network.rules]
    sizes[axis] = network.rules[axis].at_least(length)
    return random_input(network, sizes)


def random_input(network: Network, sizes: Sequence[int]) -> torch.Tensor:
    """An input of a spatial shape that is the same every time, on the network's device."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand((1, network.channels, *sizes), generator=generator)
    return values.to(network.device, network.dtype)


def with_nan(strip: torch.Tensor, axis: int, stride: int, block: int) -> torch.Tensor:
    """The strip with NaN in one block."""
    probe = strip.clone()
    probe.narrow(2 + axis, block * stride, stride).fill_(float("nan"))
    return probe


def crops_equal_whole(
    network: Network,
    axis: int,
    strip: torch.Tensor,
    reaches: Mapping[str, AxisReach],
    whole: Mapping[str, Maps],
) -> bool:
    """Whether crops give what the strip gives, at both of its ends, too.

    Network layers are compared beside the logits: what hardly changes the logits may be all of
    the gradient of a layer. Nor must one end of a crop be seen from the other, as with circular
    padding.

    Parameters
    ----------
    network, axis, strip
        What runs, and on what.
    reaches
        Of all network layers and the logits.
    whole
        What they gave for the strip, in which a part may have been NaN.
    """
    differing: list[str] = []
    for crop in _crops(reaches[LOGITS], network.rules[axis], strip.shape[2 + axis]):

        def compare(name: str, maps: torch.Tensor, crop: _Crop = crop) -> None:
            if not crop.agrees(maps, whole[name], axis, reaches[name], network.precision, name):
                differing.append(name)

        show(network, crop.of(strip, axis), compare)
        if differing:
            return False
    return True


@dataclass(frozen=True)
class _Crop:
    """A part of a strip, at one end of which there may be NaN.

    Attributes
    ----------
    window
        Of the strip.
    clean
        The window without the block with NaN.
    block
        Which block of the crop has NaN, if any.
    stride
        Length of a block.
    length
        Of the strip.
    """

    window: slice
    clean: slice
    block: int | None
    stride: int
    length: int

    def of(self, strip: torch.Tensor, axis: int) -> torch.Tensor:
        """The crop itself."""
        crop = strip.narrow(2 + axis, self.window.start, self.window.stop - self.window.start)
        return crop if self.block is None else with_nan(crop, axis, self.stride, self.block)

    def agrees(
        self,
        maps: torch.Tensor,
        whole: Maps,
        axis: int,
        reach: AxisReach,
        precision: str,
        name: str,
    ) -> bool:
        """Whether maps of the crop are those of the strip, where both see the same."""
        if name == LOGITS and not self._keeps(positions_with_nan(maps, axis), reach):
            return False
        # Rounding of a layer before a norm is small beside values that the norm takes away.
        largest = whole.largest * (1 if name == LOGITS else 10)
        first, stop, shift = self._in_both(reach, whole, maps.shape[2 + axis], axis)
        if stop <= first:
            return True
        here = whole.values.narrow(2 + axis, first, stop - first)
        there = maps.narrow(2 + axis, first - shift, stop - first)
        return same_logits(there, here, largest, precision)

    def _keeps(self, positions: Sequence[int], reach: AxisReach) -> bool:
        """Whether only outputs around its block see the NaN, and not those at the other end."""
        if self.block is None:
            return True
        first = self.block * reach.outputs
        return all(first + reach.first <= at <= first + reach.last for at in positions)

    def _in_both(
        self, reach: AxisReach, whole: Maps, count: int, axis: int
    ) -> tuple[int, int, int]:
        """Positions ``first:stop`` on the whole that a crop has to give, and where it begins.

        Parameters
        ----------
        reach
            Of the positions.
        whole, count
            What there is on the whole, and how many positions the crop has.
        axis
            Along which they are counted.
        """
        total, shift = whole.values.shape[2 + axis], reach.output_index(self.window.start)
        first, stop = reach.inside(self.clean.start, self.clean.stop)
        first = shift if self.clean.start == 0 else max(first, shift)
        stop = total if self.clean.stop == self.length else stop
        stop = min(stop, total, shift + count)
        if whole.seen is not None and first < whole.seen[0]:
            stop = min(stop, whole.seen[0])
        elif whole.seen is not None:
            first = max(first, whole.seen[1] + 1)
        return first, stop, shift


def _crops(reach: AxisReach, rule: AxisRule, length: int) -> Iterator[_Crop]:
    """Crops of a strip: its beginning, its end, and what lies between.

    Not in the middle: there, interpolation with aligned corners is the same for all sizes.
    """
    stride = reach.stride
    start, stop = _window(reach, rule, length, 0)
    yield _Crop(slice(start, stop), slice(start, stop), None, stride, length)
    # So much longer than what an output sees that NaN at one end is not seen at the other.
    size = min(length, rule.at_least(reach.before + reach.after + 2 * stride))
    most = (length - size) // stride * stride
    yield _Crop(slice(most, length), slice(most + stride, length), 0, stride, length)
    count = (length - rule.margin) // rule.output_stride
    start = min(most, _window(reach, rule, length, count // 4)[0])
    block = size // stride - 1
    clean = slice(start, start + block * stride)
    yield _Crop(slice(start, start + size), clean, block, stride, length)


def _window(reach: AxisReach, rule: AxisRule, length: int, at: int) -> tuple[int, int]:
    """Start and stop of what one output sees, of a size that runs."""
    start, stop = reach.inputs(at, at + 1)
    start, stop = max(0, start), min(length, stop)
    size = rule.at_least(stop - start)
    if start + size > length:
        start = max(0, (length - size) // reach.stride * reach.stride)
        size = length - start
    return start, start + size


def show(network: Network, tensor: torch.Tensor, on_maps: OnMaps) -> None:
    """Run the network and show the maps of all network layers, and the logits."""
    taps = Reading(network.module, network.layers, on_maps)
    with taps:
        on_maps(LOGITS, run(network, tensor, taps.calls(network.ndim, network.bypass)))


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
