"""Explanations: everything that one question gave, in memory and on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExplanationFileError
from ..networks.layers import NetworkLayer, unknown_layer
from ..store.explanations import StoredExplanation, StoredMap, read_explanation, write_explanation


@dataclass(frozen=True, eq=False)
class Heatmap:
    """What one network layer answered.

    Attributes
    ----------
    layer : NetworkLayer
        The network layer.
    signed : ndarray of float32
        Σ α_k A_k at the network layer's own resolution, before the ReLU; float64 for a network in
        double precision.
    weights : ndarray of float32, shape (channels,)
        α_k, the spatial mean of dS/dA_k. It carries 1 / N: compare it within one network layer.
    scale, translate : tuple of float
        Position ``i`` lies on image pixel ``scale * i + translate``, per spatial axis; pixel
        centres are whole numbers.
    image_shape : tuple of int
        Spatial shape of the image.
    empty : str or None
        Why the heatmap is zero everywhere, in a sentence; None where it is not.
    patch : tuple of (int, int), or None
        First pixel of the image, and the one behind the last, of what the network saw, per
        spatial axis, where it is explained on patches. None: all of the image.
    kept : ndarray of bool, or None
        Positions that truncation has kept; None: all, because nothing was truncated.
    note : str or None
        What is to be said of the truncation, in a sentence.
    top : float or None
        Upper end of the heatmap's colour scale, as a file has it; None where it was not read from
        one.

    Notes
    -----
    Of an explanation that was opened with ``lazy=True`` all arrays are dask arrays, also those that
    `heatmap` and `resized` give: nothing is read before ``compute()`` or ``np.asarray``.
    """

    layer: NetworkLayer
    signed: NDArray[np.float32]
    weights: NDArray[np.float32]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    image_shape: tuple[int, ...]
    empty: str | None = None
    patch: tuple[tuple[int, int], ...] | None = None
    kept: NDArray[np.bool_] | None = None
    note: str | None = None
    top: float | None = None

    @property
    def name(self) -> str:
        """Name of the network layer."""
        return self.layer.name

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """The positive part of the signed map, where it was not truncated."""
        positive = np.maximum(self.signed, 0)
        return positive if self.kept is None else positive * self.kept

    @cached_property
    def largest(self) -> float:
        """Largest value of the heatmap, which a file knows without being read; 0 if it is zero."""
        if self.empty is not None:
            return 0.0
        return float(self.heatmap.max(initial=0.0)) if self.top is None else self.top

    @cached_property
    def kept_share(self) -> float | None:
        """Share of the positions that truncation has kept; None where there was none."""
        return None if self.kept is None else float(self.kept.mean())

    def resized(
        self, signed: bool = False, within: Sequence[slice] | None = None
    ) -> NDArray[np.float32]:
        """Heatmap on the image grid, interpolated linearly between its positions.

        Beyond the outermost positions their values go on; beyond the patch, where there is one,
        all is zero, and so are pixels next to a position that was truncated. The ReLU comes after
        the interpolation, as in the authors' code.

        Parameters
        ----------
        signed
            Whether to leave out ReLU and truncation.
        within
            Pixels that are wanted, per spatial axis; all of them if not given. Of a large image a
            plane takes as long as a plane.

        Returns
        -------
        ndarray of float32, spatial shape of the image, or of what is wanted of it
        """
        wanted = [slice(None)] * len(self.image_shape) if within is None else within
        pixels = [np.arange(n)[part] for n, part in zip(self.image_shape, wanted, strict=True)]
        places = [self._places(axis, along) for axis, along in enumerate(pixels)]
        needed = tuple(map(_around, places))
        resized: NDArray[np.float32] = self.signed[needed]
        kept = None if signed or self.kept is None else self.kept[needed]
        # The last axis first: whole rows are then copied for the others, which is faster.
        for axis in reversed(range(len(places))):
            at = places[axis] - needed[axis].start
            if np.array_equal(at, np.arange(resized.shape[axis])):
                continue  # there is a position on every pixel
            resized = _interpolate(resized, axis, at)
            if kept is not None:
                nearest = np.round(places[axis]).astype(int) - needed[axis].start
                kept = np.take(kept, nearest, axis)
        for axis, (first, stop) in enumerate(self.patch or ()):
            inside = (first <= pixels[axis]) & (pixels[axis] < stop)
            resized = resized * _along(axis, inside, resized.ndim)
        if signed:
            return resized
        positive = np.maximum(resized, 0)
        if kept is not None:
            positive *= kept
        return positive

    def _places(self, axis: int, pixels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Where among the positions along an axis some pixels lie, in positions."""
        at = np.subtract(pixels, self.translate[axis], dtype=np.float64) / self.scale[axis]
        return np.clip(at, 0, self.signed.shape[axis] - 1)


def _around(places: NDArray[np.float64]) -> slice:
    """Positions between which some places lie."""
    if places.size == 0:
        return slice(0, 0)
    return slice(int(places.min()), int(np.ceil(places.max())) + 1)


