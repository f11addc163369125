"""A region of an image that is larger than memory, read window by window."""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ...networks.outputs import MapGrid
from ..crops import Blocks
from .output import OutputRegion, in_words, outputs_of, shares
from .region import Box, Mask, Prediction, Region, Shape, box_at, set_of_pixels, windowed


def pieces(shape: Sequence[int], piece: Sequence[int]) -> Iterator[Box]:
    """Windows of one shape, but for the last ones, that together are all of a grid."""
    rows = (
        [slice(first, min(first + n, size)) for first in range(0, size, n)]
        for size, n in zip(shape, piece, strict=True)
    )
    return itertools.product(*rows)


class RegionParts:
    """A region M on an image and on the output, read window by window.

    Parameters
    ----------
    region
        The region.
    shape
        Spatial shape of the image.
    grid
        Where outputs lie on the image.
    piece
        Spatial shape of windows that may be looked at at once.

    Attributes
    ----------
    factor : float
        What every pixel of the region counts.

    Raises
    ------
    RegionError
        If the region is weighted or does not fit the image.
    """

    def __init__(self, region: Region, shape: Shape, grid: MapGrid, piece: Shape):
        self._region = set_of_pixels(region, "An image that is computed tile by tile")
        self.factor = 1.0
        self._shape = shape
        self._grid = grid
        self._piece = piece
        self._extent = region.extent(shape)

    @property
    def depends_on_prediction(self) -> bool:
        """Whether the network has to run before the pixels are known."""
        return self._region.depends_on_prediction

    def part(self, window: Box, prediction: Prediction) -> Mask:
        """Pixels of the region in a window, which may reach beyond the image."""
        box = tuple(
            slice(max(e.start, w.start), min(e.stop, w.stop))
            for e, w in zip(self._extent, window, strict=True)
        )
        if any(b.start >= b.stop for b in box):
            return np.zeros([w.stop - w.start for w in window], bool)
        inside = self._region.part(box, self._shape, prediction)
        return np.asarray(windowed(inside, box, window), bool)

    def digest(self, classes: int) -> str:
        """Hash of the region's pixels, as a function of the class that is predicted there."""
        digest = hashlib.sha256(repr(self._extent).encode())
        for window in pieces(self._shape, self._piece):
            for predicted in range(classes if self._region.depends_on_prediction else 1):

                def all_over(window: Box, predicted: int = predicted) -> np.ndarray:
                    return np.full([w.stop - w.start for w in window], predicted)

                digest.update(np.packbits(self.part(window, all_over)).tobytes())
        return digest.hexdigest()

    def on_output(self, box: Box, prediction: Prediction) -> OutputRegion:
        """What of the region lies in a box of outputs.

        Parameters
        ----------
        box
            The outputs.
        prediction
            As for `Region.part`.
        """

        def part(window: Box) -> Mask:
            return self.part(window, prediction)

        weights = self.factor * shares(part, box, self._grid)
        return OutputRegion(tuple(b.start for b in box), weights, in_words(self._grid, 0))

    def blocks(self, sizes: Sequence[int], prediction: Prediction) -> tuple[Blocks, float]:
        """Which blocks of outputs have pixels of the region, and how many outputs it covers.

        Parameters
        ----------
        sizes
            Outputs per block, per spatial axis.
        prediction
            As for `Region.part`.
        """
        around = outputs_of(self._extent, self._grid)
        occupied = np.zeros(
            [math.ceil(n / size) for n, size in zip(self._grid.shape, sizes, strict=True)], bool
        )
        scales = map(round, self._grid.scale)
        step = [
            size * max(1, n // (size * scale))
            for size, scale, n in zip(sizes, scales, self._piece, strict=True)
        ]
        covered = 0.0
        for window in pieces(self._grid.shape, step):
            box = tuple(
                slice(max(a.start, w.start), min(a.stop, w.stop))
                for a, w in zip(around, window, strict=True)
            )
            if any(b.start >= b.stop for b in box):
                continue
            part = self.on_output(box, prediction)
            covered += float(part.weights.sum())
            found = Blocks.of(part, sizes)
            occupied[box_at(found.origin, found.occupied.shape)] |= found.occupied
        return Blocks(occupied, (0,) * len(around), tuple(sizes), around), covered
