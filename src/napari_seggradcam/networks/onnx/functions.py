"""All operations that are torch functions, by name."""

from .arithmetic import ARITHMETIC
from .operations import Function
from .shaping import SHAPING

FUNCTIONS: dict[str, Function] = {**ARITHMETIC, **SHAPING}
