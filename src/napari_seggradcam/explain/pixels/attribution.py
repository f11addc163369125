"""What a pixel method is, and what it answers."""

import importlib
from abc import abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import MissingPackage
from ..ground import Ground
from ..input_score import InputScore
from ..methods.attributing import INPUT, Attributed, AttributionMethod


@dataclass(frozen=True)
class Attribution:
    """How much every value of the input matters.

    Attributes
    ----------
    values
        Of shape (channels, *spatial), on the grid of the input that ran; float32, or float64 where
        the network computes in it.
    facts
        How they were computed, in types that JSON has.
    """

    values: NDArray[np.floating[Any]]
    facts: dict[str, Any]

    @classmethod
    def of(cls, values: torch.Tensor, **facts: Any) -> "Attribution":
        """Attributions of shape (1, channels, *spatial), and facts."""
        return cls(values[0].detach().cpu().numpy(), facts)


class PixelMethod(AttributionMethod):
    """A method with its options; making one checks them."""

    def answer(self, ground: Ground) -> dict[str, Attributed]:
        """Attributions of the network's input."""
        found = self.attribute(ground.score)
        return {INPUT: Attributed(found.values, None, found.facts)}

    @abstractmethod
    def attribute(self, score: InputScore) -> Attribution:
        """Attributions of the score's input.

        Raises
        ------
        MissingPackage
            If captum is not installed.
        NetworkError
            If the network fails, or gives no gradient where one is needed.
        Cancelled
            If the caller wants to stop.
        """


def load_captum(method: str) -> ModuleType:
    """`captum.attr`.

    Parameters
    ----------
    method
        The method that needs it.

    Raises
    ------
    MissingPackage
        If it can't be imported.
    """
    try:
        return importlib.import_module("captum.attr")
    except Exception as error:  # packages that do not fit each other raise all kinds
        raise MissingPackage(
            f"The method {method!r} needs captum, which can't be imported ({error}). Install it: "
            'pip install "napari-seggradcam[methods]".'
        ) from error
