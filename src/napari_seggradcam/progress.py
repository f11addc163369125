"""How long work tells how far it is, and how it is asked to stop."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with steps done, steps in all (0: not known), and what is done."""

Cancel: TypeAlias = Callable[[], bool]
"""Says whether to stop."""
