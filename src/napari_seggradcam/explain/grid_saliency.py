"""Grid saliency: the least context that keeps the decision about a region.

With the input x, the region M (what is asked about; its pixels R are never touched), a baseline a,
a mask m from 0 to 1 on a coarse grid, and its interpolation Um to the input's pixels,

    x'(m) = x·(R + (1 - R)·Um) + a·(1 - R)·(1 - Um)
    D(m)  = 1/|M| · Σ_M max(0, y_c(x) - y_c(x'(m)))

the mask is the one with the least λ · mean(m) + D(m) ÷ D(0). The publication has D(m) alone;
divided by what the decision loses without any context, the λ that is right does not depend on how
large a network's logits are. Where the score is given for M as a whole, D(m) is the positive part
of what it loses, and what a pixel loses another may make up for.

References
----------
L. Hoyer, M. Munoz, P. Katiyar, A. Khoreva, V. Fischer: Grid Saliency for Context Explanations of
Semantic Segmentation. NeurIPS 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..errors import ShapeError
from ..networks.layers import INPUT
from ..networks.running import stop_if
from .ground import Ground
from .input_score import InputScore, gradients_told
from .methods.attributing import Attribution, AttributionMethod
from .neutral_inputs import check_kind, kind_in_words
from .options import check_above_zero, check_count, check_counts, one_per_axis

NO_CONTEXT = (
    "The decision loses nothing when all of its surroundings are replaced: no context is needed."
)
NO_SURROUNDINGS = "The region is all of the input: there are no surroundings to replace."
NOTHING_KEPT = (
    "No context is kept: what it does for the decision is not worth its price. Ask with a smaller "
    "sparsity."
)
# A loss below this many times the precision of the scores is what rounding leaves.
_ROUNDING = 16
_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class GridSaliency(AttributionMethod):
    """Grid saliency; making one checks its options.

    Attributes
    ----------
    cell
        Pixels of a cell of the grid along every spatial axis, or one number an axis; rounded so
        that whole cells fill the input.
    sparsity
        λ: which share of what the decision loses without context the whole context may cost.
    baseline
        a: ``"mean"``, ``"blur"``, ``"noise"`` or ``"zero"``, or a tensor; see `neutral_input`.
    steps
        Steps of Adam.
    learning_rate
        Of Adam; the mask begins at 0.5.
    seed
        Of the noise.
    """

    name: ClassVar[str] = "grid-saliency"
    cell: int | Sequence[int] = 16
    sparsity: float = 0.05
    baseline: Literal["mean", "blur", "noise", "zero"] | torch.Tensor = "mean"
    steps: int = 100
    learning_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_kind(self.baseline)
        check_counts("cell", self.cell)
        check_count("steps", self.steps)
        check_above_zero("sparsity", self.sparsity)
        check_above_zero("learning_rate", self.learning_rate)
        check_count("seed", self.seed, least=0)

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """The mask of the network's input."""
        # Of every pixel of M, as published: what one loses another can't make up for.
        return {INPUT: self.attribute(ground.score.of(ground.pixel_scores), ground.inside)}

    def attribute(self, score: InputScore, region: NDArray[np.bool_]) -> Attribution:
        """The mask for one region; progress counts steps.

        Parameters
        ----------
        score
            Of M. Its function of the logits may put out (batch, pixels), the logit of every pixel
            of M, as published; or (batch,), their sum.
        region
            Pixels of M on the input that runs, padding included; they are never replaced.

        Returns
        -------
        Attribution
            m, float64, of shape (1, *grid); its facts have what was minimised, step by step.

        Raises
        ------
        ShapeError
            If the region has another shape than the input.
        OptionError
            If the cell has not one number for every spatial axis.
        NetworkError
            If the network fails or gives no gradient.
        Cancelled
            If the caller wants to stop.
        """
        problem = self._problem(score, region)
        score.expect(2, self.name)
        problem.begin()
        losses: list[float] = []
        mask = torch.zeros(1, 1, *problem.grid, dtype=torch.float64)
        if problem.needs_context:
            score.expect(self.steps, self.name)
            mask = self._minimise(problem, mask, losses)
        return self._answer(score, problem, mask, losses)

    def _minimise(
        self, problem: "_Problem", blank: torch.Tensor, losses: list[float]
    ) -> torch.Tensor:
        """The mask with the least loss of all that were tried; ``losses`` gets every one's."""
        grid = torch.full_like(blank, 0.5).requires_grad_()
        adam = torch.optim.Adam([grid], lr=self.learning_rate)
        best, least = grid.detach().clone(), float("inf")
        for _ in range(self.steps):
            with gradients_told():
                loss = self.sparsity * grid.mean() + problem.lost_share(grid)
                (grid.grad,) = torch.autograd.grad(loss, grid)
            losses.append(float(loss.detach()))
            if losses[-1] < least:
                best, least = grid.detach().clone(), losses[-1]
            adam.step()
            with torch.no_grad():
                grid.clamp_(0, 1)
        return best

    def _problem(self, score: InputScore, region: NDArray[np.bool_]) -> "_Problem":
        sizes = tuple(score.tensor.shape[2:])
        if region.shape != sizes:
            raise ShapeError(
                f"The region has the shape {region.shape}; expected that of the network's input, "
                f"{sizes}."
            )
        cells = one_per_axis("cell", self.cell, len(sizes))
        grid = tuple(max(1, round(n / c)) for n, c in zip(sizes, cells, strict=True))
        other = score.neutral(self.baseline, self.seed)
        return _Problem(score, torch.from_numpy(region), other, grid)

    def _answer(
        self, score: InputScore, problem: "_Problem", mask: torch.Tensor, losses: list[float]
    ) -> Attribution:
        sizes = score.tensor.shape[2:]
        scale = tuple(n / g for n, g in zip(sizes, problem.grid, strict=True))
        facts = {
            "grid": list(problem.grid),
            "sparsity": self.sparsity,
            "baseline": kind_in_words(self.baseline),
            "steps": len(losses),
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            # Per pixel of M: where the second is little of the first, context matters little, and
            # the mask only says which of it matters most.
            "score": problem.score,
            "lost_without_context": problem.full,
            "lost_share": min(losses) - self.sparsity * float(mask.mean()) if losses else 0.0,
            "losses": losses,
        }
        empty = None if mask.any() else problem.why_empty
        translate = tuple((s - 1) / 2 for s in scale)
        return Attribution(mask[0].numpy(), empty, facts, scale, translate)


