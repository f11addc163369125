"""Handing other feature maps on in place of a network layer's own."""

from collections.abc import Callable

import torch
from torch import nn

from ...errors import LayerError
from ...networks.layers import NetworkLayer
from ..capture import Taps, read
from ..input_score import InputScore

Replace = Callable[[torch.Tensor], torch.Tensor]


class Substitute(Taps):
    """Goes on with other maps than those of one network layer.

    Parameters
    ----------
    module
        The module that will run.
    layer
        A network layer of it: one call of a module, or a skip as it enters its join.
    replace
        Gives the maps to go on with, of the shape and type of those that it is given; it must
        leave these as they are, because others may have them, too.
    """

    def __init__(self, module: nn.Module, layer: NetworkLayer, replace: Replace):
        super().__init__(module, [layer])
        self._name = layer.name
        self._replace = replace
        self._reached = False

    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        """Go on with the other maps; who else has the tensor keeps the layer's own."""
        self._reached = True
        return self._replace(tensor)

    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Put the other maps where the layer's were: who had its input has them, too."""
        self._reached = True
        return tensor.copy_(self._replace(tensor))

    def check(self) -> None:
        """Raise `LayerError` if the network did not run through the network layer."""
        if not self._reached:
            raise never_reached(self._name)


def score_with(
    score: InputScore, inputs: torch.Tensor, layer: NetworkLayer, replace: Replace
) -> torch.Tensor:
    """Scores of inputs, (batch,), where the network goes on with other maps of a network layer.

    Raises
    ------
    LayerError
        If the network does not run through the network layer.
    """
    taps = Substitute(score.network.module, layer, replace)
    scores = score(inputs, taps)
    taps.check()
    return scores


def maps_of(score: InputScore, tensor: torch.Tensor, layer: NetworkLayer) -> torch.Tensor:
    """Feature maps (1, channels, *spatial) of a network layer, without gradients.

    Raises
    ------
    LayerError
        If the network does not run through the network layer.
    """
    found: list[torch.Tensor] = []
    read(
        score.network,
        tensor.clone(),
        [layer],
        lambda name, maps: found.append(maps.clone()),
        score.cancel,
    )
    if not found:
        raise never_reached(layer.name)
    return found[0]


def never_reached(name: str) -> LayerError:
    """The error that a network layer is that the network does not run through."""
    return LayerError(
        f"The network did not run through {name} on this image; it takes another path than on the "
        "image by which its layers were named."
    )
