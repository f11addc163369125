"""Python's garbage collector, kept from what never becomes garbage.

It looks through everything that is there again and again while libraries are imported, and once
more when the program ends: for torch alone that takes half a second, for some libraries two.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """What is made inside lasts until the program ends, and is not searched for garbage."""
    was_on = gc.isenabled()
    gc.disable()
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # memory goes back to the system anyway
    try:
        yield
    finally:
        if was_on:
            gc.enable()
