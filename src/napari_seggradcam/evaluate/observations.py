"""What heatmaps resemble, stage by stage: the paper's observations as numbers.

Vinogradova, Dibrov and Myers saw edge-like structures in the heatmaps of the first network layers
and something like the logits in those of the last. Here every heatmap of a set of questions is
rank-correlated with the gradients of the image, the logits of the class and its predicted mask.

What is compared, and why:

- The *heatmap* is what people look at, so it is what the statements are about; the *signed map*
  goes along, because the heatmap's zeros are ties and hide what is below zero.
- Each map is compared at the network layer's *own* grid, with the reference averaged over the
  area of each of its positions: nothing is interpolated, and the reference has no detail that the
  map could not have. Coarse grids average noise away, though, so stages of different resolution
  are not on a par. Everything is therefore compared once more on one *common* grid, the coarsest.
- Ranks do not care for units, and α's 1/N drops out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..explain.comparison.echoes import image_gradients
from ..explain.comparison.vectors import standard_ranks
from ..explain.explainer import Explainer
from ..explain.explanation import Explanation, Heatmap
from ..explain.regions.region import Region
from ..networks.network import Network
from ..networks.outputs import MapGrid
from ..networks.progress import Progress
from .area_average import area_average, image_grid
from .references import (
    EDGES,
    LOGITS,
    MASK,
    REFERENCES,
    class_references,
)

HEATMAP, SIGNED = "heatmap", "signed map"
OWN_GRID, COMMON_GRID = "own grid", "common grid"


@dataclass(frozen=True, eq=False)
class Question:
    """One image, region and class that a network is asked about.

    Attributes
    ----------
    name : str
        For people, such as ``"scene 3, vehicle 12"``.
    image : ndarray
        Raw values. Questions about one image share the array, and so what was computed of it.
    axes : str
        Axes of the image, such as ``"YXC"``.
    region : Region or ndarray of bool
        The pixels M.
    target : int or str
        The class.
    """

    name: str
    image: NDArray[np.generic]
    axes: str
    region: Region | ArrayLike
    target: int | str


@dataclass(frozen=True)
class Observation:
    """How one map of one question goes with one reference.

    Attributes
    ----------
    question, stage, layer : str
        What was asked, and where in the network.
    map : str
        `HEATMAP` or `SIGNED`.
    grid : str
        `OWN_GRID` or `COMMON_GRID`.
    reference : str
        One of `REFERENCES`.
    correlation : float
        Spearman's rank correlation; NaN where it is not defined.
    undefined : str or None
        Why it is not defined.
    """

    question: str
    stage: str
    layer: str
    map: str
    grid: str
    reference: str
    correlation: float
    undefined: str | None


@dataclass(frozen=True)
class Summary:
    """Correlations of one stage with one reference over all questions.

    Attributes
    ----------
    stage, reference : str
        What is summarised.
    median, lower, upper : float
        Median and quartiles over the questions where the correlation is defined; NaN where there
        are none.
    questions : int
        How many questions were asked.
    undefined : int
        In how many of them the correlation is not defined, as a rule because the heatmap is empty.
    """

    stage: str
    reference: str
    median: float
    lower: float
    upper: float
    questions: int
    undefined: int


@dataclass(frozen=True)
class Observations:
    """All observations of one network.

    Attributes
    ----------
    network : str
        Its name.
    questions : tuple of str
        Names of the questions.
    stages : tuple of str
        In order of depth, from the image to the logits.
    rows : tuple of Observation
        One for each question, stage, map, grid and reference.
    """

    network: str
    questions: tuple[str, ...]
    stages: tuple[str, ...]
    rows: tuple[Observation, ...]

    def correlations(
        self, stage: str, reference: str, map: str = HEATMAP, grid: str = OWN_GRID
    ) -> NDArray[np.float64]:
        """Correlation of every question, in the order of the questions; NaN where undefined."""
        return np.array([row.correlation for row in self._select(stage, reference, map, grid)])

    def summary(
        self, stage: str, reference: str, map: str = HEATMAP, grid: str = OWN_GRID
    ) -> Summary:
        """Median and quartiles over the questions."""
        values = self.correlations(stage, reference, map, grid)
        defined = values[np.isfinite(values)]
        lower, median, upper = (
            np.percentile(defined, (25, 50, 75)) if defined.size else (np.nan,) * 3
        )
        return Summary(
            stage,
            reference,
            float(median),
            float(lower),
            float(upper),
            values.size,
            values.size - defined.size,
        )

    def empty_heatmaps(self, stage: str) -> dict[str, int]:
        """Why heatmaps of a stage are empty, and of how many questions."""
        reasons: dict[str, int] = {}
        for row in self._select(stage, EDGES, HEATMAP, OWN_GRID):
            if row.undefined is not None:
                reasons[row.undefined] = reasons.get(row.undefined, 0) + 1
        return reasons

    def _select(self, stage: str, reference: str, map: str, grid: str) -> list[Observation]:
        wanted = (stage, reference, map, grid)
        return [r for r in self.rows if (r.stage, r.reference, r.map, r.grid) == wanted]


def observe(
    network: Network, questions: Sequence[Question], progress: Progress | None = None
) -> Observations:
    """Ask all questions at every stage of a network, and compare what it answers.

    Parameters
    ----------
    network
        The network that is explained.
    questions
        Questions about one image should stand together.
    progress
        Called with questions done, questions in all and the question.

    Returns
    -------
    Observations
        Undefined correlations are kept as such, with their reason.
    """
    rows: list[Observation] = []
    subject: _Subject | None = None
    for number, question in enumerate(questions):
        if progress is not None:
            progress(number, len(questions), question.name)
        if subject is None or subject.image is not question.image:
            subject = _Subject(network, question)
        explanation = subject.explainer.explain(question.region, question.target, "levels")
        rows += _observe_one(question.name, explanation, subject)
    stages = tuple(layer.stage for layer in network.select_layers("levels"))
    names = tuple(question.name for question in questions)
    return Observations(network.name, names, stages, tuple(rows))


class _Subject:
    """One image, and its references on every grid that was asked for."""

    def __init__(self, network: Network, question: Question):
        self.image = question.image
        self.explainer = Explainer(network, question.image, question.axes)
        self._grid = image_grid(self.explainer.image_shape)
        self._edges = image_gradients(question.image, question.axes)
        self._ranks: dict[tuple[int, str, MapGrid], NDArray[np.float64]] = {}

    def ranks(self, target: int, reference: str, grid: MapGrid) -> NDArray[np.float64]:
        """Ranks of a reference for a class, averaged over the cells of a grid."""
        key = (target, reference, grid)
        if key not in self._ranks:
            logits, mask = class_references(self.explainer.logits, target)
            values = {EDGES: self._edges, LOGITS: logits, MASK: mask}[reference]
            self._ranks[key] = _ranks_of(area_average(values, self._grid, grid))
        return self._ranks[key]


def _observe_one(question: str, answer: Explanation, subject: _Subject) -> Iterator[Observation]:
    coarsest = max(map(_grid_of, answer.values()), key=lambda grid: np.prod(grid.scale))
    for heatmap in answer.values():
        own = _grid_of(heatmap)
        grids = {OWN_GRID: own, COMMON_GRID: coarsest}
        maps = {HEATMAP: heatmap.heatmap, SIGNED: heatmap.signed}
        for map_name, grid_name in product(maps, grids):
            ranks = _ranks_of(area_average(maps[map_name], own, grids[grid_name]))
            for reference in REFERENCES:
                others = subject.ranks(answer.target, reference, grids[grid_name])
                yield Observation(
                    question,
                    heatmap.layer.stage,
                    heatmap.name,
                    map_name,
                    grid_name,
                    reference,
                    float(ranks @ others),
                    _why_undefined(ranks, others, heatmap.empty, reference),
                )


def _why_undefined(
    ranks: NDArray[np.float64],
    others: NDArray[np.float64],
    empty: str | None,
    reference: str,
) -> str | None:
    if np.isnan(ranks).any():
        return empty or "The map has the same value everywhere."
    return f"The {reference} is the same everywhere." if np.isnan(others).any() else None


def _ranks_of(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks of a map's values, as one vector; see `standard_ranks`."""
    (ranks,) = standard_ranks(np.reshape(values, (1, -1)))
    return np.asarray(ranks)


def _grid_of(heatmap: Heatmap) -> MapGrid:
    return MapGrid(heatmap.signed.shape, heatmap.scale, heatmap.translate)
