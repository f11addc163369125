"""The gradient of the score at one network layer: its sums, and itself where it is wanted."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from ..patches import Patch
from ..regions.region import Box, box_at

if TYPE_CHECKING:
    from .weighting import Totals

# Below this share of the gradient, weights are what rounding has left of an exact zero. Of half
# precision it leaves more; measured with instance norm.
ROUNDING = 1e-6
_ROUNDING_OF = {torch.float16: 5e-4, torch.bfloat16: 2e-3}

# Values that are worked on together: what is made of them in between stays in the cache.
_BLOCK = 1 << 17

NO_PATH = "No gradient reaches this network layer from the region: the score does not depend on it."
NORMALISED_AWAY = "The normalisation behind this network layer removes its weights; ask after it."


class LayerGradient:
    """dS/dA_k of one network layer, from the whole or from one crop after another.

    Positions that no crop covers have no gradient, and what a position gets from several crops
    adds up: the score is a sum over M.

    Parameters
    ----------
    keeps
        Whether the gradient itself is kept. Its sums always are.

    Attributes
    ----------
    total, size
        Sums over all positions of dS/dA_k and of |dS/dA_k|, in double, (channels,); one zero where
        none was added.
    totals
        Sums with the feature maps, once a method has needed them; so has another that follows.
    """

    def __init__(self, keeps: bool = False):
        self.keeps = keeps
        self.total = torch.zeros((), dtype=torch.float64)
        self.size = torch.zeros((), dtype=torch.float64)
        self._patches: list[Patch] = []
        self.totals: Totals | None = None
        self._support: tuple[Patch, torch.Tensor] | None = None

    def add(self, patch: Patch) -> None:
        """Add a gradient of a batch of one, which lies where it lies on the whole."""
        total, size = sums(patch.values)
        self.add_sums(total[0], size[0])
        self.add_patch(patch)

    def add_sums(self, total: torch.Tensor, size: torch.Tensor) -> None:
        """Add what `sums` gave for one item of a batch, each of shape (channels,)."""
        self.total = self.total + total
        self.size = self.size + size

    def add_patch(self, patch: Patch) -> None:
        """Keep a gradient whose sums were added, if gradients are kept."""
        if self.keeps:
            self._patches.append(patch)

    @property
    def is_zero(self) -> bool:
        """Whether the score does not depend on the network layer."""
        return not bool(self.size.any())

    @property
    def patch(self) -> Patch | None:
        """The gradient (1, channels, *box) in the box outside which it is zero, if it was kept."""
        if len(self._patches) > 1:
            total = self._patches[0]
            for other in self._patches[1:]:
                total = total + other
            self._patches = [total]
        return self._patches[0] if self._patches else None

    @property
    def bytes(self) -> int:
        """Bytes that the kept gradient takes."""
        return sum(p.values.numel() * p.values.element_size() for p in self._patches)

    def means(
        self, channels: int, positions: int, dtype: torch.dtype = torch.float32
    ) -> tuple[torch.Tensor, str | None]:
        """α_k, in double, of shape (channels,); and why they are zero, or None.

        Parameters
        ----------
        channels, positions
            Of the network layer; N positions on the whole.
        dtype
            Of the feature maps, which says what rounding leaves.
        """
        if self.is_zero:
            return torch.zeros(channels, dtype=torch.float64), NO_PATH
        rounding = _ROUNDING_OF.get(dtype, ROUNDING)
        if float(self.total.abs().max()) <= rounding * float(self.size.max()):
            return torch.zeros_like(self.total), NORMALISED_AWAY
        return self.total / positions, None

    def support(self, shape: Sequence[int]) -> torch.Tensor:
        """Positions of which some channel has a gradient; boolean, of the given spatial shape."""
        found = torch.zeros(tuple(shape), dtype=torch.bool)
        patch = self.patch
        if patch is not None:
            if self._support is None or self._support[0] is not patch:
                self._support = patch, (patch.values[0].abs().amax(0) > 0).cpu()
            found[patch.box] = self._support[1]
        return found


def sums(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over all positions of a gradient and of its absolute values, for every item.

    Parameters
    ----------
    gradient
        dS/dA_k of shape (batch, channels, *spatial). Where it is known to be zero outside a box,
        the box alone gives the same.

    Returns
    -------
    tuple of tensor
        Each in double, on the processor, of shape (batch, channels).
    """
    return sum_positions(gradient), sum_sizes(gradient)


def sum_sizes(values: torch.Tensor) -> torch.Tensor:
    """Sum of the absolute values over all positions, in double; as `sum_positions`."""
    return sum(
        (sum_positions(part.abs()) for part in blocks(values)), torch.zeros((), dtype=torch.float64)
    )


def blocks(values: torch.Tensor) -> Iterable[torch.Tensor]:
    """Parts along the first spatial axis, so small that what is made of one stays in the cache.

    Parameters
    ----------
    values
        Of shape (batch, channels, *spatial).

    Returns
    -------
    iterable of tensor
        All of it at once where that is faster: not on the processor.
    """
    box = box_at((0,) * (values.ndim - 2), values.shape[2:])
    return (values[:, :, *part] for part in parts(box, values))


def parts(box: Box, values: torch.Tensor) -> Iterator[Box]:
    """Where `blocks` of a box lie.

    Parameters
    ----------
    box
        What is divided.
    values
        As many channels as these, on their device.
    """
    first, *others = box
    row = values.shape[1] * math.prod(side.stop - side.start for side in others)
    rows = first.stop - first.start
    if values.device.type == "cpu":
        rows = max(1, _BLOCK // max(1, row))
    for start in range(first.start, first.stop, max(1, rows)):
        yield (slice(start, min(start + rows, first.stop)), *others)


def sum_positions(values: torch.Tensor) -> torch.Tensor:
    """Sum over all positions, in double.

    Rows are summed in single precision, as a product with ones, which is many times faster than
    a sum in double; a row is short enough to keep its digits.

    Parameters
    ----------
    values
        Of shape (batch, channels, *spatial).
    """
    if values.dtype in (torch.float16, torch.bfloat16):  # which would not keep them
        values = values.float()
    rows = values.movedim(1, -1)
    ones = torch.ones((1, rows.shape[-2]), dtype=values.dtype, device=values.device)
    # On the processor, because not every device knows double precision.
    rows = torch.matmul(ones, rows).cpu().double()
    return rows.flatten(1, -2).sum(1)
