"""Which class a network predicts at every pixel of an image that is larger than memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks.layers import LOGITS
from ..networks.outputs import MapGrid, on_grid
from ..networks.progress import Progress
from .regions.output import pixels_of
from .regions.region import Box, Prediction
from .tiles import Tile, Tiling
from .window_passes import WindowPasses
from .work import Work


class PredictionSweep:
    """A pass over tiles that writes the class with the largest logit.

    Parameters
    ----------
    passes
        Passes over windows of the image.
    shape
        Spatial shape of the image.
    grid
        Where outputs lie on the image.
    piece
        Spatial shape of the pieces in which the classes are stored.
    """

    def __init__(
        self,
        passes: WindowPasses,
        shape: tuple[int, ...],
        grid: MapGrid,
        piece: tuple[int, ...],
    ):
        self._passes = passes
        self._shape = shape
        self._grid = grid
        self._piece = piece

    def run(self, tiling: Tiling, work: Work, progress: Progress) -> Prediction:
        """Write what is not there yet; returns what reads it.

        Parameters
        ----------
        tiling
            Tiles whose logits are right also one output beyond the tile.
        work
            Where to write, and what is done.
        progress
            Called with tiles done, tiles in all and what is done.
        """
        classes = work.large_array("prediction", self._shape, self._piece)
        for number, tile in enumerate(tiling, start=1):
            step = f"prediction {number}"
            if step not in work.done:
                self._write(tile, classes)
                work.note(step)
            progress(number, len(tiling), "prediction")

        def prediction(window: Box) -> NDArray[np.integer]:
            return np.asarray(classes[window])

        return prediction

    def _write(self, tile: Tile, classes: Any) -> None:
        place = tile.places[LOGITS]
        window = tuple(
            slice(max(0, pixels.start), min(size, pixels.stop))
            for pixels, size in zip(pixels_of(place.whole, self._grid), self._shape, strict=True)
        )
        if any(w.start >= w.stop for w in window):
            return
        box, first = [], []
        for whole, part, size in zip(place.whole, place.tile, self._grid.shape, strict=True):
            low, high = min(1, whole.start), min(1, size - whole.stop)
            box.append(slice(part.start - low, part.stop + high))
            first.append(whole.start - low)
        logits = self._passes.read(tile.window, None)[:, :, *box].float()
        rows = on_grid(logits, self._grid, window, tuple(first))
        rows = np.concatenate([-rows, rows]) if len(rows) == 1 else rows
        classes[window] = rows.argmax(axis=0)


def no_prediction(window: Box) -> NDArray[np.integer]:
    """For regions and classes that do not depend on what the network predicts."""
    raise AssertionError(f"nothing was predicted for {window}")
