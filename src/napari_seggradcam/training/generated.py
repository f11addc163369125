"""Scenes of the generators and the shipped real image as sources for training."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Cancelled, TrainingDataError
from .sources import Cancel, ImageAndLabels, Progress

# Rows of the real image's training part that are trained on and that choose the best network.
# Nuclei are up to 38 pixels wide: none lies in both.
_REAL_ROWS = {"train": slice(0, 368), "validation": slice(408, 512)}


def separated_nuclei(instances: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Classes background (0) and nucleus (1) of an instance image.

    Pixels of a nucleus that touch another nucleus count as background: a network learns to
    leave a gap there, so that connected components of its prediction are single nuclei.

    Parameters
    ----------
    instances
        (*spatial), 0 outside of all nuclei, another value for each nucleus.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    wide = instances.astype(np.int64)
    outside = wide == 0
    highest = maximum_filter(wide, size=3)
    lowest = minimum_filter(np.where(outside, wide.max() + 1, wide), size=3)
    labels: NDArray[np.int64] = (~outside & (highest == lowest)).astype(np.int64)
    return labels


@dataclass
class GeneratedScenes:
    """Scenes of the generator, each made when it is first asked for and then kept.

    Parameters
    ----------
    kind
        ``"nuclei"`` or ``"streets"``.
    count
        Number of scenes.
    size
        Spatial shape of each, in pixels; None for the generator's own.
    first_seed
        Scene ``i`` has the seed ``first_seed + i``.

    Raises
    ------
    TrainingDataError
        If one of the seeds is held out for tests, or there is no scene at all.
    """

    kind: str
    count: int
    size: tuple[int, int] | None = None
    first_seed: int = 0
    _kept: dict[int, tuple[NDArray[Any], NDArray[np.uint8]]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        if self.count < 1:
            raise TrainingDataError(f"{self.count} scenes were asked for; at least 1 is needed.")
        from ..scenes.generators import TEST_SEEDS

        held_out = set(range(self.first_seed, self.first_seed + self.count)) & set(TEST_SEEDS)
        if held_out:
            raise TrainingDataError(
                f"Seeds {self.first_seed} to {self.first_seed + self.count - 1} include "
                f"{min(held_out)}, which is held out for tests; choose another first_seed."
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._names_and_colours()[0]

    @property
    def colours(self) -> tuple[str, ...]:
        """One colour per class."""
        return self._names_and_colours()[1]

    @property
    def channels(self) -> int:
        """3 for streets (RGB), 1 for nuclei."""
        return 3 if self.kind == "streets" else 1

    @property
    def axes(self) -> str:
        """Axes of the images as a network takes them."""
        return "CYX"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> ImageAndLabels:
        seed = self.first_seed + range(self.count)[index]
        if seed not in self._kept:
            self._kept[seed] = _compact_scene(self.kind, seed, self.size)
        image, labels = self._kept[seed]
        return image.astype(np.float32), labels.astype(np.int64)

    def describe(self) -> dict[str, Any]:
        """Kind, count, size and seeds."""
        size = None if self.size is None else list(self.size)
        return {
            "source": "generated scenes",
            "kind": self.kind,
            "count": self.count,
            "size": size,
            "first_seed": self.first_seed,
        }

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Make all scenes now, with that many processes.

        Raises
        ------
        Cancelled
            If ``cancel`` returned True.
        """
        from concurrent.futures import ProcessPoolExecutor
        from itertools import repeat

        wanted = range(self.first_seed, self.first_seed + self.count)
        seeds = [seed for seed in wanted if seed not in self._kept]
        arguments = (repeat(self.kind), seeds, repeat(self.size))
        pool = ProcessPoolExecutor(workers) if workers > 1 else None
        try:
            scenes = (
                pool.map(_compact_scene, *arguments) if pool else map(_compact_scene, *arguments)
            )
            for done, (seed, scene) in enumerate(zip(seeds, scenes, strict=True), 1):
                self._kept[seed] = scene
                if progress is not None:
                    progress(done, len(seeds), f"{self.kind} scenes")
                if cancel is not None and cancel():
                    raise Cancelled(f"Making scenes was stopped after {done} of {len(seeds)}.")
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def _names_and_colours(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        from ..scenes import nuclei, streets

        module = {"nuclei": nuclei, "streets": streets}[self.kind]
        return tuple(module.CLASSES), tuple(module.COLOURS)


def _compact_scene(
    kind: str, seed: int, size: tuple[int, int] | None
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Image (channels, *spatial) in the scene's own type, labels (*spatial)."""
    from ..scenes.generators import generate

    scene = generate(kind, seed) if size is None else generate(kind, seed, size)
    image = np.moveaxis(scene.image, -1, 0) if scene.axes.endswith("C") else scene.image[None]
    labels = separated_nuclei(scene.instances) if kind == "nuclei" else scene.labels
    return np.ascontiguousarray(image), labels.astype(np.uint8)


@dataclass(frozen=True)
class RealNuclei:
    """The training part of the shipped real image, as one image.

    Parameters
    ----------
    part
        ``"train"``, ``"validation"``: rows of the training part that don't meet. The test
        part of the image is never read here.
    """

    part: str = "train"

    @property
    def classes(self) -> tuple[str, ...]:
        """Background and nucleus."""
        from ..scenes.nuclei import CLASSES

        return tuple(CLASSES)

    @property
    def colours(self) -> tuple[str, ...]:
        """One colour per class."""
        from ..scenes.nuclei import COLOURS

        return tuple(COLOURS)

    @property
    def channels(self) -> int:
        """One."""
        return 1

    @property
    def axes(self) -> str:
        """Axes of the image as a network takes it."""
        return "CYX"

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> ImageAndLabels:
        from ..scenes.nuclei import TRAIN_PART
        from ..scenes.samples import real_nuclei

        range(1)[index]  # an index out of range fails here as it does for a list
        image, instances = (array[TRAIN_PART][_REAL_ROWS[self.part]] for array in real_nuclei())
        return image[None].astype(np.float32), separated_nuclei(instances)

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Nothing: the image is a small file."""

    def describe(self) -> dict[str, Any]:
        """Which rows of the training part."""
        rows = _REAL_ROWS[self.part]
        return {"source": "shipped nuclei image, training part", "rows": [rows.start, rows.stop]}
