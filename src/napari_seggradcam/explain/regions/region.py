"""What a region is, how regions combine, and the box around one on an image.

A region is described before it is known on which image it will lie; `Region.mask` says which
pixels those are, `Region.part` which of them lie in a window of an image that may be too large to
look at as a whole. Most regions are sets of pixels, and combine with ``|`` (union), ``&``
(intersection) and ``-`` (difference). A weighted region says of every pixel how much its score
counts, and with which sign.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import RegionError

Mask = NDArray[np.bool_]
# Of a set of pixels booleans, of a weighted region float32; 0 outside.
Weights = NDArray[np.bool_] | NDArray[np.float32]
Box = tuple[slice, ...]
Shape = tuple[int, ...]
# The class that the network predicts at every pixel of a window of the image.
Prediction = Callable[[Box], NDArray[np.integer]]


class Region(ABC):
    """Pixels of an image, all alike or with weights."""

    # Of an array and a region the region knows what becomes, and not numpy element by element.
    __array_ufunc__: ClassVar[None] = None

    def extent(self, shape: Shape) -> Box:
        """A window with all pixels of the region, as far as it is known without looking at them.

        Parameters
        ----------
        shape
            Spatial shape of the image.

        Raises
        ------
        RegionError
            If the region does not fit the image.
        """
        return whole(shape)

    @abstractmethod
    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        """Pixels of the region in a window of the image.

        Parameters
        ----------
        window
            Part of an image that the region fits, per spatial axis.
        shape
            Spatial shape of the image.
        prediction
            Called only by regions that depend on what the network predicts.

        Returns
        -------
        ndarray of bool or float32, of the window's shape
            What every pixel counts; 0 outside the region.
        """

    def mask(self, shape: Shape, prediction: Prediction) -> Mask:
        """Pixels of the region on an image of a spatial shape; see `extent` and `part`."""
        self.extent(shape)
        return np.asarray(self.part(whole(shape), shape, prediction) != 0)

    @property
    def depends_on_prediction(self) -> bool:
        """Whether the network has to run before the pixels are known."""
        return False

    @property
    def is_weighted(self) -> bool:
        """Whether pixels count differently, so that the region is no set."""
        return False

    @property
    def has_two_sides(self) -> bool:
        """Whether some pixels have to count for the score and others against it."""
        return False

    @abstractmethod
    def describe(self) -> str:
        """Words for people and for the record."""

    def __or__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "|")

    def __and__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "&")

    def __sub__(self, other: "Region | ArrayLike") -> "Region":
        return _Combination(self, as_region(other), "-")

    def __ror__(self, other: ArrayLike) -> "Region":
        return _Combination(as_region(other), self, "|")

    def __rand__(self, other: ArrayLike) -> "Region":
        return _Combination(as_region(other), self, "&")

    def __rsub__(self, other: ArrayLike) -> "Region":
        return _Combination(as_region(other), self, "-")


@dataclass(frozen=True, eq=False)
class Footprint:
    """The pixels of a region and the smallest box around them.

    Attributes
    ----------
    first
        Index of the first pixel of the box, per spatial axis.
    weights
        What every pixel of the box counts; 0 for those that do not belong to the region.
    """

    first: Shape
    weights: Weights

    @classmethod
    def of(cls, region: Region, shape: Shape, prediction: Prediction) -> "Footprint":
        """Footprint on an image of a spatial shape.

        Raises
        ------
        RegionError
            If the region does not fit the image, or has no pixel there.
        """
        extent = region.extent(shape)
        weights = region.part(extent, shape, prediction)
        tight = bounds(weights != 0)
        if tight is None:
            raise no_pixel(region)
        if region.has_two_sides and not ((weights > 0).any() and (weights < 0).any()):
            raise RegionError(
                f"The region ({region.describe()}) has pixels on one side only; expected some that "
                "count for the score and some that count against it. Choose two regions that "
                "differ."
            )
        first = tuple(e.start + t.start for e, t in zip(extent, tight, strict=True))
        return cls(first, weights[tight])

    @property
    def inside(self) -> Mask:
        """Which pixels of the box belong to the region."""
        return np.asarray(self.weights != 0)

    @property
    def counting_for(self) -> Mask:
        """Which pixels of the box count for the score; all of the region's if none does."""
        positive = self.weights > 0
        return np.asarray(positive) if positive.any() else self.inside

    @property
    def pixels(self) -> int:
        """Number of pixels of the region."""
        return int(np.count_nonzero(self.weights))

    @property
    def box(self) -> Box:
        """The box on the image."""
        return box_at(self.first, self.weights.shape)

    def part(self, window: Box) -> Weights:
        """What pixels of a window count, which may reach beyond the image."""
        return windowed(self.weights, self.box, window)

    def on(self, shape: Shape) -> Weights:
        """What pixels count on an image of a spatial shape."""
        return self.part(whole(shape))


def whole(shape: Shape) -> Box:
    """All of an image."""
    return tuple(slice(0, size) for size in shape)


def box_at(first: Iterable[int], size: Iterable[int]) -> Box:
    """The box that begins at these positions and has this spatial shape."""
    return tuple(slice(f, f + n) for f, n in zip(first, size, strict=True))


def seen_from(box: Box, first: Iterable[int]) -> Box:
    """A box as it lies on a part that begins at other positions."""
    return tuple(slice(b.start - f, b.stop - f) for b, f in zip(box, first, strict=True))


