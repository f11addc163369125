"""Torch's compiler, not loaded while libraries are imported that hardly ever use it.

To load ``torch._dynamo`` takes two seconds. torchvision, which timm and MONAI import, does so for
one function, which tells what the compiler supports when regions of interest are pooled. timm does
so to mark functions that shall not be compiled. Both can wait until these functions are called.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import FunctionType, ModuleType
from typing import Any

import torch

_COMPILER = "torch._dynamo"
_ASKED = "torch._dynamo.utils"
_disable: Callable[..., Any] = torch.compiler.disable


@contextmanager
def compiler_deferred() -> Iterator[None]:
    """Inside, `is_compile_supported` and `disable` stand for the compiler's own.

    Whoever needs anything else of it, inside or afterwards, gets the compiler itself.
    """
    if _COMPILER in sys.modules or _ASKED in sys.modules:
        yield
        return
    watch = _Watch()
    sys.modules[_ASKED] = _StandIn(_ASKED)
    sys.meta_path.insert(0, watch)
    torch.compiler.disable = disable
    try:
        yield
    finally:
        torch.compiler.disable = _disable
        sys.meta_path.remove(watch)
        _leave()


def is_compile_supported(device_type: str) -> Any:
    """As the compiler's own function, which is imported when this is called."""
    return _asked().is_compile_supported(device_type)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """As `torch.compiler.disable`, which is called when the function is that it is given."""
    if fn is None:
        return partial(disable, recursive=recursive, reason=reason)
    if not isinstance(fn, FunctionType):
        return _disable(fn, recursive, reason=reason)
    made: list[Callable[..., Any]] = []

    @wraps(fn)
    def disabled(*args: Any, **kwargs: Any) -> Any:
        if not made:
            made.append(_disable(fn, recursive, reason=reason))
        return made[0](*args, **kwargs)

    return disabled


class _StandIn(ModuleType):
    """In the place of `_ASKED`, until more is wanted of that."""

    def __getattr__(self, name: str) -> Any:
        if name == is_compile_supported.__name__:
            return is_compile_supported
        if name.startswith("__"):  # which the import system asks of every module
            raise AttributeError(name)
        return getattr(_asked(), name)


class _Watch(MetaPathFinder):
    """Finds nothing, and sees when the compiler is imported, whose parts need each other."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> None:
        if name == _COMPILER:
            _leave()


def _asked() -> ModuleType:
    _leave()
    return import_module(_ASKED)


def _leave() -> None:
    """Take the stand-in away, if it is there."""
    if isinstance(sys.modules.get(_ASKED), _StandIn):
        del sys.modules[_ASKED]
