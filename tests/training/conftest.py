"""Small sources and data sets on disk for the tests of training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.io import imsave

from napari_seggradcam.training.augmentation import Augmentation
from napari_seggradcam.training.options import TrainingOptions
from napari_seggradcam.training.sources import ImageAndLabels

# One labelIds value for each of the seven groups: road, building, pole, vegetation, sky,
# person, car.
LABEL_IDS = np.array([7, 11, 17, 21, 23, 24, 26], np.uint8)


@dataclass
class Squares:
    """Bright squares on a dark ground; learnt in a few steps."""

    count: int = 6
    side: int = 32
    ndim: int = 2
    first_seed: int = 0
    classes: tuple[str, ...] = ("ground", "square")
    colours: tuple[str, ...] = ("#000000", "#ffffff")
    channels: int = 1

    @property
    def axes(self) -> str:
        return "CYX" if self.ndim == 2 else "CZYX"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> ImageAndLabels:
        rng = np.random.default_rng(self.first_seed + range(self.count)[index])
        labels = np.zeros((self.side,) * self.ndim, np.int64)
        for _ in range(3):
            start = rng.integers(0, self.side - 8, self.ndim)
            labels[tuple(slice(s, s + 8) for s in start)] = 1
        image = 100 * labels + rng.normal(0, 10, (self.channels, *labels.shape))
        return image.astype(np.float32), labels

    def prepare(self, workers: int, progress: Any, cancel: Any) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {"source": "squares", "count": self.count, "first_seed": self.first_seed}


@pytest.fixture
def squares() -> Callable[..., Squares]:
    return Squares


@pytest.fixture
def quick_options() -> TrainingOptions:
    """A network of two levels and six steps."""
    return TrainingOptions(
        depth=1,
        base_width=4,
        crop=16,
        batch_size=2,
        steps=6,
        learning_rate=1e-2,
        validate_every=2,
        augmentation=Augmentation(),
        device="cpu",
        seed=3,
    )


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[..., Path]:
    """Write arrays by file name into ``images`` and ``masks`` of a new folder."""

    def write(images: dict[str, NDArray[Any]], masks: dict[str, NDArray[Any]]) -> Path:
        for folder, arrays in (("images", images), ("masks", masks)):
            (tmp_path / folder).mkdir()
            for name, array in arrays.items():
                imsave(tmp_path / folder / name, array, check_contrast=False)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def cityscapes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated scenes in the layout and with the label values of Cityscapes."""
    from napari_seggradcam.scenes.generators import generate

    root = tmp_path_factory.mktemp("cityscapes")
    for number, (split, city) in enumerate(
        [("train", "aachen"), ("train", "aachen"), ("train", "ulm"), ("val", "lindau")]
    ):
        scene = generate("streets", number, (96, 192))
        name = f"{city}_{number:06d}_000019"
        for folder, kind, array in (
            ("leftImg8bit", "leftImg8bit", scene.image),
            ("gtFine", "gtFine_labelIds", LABEL_IDS[scene.labels]),
        ):
            path = root / folder / split / city / f"{name}_{kind}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            imsave(path, array, check_contrast=False)
    return root
