"""Pickles that do something when they are loaded, for the tests that they do not."""

from collections.abc import Callable
from typing import Any


class Payload:
    """Something whose pickle calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call
