"""Arrays whose planes are made when they are looked at: of a volume, one of many."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Make = Callable[[tuple[slice, ...]], NDArray[Any]]


def planes_on_demand(
    shape: tuple[int, ...], dtype: DTypeLike, make: Make, plane_ndim: int = 2
) -> Any:
    """Return an array that holds nothing but how its planes are made.

    Parameters
    ----------
    shape, dtype
        Of the array.
    make : callable
        ``make(where)`` gives the planes at slices of the axes before theirs.
    plane_ndim : int
        How many of the last axes are a plane's.

    Returns
    -------
    dask array, or ndarray where there is but one plane, which is made now
    """
    leading = len(shape) - plane_ndim
    if leading == 0:
        return make(())
    from dask.array import from_array  # a fifth of a second, which a single plane does not need

    source = _Planes(shape, np.dtype(dtype), make, leading)
    # A name of its own: for one of the values, all of them would be made.
    how = {"name": False, "asarray": False, "fancy": False}
    chunks = (*(1,) * leading, *shape[leading:])
    meta = np.empty((0,) * len(shape), dtype)
    return from_array(source, chunks=chunks, meta=meta, **how)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class _Planes:
    """What dask reads from, as it reads from a file.

    Attributes
    ----------
    shape, dtype, make
        As in `planes_on_demand`.
    leading : int
        How many axes come before those of a plane.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    make: Make
    leading: int

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        # A number is read as a slice of one, and its axis left out afterwards.
        before, within = index[: self.leading], index[self.leading :]
        where = tuple(i if isinstance(i, slice) else slice(i, i + 1) for i in before)
        left = tuple(slice(None) if isinstance(i, slice) else 0 for i in before)
        return self.make(where)[left + within]