class _Problem:
    """What is minimised, without its penalty.

    Parameters
    ----------
    score
        Of M.
    region
        Where pixels are never replaced, of shape spatial.
    other
        a, of the input's shape.
    grid
        Cells per spatial axis.

    Attributes
    ----------
    score
        Mean of y_c(x) over M; there after `begin`.
    full
        D(0), what is lost without any context; likewise.
    needs_context
        Whether that is more than rounding leaves; likewise.
    """

    def __init__(
        self,
        score: InputScore,
        region: torch.Tensor,
        other: torch.Tensor,
        grid: tuple[int, ...],
    ):
        self.grid = grid
        self.score = 0.0
        self.full = 0.0
        self.needs_context = False
        self._score = score
        self._pixels = int(region.sum())
        self._free = (~region).to(score.tensor)
        self._other = other
        self._whole = torch.zeros(())

    def begin(self) -> None:
        """Run the image, and the image without context."""
        with torch.no_grad():
            # Made as every other input is, whose layout in memory decides how sums are rounded.
            everything = torch.ones(1, 1, *self.grid, dtype=torch.float64)
            self._whole = self._score(self._replaced(everything))
            self.score = float(self._whole.sum()) / self._pixels
            self.full = float(self._lost(torch.zeros(1, 1, *self.grid, dtype=torch.float64)))
        size = float(self._whole.abs().sum()) / self._pixels
        rounding = _ROUNDING * torch.finfo(self._score.tensor.dtype).eps * size
        self.needs_context = self.full > rounding

    @property
    def why_empty(self) -> str:
        """Why a mask that has nothing has nothing."""
        if not self._free.any():
            return NO_SURROUNDINGS
        return NOTHING_KEPT if self.needs_context else NO_CONTEXT

    def lost_share(self, grid: torch.Tensor) -> torch.Tensor:
        """D(m) ÷ D(0) for a mask of shape (1, 1, *grid), as a scalar."""
        stop_if(self._score.cancel)
        return self._lost(grid) / self.full

    def _lost(self, grid: torch.Tensor) -> torch.Tensor:
        scores = self._score(self._replaced(grid))
        return (self._whole - scores).clamp(min=0).sum().cpu() / self._pixels

    def _replaced(self, grid: torch.Tensor) -> torch.Tensor:
        """x'(m)."""
        image = self._score.tensor
        mode = _LINEAR[len(self.grid)]
        mask = functional.interpolate(grid.to(image), size=image.shape[2:], mode=mode)
        return image + self._free * (1 - mask) * (self._other - image)
