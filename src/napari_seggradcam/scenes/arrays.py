"""Array types that the modules of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
# Part of a picture: rows and columns.
Window = tuple[slice, slice]
