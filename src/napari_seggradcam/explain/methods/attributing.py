"""Methods that run the network themselves, and say of every value how much it matters."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...networks.layers import INPUT, PRESETS, NetworkLayer, names_in
from ...networks.network import Network
from ..ground import Ground
from .weighting import Method


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much every value of a network layer's feature maps, or of the input, matters.

    Attributes
    ----------
    values
        (channels, *spatial); their sum over the channels is the signed map.
    empty
        Why all are zero, or None.
    facts
        How they were computed, in JSON types.
    scale, translate
        Where they lie on the input that ran, if not where the network layer lies.
    """

    values: NDArray[np.floating[Any]]
    empty: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    scale: tuple[float, ...] | None = None
    translate: tuple[float, ...] | None = None


class AttributionMethod(Method):
    """A method that runs the network itself.

    Attributes
    ----------
    answers_input
        Whether it says something of the network's input.
    answers_layers
        Whether it says something of network layers.
    sees_all
        Whether it looks at the whole image, and not at what matters to M.
    """

    truncates = False
    nothing_positive = "No positive evidence: no value is above zero. Look at the signed map."
    answers_input: ClassVar[bool] = True
    answers_layers: ClassVar[bool] = False
    sees_all: ClassVar[bool] = False

    def layers(self, network: Network, wanted: str | Iterable[str]) -> tuple[NetworkLayer, ...]:
        """What it answers, of the network layers that are wanted; the input comes first."""
        if not self.answers_input:
            return network.select_layers(wanted)
        # The input may be named as well, as the record names it; it is answered in any case.
        names = names_in(wanted)
        named = tuple(name for name in names if name != INPUT)
        if self.answers_layers and (named or not names):
            return input_layer(network), *network.select_layers(named)
        others = tuple(name for name in named if name not in PRESETS)
        if others:
            network.select_layers(others)  # which tells names that there are not
        return (input_layer(network),)

    @abstractmethod
    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Answers by name of the network layer; of the input by ``"input"``.

        Parameters
        ----------
        ground
            The question.

        Raises
        ------
        MissingPackage
            If a package is missing that the method needs.
        NetworkError
            If the network fails, or gives no gradient where one is needed.
        Cancelled
            If the caller wants to stop.
        """


def input_layer(network: Network) -> NetworkLayer:
    """The network's input, in the form of a network layer."""
    ndim = network.ndim
    shape = tuple(rule.at_least(1) for rule in network.rules)
    return NetworkLayer(
        INPUT,
        None,
        0,
        None,
        INPUT,
        INPUT,
        0,
        network.channels,
        (1.0,) * ndim,
        (0.0,) * ndim,
        shape,
    )
