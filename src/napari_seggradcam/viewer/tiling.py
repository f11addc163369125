"""Where the tiles of a mosaic lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAP = 0.04
"""Space between tiles, as a share of a tile's longer side."""

_CANVAS = 1.3
"""Width by height that a mosaic should have."""


@dataclass(frozen=True, eq=False)
class Tiling:
    """Equal tiles, row by row, with space between them.

    Attributes
    ----------
    corners : (tiles, 2) int array
        First row and column of each tile.
    tile : (2,) int array
        Rows and columns of a tile.
    """

    corners: NDArray[np.intp]
    tile: NDArray[np.intp]

    @classmethod
    def of(cls, count: int, tile: tuple[int, ...]) -> "Tiling":
        """Return a tiling of the shape of a window that leaves few tiles empty."""
        order, rows, columns = np.arange(count), *tile

        def waste(across: int) -> float:
            down = -(-count // across)
            shape = across * columns / (down * rows)
            return abs(float(np.log(shape / _CANVAS))) + (across * down - count) / count

        across = min(range(1, count + 1), key=waste)
        gap = max(2, round(_GAP * max(tile)))
        corners = np.stack([order // across, order % across], axis=1) * (np.array(tile) + gap)
        return cls(corners, np.array(tile))

    @property
    def extent(self) -> tuple[int, ...]:
        """Rows and columns of all tiles together."""
        return tuple(int(n) for n in self.corners.max(axis=0) + self.tile)

    def __iter__(self) -> Iterator[Any]:
        """Index of every tile, into arrays whose last axes are rows and columns."""
        for row, column in self.corners:
            yield (..., slice(row, row + self.tile[0]), slice(column, column + self.tile[1]))

    def repeated(self, content: NDArray[Any], colours: bool = False) -> NDArray[Any]:
        """Return the same content in every tile, and 0 between them.

        Parameters
        ----------
        content : (..., rows, columns) or (..., rows, columns, colours) ndarray
            Of a tile.
        colours : bool
            Whether its last axis is one of colours.
        """
        last = content.ndim - colours
        shape = (*content.shape[: last - 2], *self.extent, *content.shape[last:])
        whole = np.zeros(shape, content.dtype)
        for here in self:
            whole[(*here, slice(None)) if colours else here] = content
        return whole

    def under(self, rows_and_columns: NDArray[np.intp]) -> int | None:
        """Return the tile in which a row and column of the whole lies; None between the tiles."""
        within = rows_and_columns - self.corners
        found = np.flatnonzero(((within >= 0) & (within < self.tile)).all(axis=1))
        return None if found.size == 0 else int(found[0])
