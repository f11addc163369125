"""How is asked: method, score and extent, without Qt and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..explain.words import extent_in_words, method_title, score_in_words

Truncation = str | tuple[str, float] | None


@dataclass(frozen=True)
class How:
    """What is differentiated, what is made of the gradients, and what is kept of it.

    Attributes
    ----------
    method : str
        Name of the method.
    options : dict
        Of the method, by name.
    score : str
        "logit", "margin", "log-probability" or "probability".
    versus : int or None
        Of a margin, the class that is asked against; None: all others.
    reduce : str
        "sum" or "mean" over the region.
    truncate : None, "support", ("mass", share) or "distance"
        Which extent heatmaps keep.
    """

    method: str = "seg-grad-cam"
    options: Mapping[str, Any] = field(default_factory=dict)
    score: str = "logit"
    versus: int | None = None
    reduce: str = "sum"
    truncate: Truncation = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `Explainer.explain`."""
        against = {} if self.versus is None else {"versus": self.versus}
        return {
            "method": self.method,
            "score": self.score,
            **against,
            "reduce": self.reduce,
            "truncate": self.truncate,
            **self.options,
        }

    def has_score_of(self, other: How) -> bool:
        """Whether both differentiate the same, so that their gradients are the same."""
        mine, theirs = ((how.score, how.versus, how.reduce) for how in (self, other))
        return mine == theirs

    def in_words(self, classes: list[str]) -> str:
        """One line, such as "Seg-Grad-CAM of the logit, truncated to the support"."""
        question = {
            "score": self.score,
            "versus": self.versus,
            "reduce": self.reduce,
            "truncate": self.truncate,
        }
        of = f"{method_title(self.method)} of the {score_in_words(question, classes)}"
        extent = extent_in_words(question)
        return f"{of}, truncated to {extent}" if extent else of
