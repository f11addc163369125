"""Functions that networks are made of, and how gradients go back through them in a box.

A step knows which values it needs for that, where a crop of its inputs lies in its output, and
what of a gradient with respect to its output goes to which input. Positions are those of a crop;
what lies outside the crop has no gradient.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch.nn import functional

from .convolutions import Convolution
from .patches import Patch, Sizes

ReadBox = Callable[[Sizes, Sizes], torch.Tensor]
"""What a value is in the crops, in the box of a first position and a size."""

_MAX_POOL: dict[int, Any] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}


class UnevenShift(Exception):
    """The values of a crop do not lie at whole positions of the whole image's."""


@dataclass(frozen=True)
class Place:
    """Where the crops of a value lie.

    Attributes
    ----------
    size
        Spatial shape of a crop.
    starts
        For every crop, the index of its first position on the whole, per spatial axis.
    """

    size: Sizes
    starts: tuple[Sizes, ...]

    def by_blocks(self, size: Sizes, block: Sizes) -> "Place":
        """Crops of a size, of a value with one position for a block of these positions."""
        starts = []
        for item in self.starts:
            if any(start % n for start, n in zip(item, block, strict=True)):
                raise UnevenShift
            starts.append(tuple(start // n for start, n in zip(item, block, strict=True)))
        return Place(size, tuple(starts))

    def times(self, size: Sizes, factor: Sizes) -> "Place":
        """Crops of a size, of a value with a factor of positions for each of these positions."""
        starts = (tuple(s * f for s, f in zip(item, factor, strict=True)) for item in self.starts)
        return Place(size, tuple(starts))


@dataclass(frozen=True)
class Crops:
    """What a step took and made.

    Attributes
    ----------
    sizes
        Spatial shape of the crops of every input.
    inputs, output
        Give their values in a box.
    """

    sizes: Sequence[Sizes]
    inputs: Sequence[ReadBox]
    output: ReadBox


class Step(ABC):
    """One function of a network.

    Attributes
    ----------
    keeps_inputs, keeps_output
        Which values `back` asks for.
    """

    keeps_inputs: ClassVar[bool] = False
    keeps_output: ClassVar[bool] = False

    def place(self, inputs: Sequence[Place]) -> Place:
        """Where the output's crops lie.

        Raises
        ------
        UnevenShift
            If they do not lie at whole positions, or inputs do not fit together.
        """
        if any(place != inputs[0] for place in inputs):
            raise UnevenShift
        return inputs[0]

    @abstractmethod
    def back(self, patch: Patch, number: int, crops: Crops) -> Patch | None:
        """Gradient with respect to one input; None: zero everywhere.

        Parameters
        ----------
        patch
            Gradient with respect to the output.
        number
            Which input.
        crops
            Sizes, and values as far as they are kept.
        """


@dataclass(frozen=True, eq=False)
class Convolve(Step):
    """A convolution, transposed or not."""

    convolution: Convolution

    def place(self, inputs: Sequence[Place]) -> Place:
        """Where the output's crops lie."""
        size, stride = self.convolution.output_size(inputs[0].size), self.convolution.stride
        if self.convolution.transposed:
            return inputs[0].times(size, stride)
        return inputs[0].by_blocks(size, stride)

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch | None:
        """Gradient with respect to one input."""
        return self.convolution.back(patch, crops.sizes[0])


@dataclass(frozen=True, eq=False)
class Scale(Step):
    """A norm with fixed statistics: a factor for every channel, of shape (1, channels, 1, …)."""

    factor: torch.Tensor

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        return Patch(patch.first, patch.values * self.factor)


@dataclass(frozen=True, eq=False)
class Rectify(Step):
    """A ReLU, with a slope of 0 or more below zero."""

    slope: float
    keeps_output = True

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        there = crops.output(patch.first, patch.size)
        if self.slope:
            values = torch.ops.aten.leaky_relu_backward(patch.values, there, self.slope, True)
        else:
            values = torch.ops.aten.threshold_backward(patch.values, there, 0)
        return Patch(patch.first, values)


@dataclass(frozen=True, eq=False)
class MaxPool(Step):
    """The largest value of every window."""

    kernel: Sizes
    stride: Sizes
    padding: Sizes
    keeps_inputs = True

    def place(self, inputs: Sequence[Place]) -> Place:
        """Where the output's crops lie."""
        geometry = zip(inputs[0].size, self.kernel, self.stride, self.padding, strict=True)
        size = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in geometry)
        return inputs[0].by_blocks(size, self.stride)

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        first, seen = [], []
        pads: list[int] = []
        geometry = zip(
            patch.box, self.kernel, self.stride, self.padding, crops.sizes[0], strict=True
        )
        for box, k, s, p, n in geometry:
            start, stop = box.start * s - p, (box.stop - 1) * s - p + k
            low, high = max(0, start), min(n, stop)
            first.append(low)
            seen.append(high - low)
            pads[:0] = [low - start, stop - high]

        def pool(x: torch.Tensor) -> torch.Tensor:
            if any(pads):
                x = functional.pad(x, pads, value=-torch.inf)
            pooled: torch.Tensor = _MAX_POOL[len(first)](x, self.kernel, self.stride)
            return pooled

        values = crops.inputs[0](tuple(first), tuple(seen))
        return Patch(tuple(first), _gradient(pool, [values], 0, patch.values))


@dataclass(frozen=True, eq=False)
class Resize(Step):
    """Interpolation to a whole multiple of the size, which is linear.

    Attributes
    ----------
    factor
        New positions for each position, per spatial axis.
    mode
        As torch calls it.
    """

    factor: Sizes
    mode: str

    def place(self, inputs: Sequence[Place]) -> Place:
        """Where the output's crops lie."""
        size = tuple(n * f for n, f in zip(inputs[0].size, self.factor, strict=True))
        return inputs[0].times(size, self.factor)

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        first, seen = [], []
        pads: list[int] = []
        for box, f, n in zip(patch.box, self.factor, crops.sizes[0], strict=True):
            # One position more to each side, so that the box sees no border but the crop's.
            low, high = max(0, box.start // f - 1), min(n, (box.stop - 1) // f + 2)
            first.append(low)
            seen.append(high - low)
            pads[:0] = [box.start - low * f, high * f - box.stop]
        factors = [float(f) for f in self.factor]

        def resize(x: torch.Tensor) -> torch.Tensor:
            return functional.interpolate(x, scale_factor=factors, mode=self.mode)

        values = patch.values.new_zeros((*patch.values.shape[:2], *seen))
        gradient = functional.pad(patch.values, pads)
        return Patch(tuple(first), _gradient(resize, [values], 0, gradient))


@dataclass(frozen=True, eq=False)
class Pointwise(Step):
    """Any function of the values at one position, of all inputs and channels.

    Attributes
    ----------
    function
        Takes the inputs, (batch, channels, *spatial) each.
    """

    function: Callable[..., torch.Tensor]
    keeps_inputs = True

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        values = [cut(patch.first, patch.size) for cut in crops.inputs]
        return Patch(patch.first, _gradient(self.function, values, number, patch.values))


@dataclass(frozen=True, eq=False)
class Same(Step):
    """A copy, or a sum of equal shapes: each input has the output's gradient."""

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        return patch


@dataclass(frozen=True, eq=False)
class Concatenate(Step):
    """Channels of several inputs, one behind the other.

    Attributes
    ----------
    channels
        Of every input.
    """

    channels: tuple[int, ...]

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        start = sum(self.channels[:number])
        return Patch(patch.first, patch.values[:, start : start + self.channels[number]])


@dataclass(frozen=True, eq=False)
class Narrow(Step):
    """Some positions less on both ends.

    Attributes
    ----------
    before
        How many less before the first, per spatial axis.
    missing
        How many less in all.
    """

    before: Sizes
    missing: Sizes

    def place(self, inputs: Sequence[Place]) -> Place:
        """Where the output's crops lie."""
        size = tuple(n - m for n, m in zip(inputs[0].size, self.missing, strict=True))
        if min(size) < 1:
            raise UnevenShift
        return Place(size, inputs[0].starts)

    def back(self, patch: Patch, number: int, crops: Crops) -> Patch:
        """Gradient with respect to one input."""
        first = tuple(at + start for at, start in zip(patch.first, self.before, strict=True))
        return Patch(first, patch.values)


def _gradient(
    function: Callable[..., torch.Tensor],
    values: Sequence[torch.Tensor],
    number: int,
    gradient: torch.Tensor,
) -> torch.Tensor:
    """Gradient with respect to one of the inputs, by autograd."""
    inputs = [value.detach() for value in values]
    inputs[number].requires_grad_()
    with torch.enable_grad():
        found: torch.Tensor = torch.autograd.grad(function(*inputs), inputs[number], gradient)[0]
    return found
