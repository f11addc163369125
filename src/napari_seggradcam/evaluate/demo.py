"""The demo networks on images that they were never trained on, beside simple baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..networks.network import Network
from ..networks.opening import open_network
from ..networks.progress import Progress, silent
from ..scenes import nuclei, streets
from ..scenes.generators import TEST_SEEDS, TRAIN_SEEDS
from ..scenes.samples import DATA, real_nuclei
from ..scenes.scene import Scene
from .segmentation import (
    best_threshold,
    confusion,
    dice,
    fit_colour_forest,
    intersection_over_union,
    mean_iou,
    object_score,
)

TEST_SCENES = 40
FOREST_SCENES = 60


@dataclass(frozen=True)
class NucleiReport:
    """The nuclei network on the part of the real image that no training has seen.

    Attributes
    ----------
    pixels, nuclei : int
        Size of the test part, and how many annotated nuclei lie in it, cut ones included.
    dice : float
        Dice of the network.
    threshold : float
        The best global threshold, chosen on this very part.
    threshold_dice : float
        Its Dice.
    found, invented, missed : int
        Objects at an intersection over union above 0.5.
    object_f1 : float
        F1 of them.
    """

    pixels: int
    nuclei: int
    dice: float
    threshold: float
    threshold_dice: float
    found: int
    invented: int
    missed: int
    object_f1: float


@dataclass(frozen=True)
class StreetsReport:
    """The streets network on generated scenes of seeds that no training has seen.

    Attributes
    ----------
    scenes : int
        How many scenes.
    first_seed : int
        Their seeds count up from here.
    mean_iou, forest_mean_iou : float
        Mean intersection over union of the network, and of a random forest on colour and
        position; pixels of all scenes counted together.
    iou, forest_iou : dict
        The same for every class that occurs, by name.
    """

    scenes: int
    first_seed: int
    mean_iou: float
    iou: dict[str, float]
    forest_mean_iou: float
    forest_iou: dict[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the printed report.

    Attributes
    ----------
    network, measure : str
        What was measured.
    value : float
        The number.
    goal : str
        What it should be, for example "≥ 0.90"; empty where nothing is asked.
    met : bool or None
        Whether it is; None where nothing is asked.
    """

    network: str
    measure: str
    value: float
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class DemoReport:
    """What `evaluate_demo_networks` found."""

    nuclei: NucleiReport
    streets: StreetsReport

    def rows(self) -> list[Row]:
        """Return the lines to print."""
        return [*_nuclei_rows(self.nuclei), *_streets_rows(self.streets)]

    @property
    def is_good(self) -> bool:
        """Whether every goal is met."""
        return all(row.met is not False for row in self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain values, fit for JSON."""
        return asdict(self)


def evaluate_demo_networks(
    progress: Progress | None = None,
    *,
    scenes: int = TEST_SCENES,
    forest_scenes: int = FOREST_SCENES,
) -> DemoReport:
    """Measure both demo networks and their baselines.

    Takes about two minutes on two processor cores.

    Parameters
    ----------
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    scenes, forest_scenes : int
        As for `evaluate_streets`.

    Returns
    -------
    DemoReport
        All numbers.

    Raises
    ------
    MissingPackage
        If scikit-learn, which the random forest needs, is not installed.
    NetworkFileError
        If a demo network is missing.
    """
    total = 1 + forest_scenes + scenes
    tell = progress or silent
    tell(0, total, "nuclei: the part never trained on")
    nuclei_report = evaluate_nuclei(DATA / "nuclei.safetensors")

    def tell_streets(done: int, what: str) -> None:
        tell(1 + done, total, what)

    streets_report = evaluate_streets(
        DATA / "streets.safetensors",
        scenes=scenes,
        forest_scenes=forest_scenes,
        tell=tell_streets,
    )
    return DemoReport(nuclei_report, streets_report)


def evaluate_nuclei(path: Path) -> NucleiReport:
    """Measure a nuclei network on the test part of the shipped real image.

    The network gets the test part alone: neither its context nor its normalisation comes from
    pixels that training has seen.

    Parameters
    ----------
    path : Path
        The network's file; class 1 is nucleus.

    Returns
    -------
    NucleiReport
        Network and best global threshold on the same pixels.
    """
    network = open_network(path)
    image, instances = (array[nuclei.TEST_PART] for array in real_nuclei())
    truth = instances > 0
    prediction = network.predict(image, axes="YX").argmax(0) == 1
    threshold = best_threshold(image, truth)
    objects = object_score(prediction, instances)
    return NucleiReport(
        pixels=truth.size,
        nuclei=objects.found + objects.missed,
        dice=dice(prediction, truth),
        threshold=threshold.value,
        threshold_dice=threshold.dice,
        found=objects.found,
        invented=objects.invented,
        missed=objects.missed,
        object_f1=objects.f1,
    )


def evaluate_streets(
    path: Path,
    *,
    scenes: int = TEST_SCENES,
    forest_scenes: int = FOREST_SCENES,
    tell: Callable[[int, str], None] | None = None,
) -> StreetsReport:
    """Measure a streets network, and a random forest on colour and position, on test scenes.

    Parameters
    ----------
    path : Path
        The network's file, with the classes of `scenes.streets` in their order.
    scenes : int
        How many test scenes.
    forest_scenes : int
        How many training scenes the forest learns from.
    tell : callable, optional
        Called as ``tell(scenes done, what)``.

    Returns
    -------
    StreetsReport
        Both on the same scenes.
    """
    network = open_network(path)
    tell = tell or (lambda done, what: None)
    learned: list[Scene] = []
    for scene in _scenes(TRAIN_SEEDS, forest_scenes):
        tell(len(learned), "streets: random forest on colour and position")
        learned.append(scene)
    classify = fit_colour_forest([s.image for s in learned], [s.labels for s in learned])
    count = len(streets.CLASSES)
    by_network, by_forest = np.zeros((2, count, count), np.int64)
    for done, scene in enumerate(_scenes(TEST_SEEDS, scenes)):
        tell(forest_scenes + done, "streets: unseen scenes")
        by_network += confusion(_segment(network, scene), scene.labels, count)
        by_forest += confusion(classify(scene.image), scene.labels, count)
    tell(forest_scenes + scenes, "streets: done")
    return StreetsReport(
        scenes=scenes,
        first_seed=TEST_SEEDS[0],
        mean_iou=mean_iou(by_network),
        iou=_by_name(by_network),
        forest_mean_iou=mean_iou(by_forest),
        forest_iou=_by_name(by_forest),
    )


def _scenes(seeds: range, count: int) -> Iterator[Scene]:
    return (streets.generate(seed) for seed in seeds[:count])


def _segment(network: Network, scene: Scene) -> npt.NDArray[np.intp]:
    predicted: npt.NDArray[np.intp] = network.predict(scene.image, axes=scene.axes).argmax(0)
    return predicted


def _by_name(counts: npt.NDArray[np.int64]) -> dict[str, float]:
    values = intersection_over_union(counts)
    named = zip(streets.CLASSES, values, strict=True)
    return {name: float(value) for name, value in named if not np.isnan(value)}


def _nuclei_rows(report: NucleiReport) -> list[Row]:
    gain = report.dice - report.threshold_dice
    return [
        Row(
            "nuclei", "Dice on the part never trained on", report.dice, "≥ 0.90", report.dice >= 0.9
        ),
        Row("nuclei", "Dice of the best global threshold there", report.threshold_dice),
        Row("nuclei", "Dice gained over it", gain, "≥ 0.03", gain >= 0.03),
        Row("nuclei", "object F1 at IoU 0.5", report.object_f1),
    ]


def _streets_rows(report: StreetsReport) -> list[Row]:
    forest = report.forest_mean_iou
    what = f"mean IoU on {report.scenes} unseen scenes"
    rows = [Row("streets", what, report.mean_iou, "≥ 0.80", report.mean_iou >= 0.8)]
    rows += [Row("streets", f"IoU of {name}", value) for name, value in report.iou.items()]
    baseline = "mean IoU of a random forest on colour and position"
    rows.append(Row("streets", baseline, forest, "≤ 0.55", forest <= 0.55))
    return rows
