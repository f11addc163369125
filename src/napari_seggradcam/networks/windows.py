"""An image that is read window by window, because it is larger than memory.

A window is, bit for bit, the part of `napari_seggradcam.networks.network.Network.prepare` of the
whole image: normalised by statistics of the whole, and mirrored at the borders.
"""

import hashlib
import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import OptionError
from .images import Array, AxisOrder, borders
from .normalisation import Normalisation, normalisation_from_dict, normalisation_to_dict
from .progress import Cancel, Progress
from .running import stop_if
from .sizes import AxisRule
from .statistics import Values

Box = tuple[slice, ...]

_BLOCK = 2**24
"""Values that are read at a time where chunks allow it, all channels together."""


class WindowedImage:
    """An image that is read window by window.

    Parameters
    ----------
    array
        Numpy array or memmap, zarr array or dask array: anything with ``shape``, ``dtype`` and
        slices that `numpy.asarray` takes. It is never read as a whole.
    axes, network_axes, channels
        As for `napari_seggradcam.networks.images.channels_first`.
    rules
        Sizes that the network takes, per spatial axis.
    normalisation
        Of the network.

    Attributes
    ----------
    shape : tuple of int
        Spatial shape before padding.
    padded_shape : tuple of int
        Spatial shape after padding.
    before, after : tuple of int
        Pixels that reflection adds at the two ends of every spatial axis.

    Raises
    ------
    ShapeError
        If axes or channels do not fit the network.
    ImageError
        If the values are not numbers. Values that are not finite are found when they are read.
    """

    def __init__(
        self,
        array: Array,
        axes: str | None,
        network_axes: str,
        channels: int,
        rules: tuple[AxisRule, ...],
        normalisation: Normalisation | None,
    ):
        self._array = array
        self._order = AxisOrder.of(array, axes, network_axes, channels)
        self._normalisation = normalisation
        self._fitted: Normalisation | None = None
        self.shape = self._order.shape
        self.before, self.after = borders(self.shape, rules)
        self.padded_shape = tuple(
            a + n + b for a, n, b in zip(self.before, self.shape, self.after, strict=True)
        )

    def fit(self, progress: Progress | None = None, cancel: Cancel | None = None) -> None:
        """Stream the statistics that the normalisation needs, unless they are there.

        Parameters
        ----------
        progress
            Called with blocks done, blocks in all and words.
        cancel
            Asked before every block; nothing is kept when it returns True.

        Raises
        ------
        ImageError
            If values are not finite.
        ShapeError
            If the normalisation has numbers for another number of channels.
        Cancelled
            If ``cancel`` said so.
        """
        normalisation = self._normalisation
        if normalisation is None or self._fitted is not None:
            return
        normalisation.check_channels(self._order.channels)
        boxes = self._blocks()
        done = 0

        def blocks() -> Iterator[Values]:
            nonlocal done
            for box in boxes:
                stop_if(cancel)
                yield self._order.read(self._array, box)
                done += 1
                if progress is not None:
                    total = normalisation.passes * len(boxes)
                    progress(done, total, "statistics of the image")

        self._fitted = normalisation.fit(blocks)

    def statistics(self) -> dict[str, Any]:
        """What `fit` has found, in JSON types; it runs if need be."""
        self.fit()
        return {
            "normalisation": normalisation_to_dict(self._normalisation),
            "fitted": normalisation_to_dict(self._fitted),
        }

    def use_statistics(self, statistics: dict[str, Any]) -> None:
        """Take over what `statistics` gave for the same image, instead of `fit`.

        Raises
        ------
        OptionError
            If they are not of this normalisation and number of channels.
        """
        fitted = None
        try:
            fits = normalisation_from_dict(statistics["normalisation"]) == self._normalisation
            fitted = normalisation_from_dict(statistics["fitted"])
            fits &= (fitted is None) == (self._normalisation is None)
            if fitted is not None:
                fits &= fitted.passes == 0
                fitted.check_channels(self._order.channels)
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise OptionError(
                f"The statistics are {statistics!r}; expected those of {self._order.channels} "
                f"channels for the normalisation {normalisation_to_dict(self._normalisation)!r}. "
                "Compute them anew with fit()."
            )
        self._fitted = fitted

    def window(self, box: Box) -> torch.Tensor:
        """Part of the padded and normalised image, (1, channels, *box) float32.

        Parameters
        ----------
        box
            Part of the padded image, per spatial axis.

        Raises
        ------
        ImageError
            If values are not finite.
        """
        self.fit()
        read, within = [], []
        for part, size, before, padded in zip(
            box, self.shape, self.before, self.padded_shape, strict=True
        ):
            start, stop, _ = part.indices(padded)
            at = _mirrored(np.arange(start - before, stop - before), size)
            first = int(at.min())
            read.append(slice(first, int(at.max()) + 1))
            within.append(at - first)
        values = self._order.read(self._array, tuple(read))
        if self._fitted is not None:
            values = self._fitted(values)
        for axis, at in enumerate(within, start=1):
            if len(at) != values.shape[axis] or (np.diff(at) != 1).any():
                values = values.take(at, axis)
        return torch.from_numpy(np.ascontiguousarray(values)[np.newaxis])

    def digest(self, cancel: Cancel | None = None) -> str:
        """Hash of the image's values and of how they are normalised.

        Parameters
        ----------
        cancel
            Asked before every block.
        """
        digest = hashlib.sha256(repr((self.shape, self._normalisation)).encode())
        for box in self._blocks():
            stop_if(cancel)
            digest.update(self._order.read(self._array, box).tobytes())
        return digest.hexdigest()

    def _blocks(self) -> list[Box]:
        """Windows that together are the image, each read at once."""
        return list(product(*map(_steps, self.shape, self._block_shape())))

    def _block_shape(self) -> tuple[int, ...]:
        """Spatial shape of blocks of whole chunks, as far as those are not too large."""
        chunks = [self._chunk(axis) for axis in self._order.spatial]
        most = max(1, _BLOCK // self._order.channels)
        block = [min(chunk, size) for chunk, size in zip(chunks, self.shape, strict=True)]
        while math.prod(block) > most:
            longest = block.index(max(block))
            block[longest] = -(-block[longest] // 2)
        # The array's last axis is the one along which neighbours are stored together.
        for axis in sorted(range(len(block)), key=lambda axis: -self._order.spatial[axis]):
            fit = max(1, most // math.prod(block))
            block[axis] = min(block[axis] * fit, self.shape[axis])
        return tuple(block)

    def _chunk(self, axis: int) -> int:
        """Length of the array's chunks along one of its axes; 1 if it has none."""
        chunks = getattr(self._array, "chunks", None)
        if chunks is None:
            return 1
        along = chunks[axis]  # dask tells the length of every chunk, zarr that of all
        return max(1, *along) if isinstance(along, tuple) else int(along)


def _steps(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _mirrored(positions: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Pixels that positions beyond the borders mirror, as ``numpy.pad(mode="reflect")`` does."""
    if size == 1:
        return np.zeros_like(positions)
    period = 2 * (size - 1)
    within = positions % period
    return np.minimum(within, period - within)
