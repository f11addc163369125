"""How a network treats its tensors, found once by a run on a small input."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ..networks.network import Network
from .capture import read
from .convolutions import KeepConvolutions
from .tape import record

_CONVOLUTION = "convolution call "
_VALUE = "value "


@dataclass(frozen=True)
class Habits:
    """What is the same for every image.

    Attributes
    ----------
    overwritten
        Network layers, convolutions and values whose tensor something behind them changes in
        place.
    recordable
        Whether all functions are known, so that there is a `Tape`.
    """

    overwritten: frozenset[str]
    recordable: bool


_known: WeakKeyDictionary[Network, Habits] = WeakKeyDictionary()


def habits_of(network: Network) -> Habits:
    """Habits of a network, found the first time that it is asked about."""
    if network not in _known:
        _known[network] = _find(network)
    return _known[network]


def convolution_name(number: int) -> str:
    """Name of what a call of a convolution gave, beside the names of network layers."""
    return f"{_CONVOLUTION}{number}"


def value_name(number: int) -> str:
    """Name of a value on a tape."""
    return f"{_VALUE}{number}"


def numbered(tensors: dict[str, torch.Tensor], name: str) -> dict[int, torch.Tensor]:
    """The tensors among others that have a number, given the name of number 0."""
    prefix = name.removesuffix("0")
    return {
        int(key.removeprefix(prefix)): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }


def _find(network: Network) -> Habits:
    sizes = [rule.minimum for rule in network.rules]
    image = torch.zeros((1, network.channels, *sizes), dtype=network.dtype, device=network.device)
    versions: dict[str, tuple[torch.Tensor, int]] = {}

    def take(name: str, maps: torch.Tensor) -> None:
        versions[name] = maps, maps._version

    _, tape = record(network, image, take, lambda n, t: take(value_name(n), t), None)
    if tape is None:
        versions.clear()
        keep = KeepConvolutions(lambda n, t: take(convolution_name(n), t))
        read(network, image, network.layers, take, None, keep)
    overwritten = {name for name, (maps, before) in versions.items() if maps._version != before}
    return Habits(frozenset(overwritten), tape is not None)