def windowed(weights: Weights, box: Box, window: Box) -> Weights:
    """Window of an array of which only a box is known; all else is 0.

    Parameters
    ----------
    weights
        What is known.
    box
        Where that lies.
    window
        What is wanted.
    """
    found: Any = np.zeros([w.stop - w.start for w in window], weights.dtype)
    inner, outer = [], []
    for b, w in zip(box, window, strict=True):
        low = max(b.start, w.start)
        high = max(low, min(b.stop, w.stop))
        inner.append(slice(low - w.start, high - w.start))
        outer.append(slice(low - b.start, high - b.start))
    found[tuple(inner)] = weights[tuple(outer)]
    return np.asarray(found)


def bounds(mask: Mask) -> Box | None:
    """The smallest box around the True values, or None where there are none."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        # Only what the axes before have left: most of a large mask is looked at once.
        rest = mask[tuple(box)]
        others = tuple(other for other in range(mask.ndim) if other != axis)
        found = np.flatnonzero(rest.any(axis=others))
        if not found.size:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return tuple(box)


def no_pixel(region: Region) -> RegionError:
    """The error that a region without pixels is."""
    return RegionError(
        f"The region ({region.describe()}) has no pixel on the image; expected at least one. "
        "Draw or choose a region."
    )


def as_region(region: Region | ArrayLike) -> Region:
    """Region from a region or an array on the image grid.

    Booleans, zeros and ones are a set of pixels; other floats are weights. An array that lies on
    disk (memmap, dask, zarr) is read where it is needed.

    Raises
    ------
    RegionError
        If the array is of another type, has whole numbers other than 0 and 1, or weights that are
        not finite.
    """
    if isinstance(region, Region):
        return region
    array = as_sliceable(region)
    if array.dtype.kind not in "biuf":
        raise RegionError(
            f"The region is an array of {array.dtype}; expected one of booleans, or of floats that "
            "say what every pixel counts."
        )
    if type(array) is not np.ndarray:
        return _ArrayRegion(array, array.dtype.kind == "f")
    is_weighted = array.dtype.kind == "f" and not np.isin(array, (0, 1)).all()
    return _ArrayRegion(_as_weights(array) if is_weighted else _as_mask(array), is_weighted)


def as_sliceable(values: Any) -> Any:
    """An array that is read by slices: as it is where it lies on disk, else in memory."""
    on_disk = isinstance(getattr(values, "dtype", None), np.dtype) and hasattr(values, "shape")
    return values if on_disk and hasattr(values, "__getitem__") else np.asarray(values)


def set_of_pixels(region: Region | ArrayLike, what: str) -> Region:
    """A region that has to be a set.

    Parameters
    ----------
    region
        As for `as_region`.
    what
        What needs it, such as ``"The operator |"``.

    Raises
    ------
    RegionError
        If it is weighted.
    """
    found = as_region(region)
    if found.is_weighted:
        raise RegionError(
            f"{what} takes sets of pixels, and the region ({found.describe()}) is weighted. "
            "Expected one whose pixels all count alike, such as a boolean array."
        )
    return found


@dataclass(frozen=True, eq=False)
class _ArrayRegion(Region):
    array: Any
    weighted: bool

    @property
    def is_weighted(self) -> bool:
        return self.weighted

    def extent(self, shape: Shape) -> Box:
        if tuple(self.array.shape) != shape:
            raise RegionError(
                f"The region has the shape {self.array.shape} and the image {shape}; expected one "
                "value for each pixel of the image."
            )
        return super().extent(shape)

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        array = np.asarray(self.array[window])
        return _as_weights(array) if self.weighted else _as_mask(array)

    def describe(self) -> str:
        return "drawn, weighted" if self.weighted else "drawn"


@dataclass(frozen=True, eq=False)
class _Combination(Region):
    first: Region
    second: Region
    operator: str

    def __post_init__(self) -> None:
        for region in (self.first, self.second):
            set_of_pixels(region, f"The operator {self.operator}")

    @property
    def depends_on_prediction(self) -> bool:
        return self.first.depends_on_prediction or self.second.depends_on_prediction

    def extent(self, shape: Shape) -> Box:
        first, second = self.first.extent(shape), self.second.extent(shape)
        return around(first, second) if self.operator == "|" else first

    def part(self, window: Box, shape: Shape, prediction: Prediction) -> Weights:
        first, second = (
            r.part(window, shape, prediction).astype(bool) for r in (self.first, self.second)
        )
        if self.operator == "|":
            return np.asarray(first | second)
        return np.asarray(first & second if self.operator == "&" else first & ~second)

    def describe(self) -> str:
        words = {"|": "or", "&": "and", "-": "without"}
        return f"({self.first.describe()} {words[self.operator]} {self.second.describe()})"


def around(first: Box, second: Box) -> Box:
    """The smallest box around two."""
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )


def _as_mask(array: NDArray[Any]) -> Mask:
    """Boolean array from one of zeros and ones."""
    if array.dtype == bool:
        return np.asarray(array)
    if not np.isin(array, (0, 1)).all():
        raise RegionError(
            f"The region is an array of {array.dtype} with values other than 0 and 1; expected "
            "a boolean array. For one value of a label image use label(labels, value); for weights "
            "give floats, as array.astype(float) makes of it."
        )
    return array.astype(bool)


def _as_weights(array: NDArray[Any]) -> NDArray[np.float32]:
    """What pixels count, in single precision."""
    weights = array.astype(np.float32)
    if not np.isfinite(weights).all():
        raise RegionError(
            "The region has weights that are not finite; expected a number for every pixel, and 0 "
            "outside the region."
        )
    return weights
