"""What every method is: weights for feature maps, whose weighted sum is the signed map."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch

from ...networks.layers import NetworkLayer
from ...networks.network import Network
from ..regions.region import Box, box_at, seen_from
from .gradient import LayerGradient, parts, sum_positions, sum_sizes

NO_POSITIVE_EVIDENCE = (
    "No positive evidence: the weighted feature maps are nowhere above zero. "
    "Look at the signed map."
)


@dataclass(frozen=True)
class LayerShape:
    """What is known of a network layer's feature maps without looking at them.

    Attributes
    ----------
    name
        The network layer.
    channels
        Their number.
    spatial
        Spatial shape on the whole.
    dtype
        Their type.
    """

    name: str
    channels: int
    spatial: tuple[int, ...]
    dtype: torch.dtype

    @property
    def positions(self) -> int:
        """N."""
        return int(torch.Size(self.spatial).numel())

    @property
    def answer_dtype(self) -> torch.dtype:
        """Single precision, or that of the maps if it is higher."""
        return torch.promote_types(self.dtype, torch.float32)


@dataclass(eq=False)
class Totals:
    """Sums over all positions that some weights are made of, each (channels,) and in double.

    Attributes
    ----------
    maps
        Σ A_k.
    sizes
        Σ |A_k|.
    products
        Σ dS/dA_k A_k.
    """

    maps: torch.Tensor
    sizes: torch.Tensor
    products: torch.Tensor

    @classmethod
    def of(cls, gradient: LayerGradient, maps: torch.Tensor, first: tuple[int, ...]) -> "Totals":
        """Sums over a part of the positions.

        Parameters
        ----------
        gradient
            On the whole, kept.
        maps
            A_k of the part, (1, channels, *spatial).
        first
            Where the part begins on the whole.
        """
        products = torch.zeros(maps.shape[1], dtype=torch.float64)
        patch = gradient.patch
        box = None if patch is None else overlap(patch.box, maps, first)
        if patch is not None and box is not None:
            for part in parts(box, maps):
                values = patch.within(part) * maps[:, :, *seen_from(part, first)]
                products += sum_positions(values)[0]
        return cls(sum_positions(maps)[0], sum_sizes(maps)[0], products)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.maps + other.maps, self.sizes + other.sizes, self.products + other.products
        )


def overlap(box: Box, maps: torch.Tensor, first: tuple[int, ...]) -> Box | None:
    """The part of a box for which there are feature maps; None: nothing.

    Parameters
    ----------
    box
        On the whole.
    maps
        Feature maps of a part, (1, channels, *spatial).
    first
        Where that begins on the whole.
    """
    there = box_at(first, maps.shape[2:])
    lows = [max(one.start, other.start) for one, other in zip(box, there, strict=True)]
    highs = [min(one.stop, other.stop) for one, other in zip(box, there, strict=True)]
    if any(low >= high for low, high in zip(lows, highs, strict=True)):
        return None
    return tuple(map(slice, lows, highs))


@dataclass(frozen=True, eq=False)
class MapWeights:
    """One weight for every feature map.

    Attributes
    ----------
    alpha
        In double, (channels,).
    empty
        Why there are none, or None.
    """

    alpha: torch.Tensor
    empty: str | None = None


@dataclass(frozen=True, eq=False)
class PositionWeights:
    """A weight for every position of every feature map.

    Attributes
    ----------
    box
        Outside which they are zero.
    within
        ``within(part)`` makes those of a part of the box, (1, channels, *part): all together may
        take longer to get memory for than to make.
    alpha
        Their mean over all positions, in double, (channels,).
    """

    box: Box
    within: Callable[[Box], torch.Tensor]
    alpha: torch.Tensor
    empty: ClassVar[None] = None


class Method(ABC):
    """A way to ask; its options are the fields of the dataclass that it is.

    Attributes
    ----------
    name
        By which users choose it.
    truncates
        Whether its maps can be truncated to an extent.
    nothing_positive
        Why a heatmap of it is zero everywhere if nothing else is the reason, in a sentence.
    """

    name: ClassVar[str]
    truncates: ClassVar[bool] = True
    nothing_positive: ClassVar[str] = NO_POSITIVE_EVIDENCE

    def layers(self, network: Network, wanted: str | Iterable[str]) -> tuple[NetworkLayer, ...]:
        """The network layers that it answers about, of those that are wanted."""
        return network.select_layers(wanted)

    def options(self) -> dict[str, Any]:
        """Options by name, in JSON types."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: _in_json(value) for name, value in options.items()}


class GradientMethod(Method):
    """A method that needs nothing but A_k and dS/dA_k, so that no further pass runs.

    Attributes
    ----------
    needs_gradient
        Whether it needs dS/dA_k position by position, and not its sums alone.
    needs_totals
        Whether it needs `Totals`.
    """

    needs_gradient: ClassVar[bool] = True
    needs_totals: ClassVar[bool] = False

    @abstractmethod
    def weigh(
        self, gradient: LayerGradient, shape: LayerShape, totals: Totals | None
    ) -> MapWeights | PositionWeights:
        """Weights of one network layer's feature maps.

        Parameters
        ----------
        gradient
            dS/dA_k.
        shape
            Of A_k.
        totals
            Where `needs_totals`.
        """


def _in_json(value: Any) -> Any:
    """An option's value in JSON types; an input of one's own is too large to note."""
    if isinstance(value, torch.Tensor):
        return "given"
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
