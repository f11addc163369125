"""A cut through a network: network layers that everything passes through once.

In a U-Net these are the bottleneck and every skip. Of a ReLU network without biases, Σ G·A over the
network layers of a cut is the score: the logits are homogeneous functions of degree one of what
stands at the cut, for which Euler's theorem says so.

Whether network layers are a cut is not read from their names. It is tried: with their maps handed
on as constants, the logits must not depend on the image any more; and no map may depend on another
one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ...networks.layers import NetworkLayer
from ...networks.network import Network
from ...networks.running import as_found
from ..agreement import random_input
from ..capture import Capture, Taps

# Least size of the input that is tried: the bottleneck of networks in use has several positions.
_SIZE = {2: 128, 3: 32}
# Network layers of the bottleneck that are tried, from the last one up; each takes two runs.
_TRIES = 24


@dataclass(frozen=True)
class Cut:
    """Network layers that everything passes through once.

    Attributes
    ----------
    layers
        In order of execution; empty if there is no such cut.
    why_not
        Why there is none, in a sentence; empty if there is.
    """

    layers: tuple[NetworkLayer, ...]
    why_not: str = ""


_known: WeakKeyDictionary[Network, Cut] = WeakKeyDictionary()


def cut_of(network: Network) -> Cut:
    """The cut of bottleneck and skips; tried at the first call, on a small input.

    Of the bottleneck it is the last network layer that does. Skips that depend on another one of
    them are left out, because nothing may count twice.

    Parameters
    ----------
    network
        The network.
    """
    with network.lock:
        if network not in _known:
            _known[network] = _find(network)
        return _known[network]


def _find(network: Network) -> Cut:
    skips = [layer for layer in network.layers if layer.kind == "skip"]
    deep = [layer for layer in network.layers if layer.role == "bottleneck" and not layer.gate]
    sizes = [rule.at_least(_SIZE[network.ndim]) for rule in network.rules]
    image = random_input(network, sizes)
    with as_found(network.module), torch.enable_grad():
        if _is_passed(network, image, [*skips, *deep]):
            deep = []  # not even all of them are a cut
        # In a feature pyramid the last one is on a branch, and an earlier one on the trunk.
        for bottleneck in reversed(deep[-_TRIES:]):
            wanted = [layer for layer in network.layers if layer in (*skips, bottleneck)]
            later = _depending(network, image, wanted)
            layers = tuple(layer for layer in wanted if layer.name not in later)
            if not _is_passed(network, image, layers):
                return Cut(layers)
    return Cut((), "Some of the score gets past the bottleneck and every skip.")


def _depending(network: Network, image: torch.Tensor, layers: Sequence[NetworkLayer]) -> set[str]:
    """Names of the network layers whose maps depend on those of another one."""
    capture = _Noting(network.module, layers, lambda name: None)
    with capture:
        network.run(image.clone(), capture.calls(network.ndim, network.bypass))
    return capture.depending


def _is_passed(network: Network, image: torch.Tensor, layers: Sequence[NetworkLayer]) -> bool:
    """Whether logits depend on the image other than through network layers."""
    constants = _Constants(network.module, layers)
    # The clone, because networks may change what they are given, and a leaf must not be.
    given = image.clone().requires_grad_().clone()
    with constants:
        logits = network.run(given, constants.calls(network.ndim, network.bypass))
    return logits.requires_grad


class _Noting(Capture):
    """Notes which maps depend on those that were captured before."""

    depending: set[str]

    def __enter__(self) -> "_Noting":
        self.depending = set()
        super().__enter__()
        return self

    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        if tensor.requires_grad:
            self.depending.add(name)
        return super().take(name, tensor, shared)

    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.requires_grad:
            self.depending.add(name)
        return super().take_in_place(name, tensor)


class _Constants(Taps):
    """Hands maps on as constants."""

    def take(self, name: str, tensor: torch.Tensor, shared: bool) -> torch.Tensor:
        return tensor.detach()

    def take_in_place(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        # Whoever had the module's input has this tensor, too.
        return tensor.detach() if tensor._is_view() else tensor.detach_()