def _interpolate(
    values: NDArray[np.float32], axis: int, at: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Values at fractional positions of one axis."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = _along(axis, (at - low).astype(np.float32), values.ndim)
    # The functions of numpy, because they work on dask arrays too and leave them on disk.
    below = np.take(values, low, axis).astype(np.float32, copy=False)
    between: NDArray[np.float32] = np.take(values, high, axis).astype(np.float32, copy=False)
    between -= below
    between *= share
    between += below
    return between


def _along(axis: int, values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Values along one of many axes."""
    return values.reshape([-1 if other == axis else 1 for other in range(ndim)])


@dataclass(frozen=True, eq=False)
class Explanation(Mapping[str, Heatmap]):
    """Everything that one question gave; ``explanation[name]`` is a network layer's `Heatmap`.

    Attributes
    ----------
    heatmaps : dict of Heatmap
        By name of the network layer, in order of execution.
    region : ndarray of bool, or of float32
        M on the image grid; of a weighted region what every pixel counts.
    image : ndarray
        The image as it was given.
    target : int
        The class that was explained.
    class_name : str
        Its name.
    score : float
        S, by custom the sum over M of the class logit.
    record : dict
        How it was made, in JSON types.
    """

    heatmaps: dict[str, Heatmap]
    region: NDArray[np.bool_] | NDArray[np.float32]
    image: NDArray[Any]
    target: int
    class_name: str
    score: float
    record: dict[str, Any]

    def __getitem__(self, name: str) -> Heatmap:
        if name not in self.heatmaps:
            raise unknown_layer("The explanation", name, self.heatmaps)
        return self.heatmaps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.heatmaps)

    def __len__(self) -> int:
        return len(self.heatmaps)

    def __repr__(self) -> str:
        return (
            f"<Explanation of {self.class_name!r} in {self.region_size:,} pixels, "
            f"{len(self)} network layers>"
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the network layers in order of execution."""
        return tuple(self.heatmaps)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels of the image belong to M, whatever they count."""
        mask: NDArray[np.bool_] = self.region != 0
        return mask

    @property
    def region_size(self) -> int:
        """Number of image pixels in M; reads all of a lazy region, piece by piece."""
        return int(np.count_nonzero(self.region))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Spatial shape of the image."""
        return self.region.shape

    def stored_maps(self) -> tuple[StoredMap, ...]:
        """The heatmaps in the form that files and figures take."""
        return tuple(_to_stored(heatmap) for heatmap in self.values())

    def save(self, path: str | Path) -> Path:
        """Write an OME-Zarr folder, by custom named ``*.sgc.zarr``.

        Parameters
        ----------
        path
            Folder to write. One that was written here before is replaced; anything else is kept.
            An explanation that was opened with ``lazy=True`` is copied piece by piece.

        Raises
        ------
        ExplanationFileError
            If something else is there, or it can't be written.
        """
        return write_explanation(path, self.stored_maps(), self.region, self.image, self.record)


def open_explanation(path: str | Path, lazy: bool = False) -> Explanation:
    """Open what `Explanation.save` has written.

    Parameters
    ----------
    path
        The folder.
    lazy
        Whether to leave all values on disk: every array is a dask array then, for explanations
        that do not fit into memory.

    Raises
    ------
    ExplanationFileError
        If it is missing, damaged or something else, such as maps without what was asked.
    """
    stored = read_explanation(path, lazy)
    try:
        return _explanation_from(stored)
    except (KeyError, TypeError) as error:
        raise ExplanationFileError(
            f"{path} has the maps of an explanation, but does not say all that one says of its "
            f"question and network layers ({type(error).__name__}: {error}); a program of its own "
            "has written it. Read its arrays with napari_seggradcam.store.explanations."
            "read_explanation, or with zarr."
        ) from error


def _explanation_from(stored: StoredExplanation) -> Explanation:
    shape = stored.region.shape
    image = np.zeros_like(stored.region, float) if stored.image is None else stored.image
    heatmaps = {m.name: _from_stored(m, shape) for m in stored.maps}
    question = stored.record["question"]
    return Explanation(
        heatmaps,
        stored.region,
        image,
        question["target"],
        question["class"],
        stored.record["score"],
        stored.record,
    )


def _to_stored(heatmap: Heatmap) -> StoredMap:
    return StoredMap(
        heatmap.name,
        heatmap.signed,
        heatmap.heatmap,
        heatmap.weights,
        heatmap.scale,
        heatmap.translate,
        {
            "layer": asdict(heatmap.layer),
            "empty": heatmap.empty,
            "patch": heatmap.patch,
            "note": heatmap.note,
        },
        kept=heatmap.kept,
    )


def _from_stored(stored: StoredMap, image_shape: tuple[int, ...]) -> Heatmap:
    described: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in stored.attributes["layer"].items()
    }
    patch = stored.attributes.get("patch")
    return Heatmap(
        NetworkLayer(**described),
        stored.signed,
        stored.weights,
        stored.scale,
        stored.translate,
        image_shape,
        stored.empty,
        None if patch is None else tuple(map(tuple, patch)),
        stored.kept,
        stored.attributes.get("note"),
        stored.top,
    )
