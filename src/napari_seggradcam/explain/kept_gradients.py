"""Gradients of the last questions, so that another method or extent of the same needs no pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..networks.layers import NetworkLayer
from .methods.gradient import LayerGradient

# What a question's gradients depend on, for one image and network.
Key = tuple[Any, ...]


class KeptGradients:
    """Gradients of the questions that were asked together last.

    Parameters
    ----------
    every
        Whether every gradient is kept; otherwise those that a method needed.
    """

    def __init__(self, every: bool = False):
        self.every = every
        self._kept: dict[Key, dict[str, LayerGradient]] = {}

    @property
    def bytes(self) -> int:
        """Bytes that they take."""
        return _bytes(self._kept)

    def clear(self) -> None:
        """Let go of them."""
        self._kept = {}

    def keep(self, gradients: Mapping[Key, dict[str, LayerGradient]], room: int) -> None:
        """Take over gradients instead of those that are there, if all have room.

        Parameters
        ----------
        gradients
            By question, and by name of the network layer.
        room
            Bytes that they may take.
        """
        self._kept = dict(gradients) if _bytes(gradients) <= room else {}

    def of(self, key: Key, layers: Sequence[NetworkLayer]) -> dict[str, LayerGradient] | None:
        """Gradients of a question, if those of all these network layers are kept."""
        kept = self._kept.get(key, {})
        names = [layer.name for layer in layers]
        return {name: kept[name] for name in names} if kept.keys() >= set(names) else None

    def have(self, layers: Sequence[NetworkLayer]) -> bool:
        """Whether gradients of all these network layers are kept, of some question."""
        names = {layer.name for layer in layers}
        return any(kept.keys() >= names for kept in self._kept.values())


def _bytes(gradients: Mapping[Key, dict[str, LayerGradient]]) -> int:
    return sum(one.bytes for by_name in gradients.values() for one in by_name.values())
