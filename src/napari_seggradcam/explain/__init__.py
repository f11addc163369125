"""The method: questions about regions, and what the network's gradients answer.

``napari_seggradcam.explain`` is the public function and this room at once: Python binds the
room's name to the package as soon as the room is imported, so the room itself is made callable.
"""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask one question; see `napari_seggradcam.explain.explainer.explain`."""
        from .explainer import explain

        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
