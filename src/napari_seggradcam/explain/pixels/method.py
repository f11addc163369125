"""What a pixel method is, and the package that it runs through."""

import importlib
from abc import abstractmethod
from types import ModuleType
from typing import Any

import torch

from ...errors import MissingPackage
from ...networks.layers import INPUT
from ..ground import Ground
from ..input_score import InputScore
from ..methods.attributing import Attribution, AttributionMethod


class PixelMethod(AttributionMethod):
    """A method with its options; making one checks them."""

    def answer(self, ground: Ground) -> dict[str, Attribution]:
        """Attributions of the network's input."""
        return {INPUT: self.attribute(ground.score)}

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


def attribution_of(values: torch.Tensor, **facts: Any) -> Attribution:
    """Attributions of shape (1, channels, *spatial), as captum gives them, and facts."""
    return Attribution(values[0].detach().cpu().numpy(), facts=facts)


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
