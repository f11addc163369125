"""Event connections that can all be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Remembers what was connected to napari's emitters.

    napari's viewer and layers outlive the dock; whatever the dock has hooked to them
    has to come off when it closes.
    """

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []

    def __len__(self) -> int:
        return len(self._made)

    def connect(self, emitter: Any, slot: Callable[..., Any]) -> None:
        """Connect a slot to an event emitter."""
        emitter.connect(slot)
        self._made.append((emitter, slot))

    def connect_all(self, group: Any, names: tuple[str, ...], slot: Callable[..., Any]) -> None:
        """Connect a slot to those events of a group that this napari has."""
        for name in names:
            emitter = getattr(group, name, None)
            if emitter is not None:
                self.connect(emitter, slot)

    def disconnect(self) -> None:
        """Undo every connection."""
        for emitter, slot in self._made:
            emitter.disconnect(slot)
        self._made.clear()
