"""Everything that makes the shipped demo networks again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .augmentation import Augmentation
from .generated import GeneratedScenes, RealNuclei
from .options import TrainingOptions
from .sources import Mixed, TrainingSource


@dataclass(frozen=True)
class Recipe:
    """Data and settings of one network.

    Parameters
    ----------
    name
        Name of the network and its file.
    train, validation
        Make the sources.
    options
        Settings.
    """

    name: str
    train: Callable[[], TrainingSource]
    validation: Callable[[], TrainingSource]
    options: TrainingOptions

    def source(self, part: Literal["train", "validation"]) -> TrainingSource:
        """The source to train on, or the one that chooses the best weights."""
        return self.train() if part == "train" else self.validation()


# Seeds as in scenes.generators: 0 on for training, 1,000,000 on for validation.
_VALIDATION_SEED = 1_000_000

_ONLY_MIRRORED = Augmentation(
    upright=True, scale=(1.0, 1.0), gamma=1.0, contrast=0.0, brightness=0.0, colour=0.0, noise=0.0
)

RECIPES = {
    "nuclei": Recipe(
        "nuclei",
        train=lambda: Mixed((RealNuclei("train"), GeneratedScenes("nuclei", 300))),
        validation=lambda: Mixed(
            (RealNuclei("validation"), GeneratedScenes("nuclei", 8, first_seed=_VALIDATION_SEED))
        ),
        options=TrainingOptions(
            crop=128,
            batch_size=6,
            steps=500,
            validate_every=50,
            gap_weight=4.0,
            stored_as="float16",
        ),
    ),
    "streets": Recipe(
        "streets",
        train=lambda: GeneratedScenes("streets", 600),
        validation=lambda: GeneratedScenes("streets", 12, first_seed=_VALIDATION_SEED),
        options=TrainingOptions(
            base_width=12,
            normalisation="mean-std",
            crop=160,
            batch_size=4,
            steps=2400,
            learning_rate=2e-3,
            # In the order of the classes; people and objects cover few pixels.
            class_weights=(0.7, 0.9, 2.0, 0.9, 0.8, 3.0, 1.3),
            validate_every=200,
            # The scenes vary in light, colour and size by themselves.
            augmentation=_ONLY_MIRRORED,
            stored_as="float16",
        ),
    ),
}
