"""How far an output, or a position of a network layer, sees along one spatial axis."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

# One, or many at once.
Index = TypeVar("Index", int, NDArray[np.signedinteger[Any]])


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

    def inputs(self, start: Index, stop: Index) -> tuple[Index, Index]:
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
