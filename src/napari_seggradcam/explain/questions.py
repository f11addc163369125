"""Questions, and the record: what was asked and how it was answered, in JSON types."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..networks.classes import is_predicted
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.normalisation import normalisation_to_dict
from ..networks.sliding import padding_of
from .methods.known import method_of
from .methods.weighting import Method
from .regions.region import Region, as_region
from .scores import Score
from .truncation import Truncation
from .views import PatchFacts


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    region
        The pixels M.
    target
        Class by index, or ``"predicted"``.
    layers
        The network layers.
    method
        What is made of them.
    score
        What is differentiated.
    truncate
        Which extent the heatmaps keep; None: all.
    """

    region: Region
    target: int | str
    layers: tuple[NetworkLayer, ...]
    method: Method
    score: Score
    truncate: Truncation | None = None

    @classmethod
    def of(
        cls,
        network: Network,
        region: Region | ArrayLike,
        target: int | str,
        layers: str | Iterable[str],
        *,
        method: str,
        score: str,
        versus: int | str | None,
        reduce: str,
        truncate: Any,
        options: dict[str, Any],
    ) -> "Question":
        """Question as users ask it; see `Explainer.explain`.

        Raises
        ------
        RegionError, TargetError, LayerError, OptionError
            As there.
        """
        asked = Score.of(network, score, versus, reduce)
        if not is_predicted(target):
            target = network.class_index(target)
            asked.check(target)
        how, extent = method_of(method, options), Truncation.of(truncate)
        if extent is not None and not how.truncates:
            raise OptionError(
                f"Maps of the method {method!r} have no extent to truncate: they are no sums of "
                "feature maps with weights, whose extent is cut. Leave truncate out."
            )
        wanted = how.layers(network, layers)
        return cls(as_region(region), target, wanted, how, asked, extent)


@dataclass(frozen=True)
class ImageFacts:
    """What the record says about the image.

    Attributes
    ----------
    shape, dtype, axes, channel_names
        As it was given.
    before, after
        Pixels of padding, per spatial axis.
    patch
        The patch that was explained; None: all of the image.
    """

    shape: Sequence[int]
    dtype: np.dtype[Any]
    axes: str | None
    before: Sequence[int]
    after: Sequence[int]
    patch: PatchFacts | None = None
    channel_names: Sequence[str] | None = None

    def describe(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "shape": list(self.shape),
            "dtype": str(self.dtype),
            "axes": self.axes,
            "channel_names": None if self.channel_names is None else list(self.channel_names),
            "padding_before": list(self.before),
            "padding_after": list(self.after),
            "patch": None if self.patch is None else self.patch.describe(),
        }


@dataclass(frozen=True)
class AnswerFacts:
    """What was found out on the way to an answer.

    Attributes
    ----------
    region_pixels
        Pixels of M.
    on_output
        How M was brought to the output, in words.
    target
        The class c.
    score
        S.
    computed
        How, and how fast.
    """

    region_pixels: int
    on_output: str
    target: int
    score: float
    computed: dict[str, Any]


def record_of(
    network: Network, image: ImageFacts, question: Question, answer: AnswerFacts
) -> dict[str, Any]:
    """Everything that is needed to ask the question again, and what came of it."""
    return {
        "question": _asked(network, question, answer),
        "network": _described(network),
        "image": {
            **image.describe(),
            "padding": padding_of(network.patch, network.rules),
        },
        "score": answer.score,
        "computed": {
            **answer.computed,
            "device": str(network.device),
            "dtype": str(network.dtype).removeprefix("torch."),
            "precision": network.precision,
            "napari-seggradcam": _own_version(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _asked(network: Network, question: Question, answer: AnswerFacts) -> dict[str, Any]:
    """What was asked, in JSON types."""
    return {
        "region": question.region.describe(),
        "region_pixels": answer.region_pixels,
        "region_on_output": answer.on_output,
        "target": answer.target,
        "class": network.classes[answer.target],
        "target_given": question.target,
        "layers": [layer.name for layer in question.layers],
        "method": question.method.name,
        "options": question.method.options(),
        **question.score.describe(),
        "truncate": None if question.truncate is None else question.truncate.describe(),
    }


def _described(network: Network) -> dict[str, Any]:
    """The network, in JSON types."""
    return {
        "name": network.name,
        "architecture": network.architecture,
        "parameters": network.parameters,
        "path": None if network.path is None else str(network.path),
        "sha256": network.sha256,
        "axes": network.axes,
        "channels": network.channels,
        "channel_names": None if network.channel_names is None else list(network.channel_names),
        "classes": list(network.classes),
        "normalisation": normalisation_to_dict(network.normalisation),
        "left_out_activation": network.activation,
        "output": network.output,
    }


@cache
def _own_version() -> str:
    return version("napari-seggradcam")
