"""Cityscapes as it is distributed, with the 19 classes or the 7 groups of its labels.

The table follows the dataset's published label definitions (cityscapesScripts, `labels.py`).

References
----------
M. Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, TrainingDataError
from .folders import read_channels_first, read_mask
from .sources import IGNORE, Cancel, ImageAndLabels, Progress

GROUPS = {
    "flat": "#804080",
    "construction": "#464646",
    "object": "#dcdc00",
    "nature": "#6b8e23",
    "sky": "#4682b4",
    "human": "#dc143c",
    "vehicle": "#00008e",
}
"""The seven groups and a colour for each; ``void`` is ignored."""


@dataclass(frozen=True)
class Label:
    """One value of a ``labelIds`` file.

    Parameters
    ----------
    name
        What the pixels show.
    group
        One of `GROUPS`, or ``"void"``.
    colour
        Colour of the benchmark.
    trained
        Whether it is one of the 19 classes of the benchmark.
    """

    name: str
    group: str
    colour: str
    trained: bool


_CLASS, _REST = True, False
LABELS = tuple(
    Label(*row)
    for row in (
        ("unlabeled", "void", "#000000", _REST),
        ("ego vehicle", "void", "#000000", _REST),
        ("rectification border", "void", "#000000", _REST),
        ("out of roi", "void", "#000000", _REST),
        ("static", "void", "#000000", _REST),
        ("dynamic", "void", "#6f4a00", _REST),
        ("ground", "void", "#510051", _REST),
        ("road", "flat", "#804080", _CLASS),
        ("sidewalk", "flat", "#f423e8", _CLASS),
        ("parking", "flat", "#faaaa0", _REST),
        ("rail track", "flat", "#e6968c", _REST),
        ("building", "construction", "#464646", _CLASS),
        ("wall", "construction", "#66669c", _CLASS),
        ("fence", "construction", "#be9999", _CLASS),
        ("guard rail", "construction", "#b4a5b4", _REST),
        ("bridge", "construction", "#966464", _REST),
        ("tunnel", "construction", "#96785a", _REST),
        ("pole", "object", "#999999", _CLASS),
        ("polegroup", "object", "#999999", _REST),
        ("traffic light", "object", "#faaa1e", _CLASS),
        ("traffic sign", "object", "#dcdc00", _CLASS),
        ("vegetation", "nature", "#6b8e23", _CLASS),
        ("terrain", "nature", "#98fb98", _CLASS),
        ("sky", "sky", "#4682b4", _CLASS),
        ("person", "human", "#dc143c", _CLASS),
        ("rider", "human", "#ff0000", _CLASS),
        ("car", "vehicle", "#00008e", _CLASS),
        ("truck", "vehicle", "#000046", _CLASS),
        ("bus", "vehicle", "#003c64", _CLASS),
        ("caravan", "vehicle", "#00005a", _REST),
        ("trailer", "vehicle", "#00006e", _REST),
        ("train", "vehicle", "#005064", _CLASS),
        ("motorcycle", "vehicle", "#0000e6", _CLASS),
        ("bicycle", "vehicle", "#770b20", _CLASS),
    )
)
"""The label with the value ``i`` in a ``labelIds`` file is ``LABELS[i]``."""

CLASSES = {label.name: label.colour for label in LABELS if label.trained}
"""The 19 classes of the benchmark and their colours."""


def label_table(labels: Literal["classes", "groups"]) -> NDArray[np.uint8]:
    """Class index of every value of a ``labelIds`` file, `IGNORE` for what is not trained.

    Parameters
    ----------
    labels
        ``"classes"``: the 19 of the benchmark. ``"groups"``: the 7 groups, to which also
        labels outside of the benchmark belong (parking, bridge, caravan, …).

    Raises
    ------
    OptionError
        If ``labels`` is neither.
    """
    if labels not in ("classes", "groups"):
        raise OptionError(f'Cityscapes labels {labels!r} must be "classes" or "groups".')
    table = np.full(len(LABELS), IGNORE, np.uint8)
    for value, label in enumerate(LABELS):
        if labels == "classes" and label.trained:
            table[value] = list(CLASSES).index(label.name)
        elif labels == "groups" and label.group in GROUPS:
            table[value] = list(GROUPS).index(label.group)
    return table


class Cityscapes:
    """Images and fine annotations of one split.

    Parameters
    ----------
    root
        Folder that holds ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` and
        ``gtFine/<split>/<city>/*_gtFine_labelIds.png``.
    split
        ``"train"`` or ``"val"`` (the annotations of ``"test"`` are not public).
    labels
        ``"classes"`` (19) or ``"groups"`` (7).

    Raises
    ------
    OptionError
        If ``labels`` is neither.
    TrainingDataError
        If there are no images or one has no annotation; the message names the file.
    """

    axes = "CYX"
    channels = 3

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        labels: Literal["classes", "groups"] = "groups",
    ):
        self.root, self.split, self.labels = Path(root), split, labels
        self._table = label_table(labels)
        names = GROUPS if labels == "groups" else CLASSES
        self.classes, self.colours = tuple(names), tuple(names.values())
        images = sorted((self.root / "leftImg8bit" / split).glob("*/*_leftImg8bit.png"))
        if not images:
            raise TrainingDataError(
                f"{self.root} holds no images of the split {split!r}; expected is the Cityscapes "
                f"layout, leftImg8bit/{split}/<city>/*_leftImg8bit.png."
            )
        self.pairs = tuple((image, self._annotation(image)) for image in images)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> ImageAndLabels:
        image_path, annotation_path = self.pairs[index]
        image, values = read_channels_first(image_path), read_mask(annotation_path)
        if len(image) != 3 or image.shape[1:] != values.shape:
            raise TrainingDataError(
                f"{image_path} (channels, rows, columns {image.shape}) and {annotation_path} "
                f"({values.shape}) don't fit; an RGB image and labels of equal size are expected."
            )
        if values.max() >= len(LABELS):
            raise TrainingDataError(
                f"{annotation_path} holds the value {values.max()}; labelIds go from 0 to "
                f"{len(LABELS) - 1}."
            )
        return image, self._table[values].astype(np.int64)

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Nothing: images are read when they are asked for."""

    def describe(self) -> dict[str, Any]:
        """Split, labels and number of images."""
        return {
            "source": "Cityscapes",
            "split": self.split,
            "labels": self.labels,
            "count": len(self),
        }

    def _annotation(self, image: Path) -> Path:
        name = image.name.replace("_leftImg8bit.png", "_gtFine_labelIds.png")
        path = self.root / "gtFine" / self.split / image.parent.name / name
        if not path.is_file():
            raise TrainingDataError(f"{image} has no annotation; expected is {path}.")
        return path
