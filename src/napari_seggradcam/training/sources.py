"""Where images and their true classes come from: the protocol, mixtures and parts of sources.

Generated scenes and the shipped real image are in `generated`, folders of files in `folders`,
Cityscapes in `cityscapes`; `opening.open_source` finds the right one for a word or a path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingDataError

IGNORE = 255
"""Value of pixels that belong to no class: they count neither in the loss nor in a score."""

ImageAndLabels: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]
Progress: TypeAlias = Callable[[int, int, str], None]
Cancel: TypeAlias = Callable[[], bool]


class TrainingSource(Protocol):
    """A numbered set of images with the class of every pixel."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a label is an index into them."""

    @property
    def colours(self) -> tuple[str, ...]:
        """One ``"#rrggbb"`` per class."""

    @property
    def channels(self) -> int:
        """Number of channels of every image."""

    @property
    def axes(self) -> str:
        """Axes of every image, ``"CYX"`` or ``"CZYX"``."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> ImageAndLabels:
        """Image (channels, *spatial) in raw values and labels (*spatial), `IGNORE` for none."""

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Make in advance, with so many processes, what would otherwise be made when asked for."""

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON: goes into the provenance of the network trained on it."""


@dataclass(frozen=True)
class Part:
    """Some images of a source, in a given order.

    Parameters
    ----------
    source
        Where the images come from.
    indices
        Which of them.
    """

    source: TrainingSource
    indices: tuple[int, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.source.classes

    @property
    def colours(self) -> tuple[str, ...]:
        """One colour per class."""
        return self.source.colours

    @property
    def channels(self) -> int:
        """Number of channels of every image."""
        return self.source.channels

    @property
    def axes(self) -> str:
        """Axes of every image."""
        return self.source.axes

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> ImageAndLabels:
        return self.source[self.indices[index]]

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Prepare the whole source."""
        self.source.prepare(workers, progress, cancel)

    def describe(self) -> dict[str, Any]:
        """The whole source and the numbers of the images taken from it."""
        return {"source": "part", "of": self.source.describe(), "indices": list(self.indices)}


def split(source: TrainingSource, share: float, seed: int = 0) -> tuple[Part, Part]:
    """Two parts of a source that share no image.

    Parameters
    ----------
    source
        What is split.
    share
        Share of the images that goes into the second part, at least one image.
    seed
        The same seed gives the same split.

    Returns
    -------
    tuple of Part
        The larger one to train on, the smaller one to validate on.

    Raises
    ------
    TrainingDataError
        If the source has fewer than two images.
    """
    count = len(source)
    if count < 2:
        raise TrainingDataError(
            f"{count} image can't be split into a training and a validation part; "
            "add images, for example by cutting a large one in two."
        )
    taken = min(max(round(share * count), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    first, second = order[taken:], order[:taken]
    return Part(source, tuple(sorted(first.tolist()))), Part(source, tuple(sorted(second.tolist())))


class Mixed:
    """Several sources with the same classes as one, in fixed proportions.

    One pass takes every image of every source at least once; images of a source that has too
    few for its share come several times.

    Parameters
    ----------
    sources
        Sources with equal classes, channels and axes.
    shares
        Share of each source among the images of one pass; equal by default.

    Raises
    ------
    TrainingDataError
        If the sources don't fit together, or a share isn't positive.
    """

    def __init__(self, sources: Sequence[TrainingSource], shares: Sequence[float] | None = None):
        self.sources = tuple(sources)
        self.shares = tuple(shares) if shares is not None else (1.0,) * len(self.sources)
        if not self.sources or len(self.shares) != len(self.sources) or min(self.shares) <= 0:
            raise TrainingDataError(
                f"A mixture needs sources and one positive share for each; {len(self.sources)} "
                f"sources and the shares {self.shares} were given."
            )
        for other in self.sources[1:]:
            require_same_kind(self.sources[0], other)
        total = sum(self.shares)
        length = max(
            len(source) * total / share
            for source, share in zip(self.sources, self.shares, strict=True)
        )
        self._counts = tuple(round(length * share / total) for share in self.shares)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.sources[0].classes

    @property
    def colours(self) -> tuple[str, ...]:
        """One colour per class."""
        return self.sources[0].colours

    @property
    def channels(self) -> int:
        """Number of channels of every image."""
        return self.sources[0].channels

    @property
    def axes(self) -> str:
        """Axes of every image."""
        return self.sources[0].axes

    def __len__(self) -> int:
        return sum(self._counts)

    def __getitem__(self, index: int) -> ImageAndLabels:
        index = range(len(self))[index]
        for source, count in zip(self.sources, self._counts, strict=True):
            if index < count:
                return source[index % len(source)]
            index -= count
        raise AssertionError("an index below the sum of the counts lies in one of them")

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Prepare every source."""
        for source in self.sources:
            source.prepare(workers, progress, cancel)

    def describe(self) -> dict[str, Any]:
        """The sources and their shares."""
        parts = [source.describe() for source in self.sources]
        return {"source": "mixture", "of": parts, "shares": list(self.shares)}


def require_same_kind(one: TrainingSource, other: TrainingSource) -> None:
    """Check that a network for one source fits the other.

    Raises
    ------
    TrainingDataError
        If classes, channels or axes differ.
    """
    for what in ("classes", "channels", "axes"):
        first, second = getattr(one, what), getattr(other, what)
        if first != second:
            raise TrainingDataError(
                f"Two sources that are used together have different {what}: {first} and {second}. "
                "Use sources with the same."
            )
