"""What every method is: weights for feature maps, whose weighted sum is the signed map."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch

from ...networks.layers import NetworkLayer
from ...networks.network import Network
from ..patches import Patch
from .gradient import LayerGradient, sum_positions, sum_sizes

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
        both = overlap(gradient.patch, maps, first)
        if both is not None:
            products = sum_positions(both.gradient * both.maps)[0]
        return cls(sum_positions(maps)[0], sum_sizes(maps)[0], products)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.maps + other.maps, self.sizes + other.sizes, self.products + other.products
        )


@dataclass(frozen=True, eq=False)
class Overlap:
    """Gradient and feature maps (1, channels, *box) where there are both, and where in the part."""

    gradient: torch.Tensor
    maps: torch.Tensor
    box: tuple[slice, ...]


def overlap(patch: Patch | None, maps: torch.Tensor, first: tuple[int, ...]) -> Overlap | None:
    """Where a gradient, or weights, lie on a part of the feature maps; None: nowhere.

    Parameters
    ----------
    patch
        On the whole.
    maps
        Feature maps of the part.
    first
        Where it begins on the whole.
    """
    if patch is None:
        return None
    inner, outer = [], []
    for side, start, size in zip(patch.box, first, maps.shape[2:], strict=True):
        low, high = max(side.start, start), min(side.stop, start + size)
        if low >= high:
            return None
        inner.append(slice(low - side.start, high - side.start))
        outer.append(slice(low - start, high - start))
    return Overlap(patch.values[:, :, *inner], maps[:, :, *outer], tuple(outer))


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
    patch
        (1, channels, *box) where they are not zero; None: nowhere.
    alpha
        Their mean over all positions, in double, (channels,).
    empty
        Why there are none, or None.
    """

    patch: Patch | None
    alpha: torch.Tensor
    empty: str | None = None


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
