"""Gradients that are zero outside a box, of which only the box is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .regions.region import Box, box_at, seen_from

Sizes = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Patch:
    """A gradient in the box outside which it is zero.

    Attributes
    ----------
    first
        Index of the box's first position, per spatial axis.
    values
        Of shape (batch, channels, *box); nobody changes them.
    """

    first: Sizes
    values: torch.Tensor

    @classmethod
    def of(cls, gradient: torch.Tensor) -> "Patch | None":
        """What is not zero of (batch, channels, *spatial), for any item; None: nothing."""
        # Several times faster than to compare and look for any.
        there = gradient.abs().amax((0, 1)) != 0
        box = []
        for axis in range(there.ndim):
            others = [other for other in range(there.ndim) if other != axis]
            found = (there.any(others[0]) if len(others) == 1 else there.amax(others)).nonzero()
            if not len(found):
                return None
            box.append(slice(int(found[0]), int(found[-1]) + 1))
        return cls(tuple(side.start for side in box), gradient[:, :, *box])

    @property
    def size(self) -> Sizes:
        """Spatial shape of the box."""
        return tuple(self.values.shape[2:])

    @property
    def box(self) -> Box:
        """Where the box lies."""
        return box_at(self.first, self.size)

    def within(self, part: Box) -> torch.Tensor:
        """The gradient in a part of the box."""
        return self.values[:, :, *seen_from(part, self.first)]

    def around(self, box: Box) -> torch.Tensor:
        """The gradient in a larger box, with zeros around its own; not to be changed."""
        if box == self.box:
            return self.values
        first = tuple(side.start for side in box)
        return self._within(first, [side.stop - side.start for side in box])

    def item(self, number: int, starts: Sequence[int]) -> "Patch":
        """One item of the batch, seen from a whole on which its own begins at these positions."""
        first = tuple(f + start for f, start in zip(self.first, starts, strict=True))
        return Patch(first, self.values[number : number + 1])

    def inside(self, size: Sequence[int]) -> torch.Tensor:
        """All of the gradient, with zeros around the box, for a spatial shape."""
        return self._within((0,) * len(self.first), size)

    def __add__(self, other: "Patch") -> "Patch":
        first = tuple(map(min, self.first, other.first))
        ends = [max(a.stop, b.stop) for a, b in zip(self.box, other.box, strict=True)]
        size = tuple(end - start for end, start in zip(ends, first, strict=True))
        large, small = (self, other) if self.size == size else (other, self)
        found = large._within(first, size)
        found[:, :, *seen_from(small.box, first)] += small.values
        return Patch(first, found)

    def _within(self, first: Sizes, size: Sequence[int]) -> torch.Tensor:
        """A copy, in a box around this one."""
        if self.size == tuple(size):
            return self.values.clone()
        layout = torch.channels_last if len(size) == 2 else torch.contiguous_format
        like = self.values
        found = torch.empty(
            (*like.shape[:2], *size), dtype=like.dtype, device=like.device, memory_format=layout
        ).zero_()
        found[:, :, *seen_from(self.box, first)] = like
        return found
