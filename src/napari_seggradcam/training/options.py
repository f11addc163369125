"""Every setting of a training, as plain values that go into a file and come back."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np

from ..errors import OptionError
from ..networks.normalisation import MeanStd, Normalisation, Percentile, ZeroMeanUnitVariance
from .augmentation import Augmentation
from .sources import TrainingSource

NormalisationName = Literal["percentile", "zero-mean-unit-variance", "mean-std"]
_MEASURED_IMAGES = 64


@dataclass(frozen=True)
class TrainingOptions:
    """Architecture, data and optimisation of one training.

    The defaults suit two processor cores: about a second per step.

    Parameters
    ----------
    depth, base_width, convolution, norm, upsampling
        Architecture, as for `networks.unet.UNet`; the number of spatial axes, channels and
        classes comes from the source.
    normalisation
        ``"percentile"`` and ``"zero-mean-unit-variance"`` are computed on each image;
        ``"mean-std"`` is measured once on the training source and kept.
    crop
        Side of the square or cube that is trained on, in pixels.
    batch_size
        Crops per step.
    steps
        Optimiser steps.
    learning_rate
        Largest one; it rises linearly over the first ``warm_up`` share of the steps and falls
        along a cosine to zero.
    warm_up
        Share of the steps.
    weight_decay
        Of AdamW.
    class_weights
        Weight of each class in the cross entropy; equal by default.
    gap_weight
        Extra weight of background pixels in gaps between objects that are narrower than
        ``gap_width`` pixels. 0 for none.
    gap_width
        Largest width of such a gap.
    augmentation
        What is varied in the training images.
    validate_every
        Steps between two validations; a checkpoint is written at each.
    validation_limit
        At most so many images of the validation source are used, evenly spread.
    stored_as
        Type of the weights in the file; scores are measured on the weights as stored.
    seed
        Decides on the first weights, the order of images and all random views.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
    num_workers
        Processes that prepare batches beside the one that trains; 0 for none.

    Raises
    ------
    OptionError
        If a number is out of range.
    """

    depth: int = 4
    base_width: int = 16
    convolution: Literal["same", "valid"] = "same"
    norm: Literal["batch", "none"] = "batch"
    upsampling: Literal["transposed", "interpolate"] = "transposed"
    normalisation: NormalisationName = "percentile"
    crop: int = 128
    batch_size: int = 8
    steps: int = 1500
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    class_weights: tuple[float, ...] | None = None
    gap_weight: float = 0.0
    gap_width: int = 5
    augmentation: Augmentation = field(default_factory=Augmentation)
    validate_every: int = 100
    validation_limit: int = 32
    stored_as: Literal["float32", "float16"] = "float32"
    seed: int = 0
    device: str = "auto"
    num_workers: int = 0

    def __post_init__(self) -> None:
        for name in ("crop", "batch_size", "steps", "validate_every", "validation_limit"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("weight_decay", "gap_weight", "gap_width", "num_workers", "seed"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name} is {getattr(self, name)}; it must not be negative.")
        if self.learning_rate <= 0:
            raise OptionError(f"learning_rate is {self.learning_rate}; it must be above 0.")
        if not 0 <= self.warm_up < 1:
            raise OptionError(f"warm_up is {self.warm_up}; it must be a share from 0 up to 1.")
        if self.stored_as not in ("float32", "float16"):
            raise OptionError(f'stored_as is {self.stored_as!r}; use "float32" or "float16".')

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rising = max(round(self.warm_up * self.steps), 1)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        share = (step - rising) / max(self.steps - rising, 1)
        return float(self.learning_rate * 0.5 * (1 + np.cos(np.pi * share)))

    def result_settings(self) -> dict[str, Any]:
        """All settings that decide on the result, as JSON: goes into the network's provenance."""
        settings = asdict(self)
        del settings["device"], settings["num_workers"]
        settings["augmentation"]["scale"] = list(self.augmentation.scale)
        if self.class_weights is not None:
            settings["class_weights"] = list(self.class_weights)
        return settings

    def chosen_normalisation(self, source: TrainingSource) -> Normalisation:
        """The normalisation by that name, measured on the source where it has to be.

        Raises
        ------
        OptionError
            If there is no normalisation of that name.
        """
        if self.normalisation == "percentile":
            return Percentile()
        if self.normalisation == "zero-mean-unit-variance":
            return ZeroMeanUnitVariance()
        if self.normalisation == "mean-std":
            return _measured(source)
        raise OptionError(
            f"Normalisation {self.normalisation!r} is not known; use percentile, "
            "zero-mean-unit-variance or mean-std."
        )


OPTION_NAMES = tuple(option.name for option in fields(TrainingOptions))


def _measured(source: TrainingSource) -> MeanStd:
    """Mean and standard deviation per channel, over at most 64 evenly spread images."""
    chosen = np.unique(np.linspace(0, len(source) - 1, _MEASURED_IMAGES).round().astype(int))
    sums = np.zeros((2, source.channels))
    pixels = 0
    for index in chosen:
        values = source[int(index)][0].astype(np.float64).reshape(source.channels, -1)
        sums += values.sum(1), (values**2).sum(1)
        pixels += values.shape[1]
    mean = sums[0] / pixels
    deviation = np.sqrt(np.maximum(sums[1] / pixels - mean**2, 0))
    return MeanStd(
        mean=tuple(round(float(value), 3) for value in mean),
        std=tuple(max(round(float(value), 3), 1e-3) for value in deviation),
    )
