"""A folder of images and a folder of masks, paired by the names of their files."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, TrainingDataError
from ..store.images import read_image, read_labels
from .generated import separated_nuclei
from .sources import IGNORE, Cancel, ImageAndLabels, Progress

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
# Distinct at any number of classes up to twelve; Paul Tol's "muted" with grey for class 0.
_COLOURS = (
    "#1b1b1b", "#ddcc77", "#332288", "#117733", "#cc6677", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#dddddd", "#ee8866",
)  # fmt: skip
_MOST_CLASSES = 64


class ImageFolder:
    """Images and masks of class indices or instances, in two folders.

    All masks are read once at the start, so that a wrong one is found before the training.

    Parameters
    ----------
    images_dir, masks_dir
        Folders of TIFF, PNG or JPEG files. An image and its mask have the same name up to the
        suffix.
    classes
        Names of the classes. By default ``background`` and ``nucleus`` for instances, else
        ``class 0``, ``class 1`` and so on up to the largest value in the masks.
    colours
        One ``"#rrggbb"`` per class.
    instances
        False: a mask's value is the index of the class, 255 for pixels to ignore. True: 0 is
        background, every other value is one object.
    axes
        Axes of the image files, such as ``"YX"``, ``"YXC"``, ``"CYX"``, ``"ZYX"``, where they
        can't be told from the files; see `store.images.read_image`.

    Raises
    ------
    TrainingDataError
        If there are no images, an image or mask is alone, a file can't be read, a mask is
        no mask, or its values are out of range. The message names the file.
    """

    def __init__(
        self,
        images_dir: str | Path,
        masks_dir: str | Path,
        classes: Sequence[str] | None = None,
        *,
        colours: Sequence[str] | None = None,
        instances: bool = False,
        axes: str | None = None,
    ):
        self.images_dir, self.masks_dir = Path(images_dir), Path(masks_dir)
        self.instances = instances
        self.pairs = _pairs(self.images_dir, self.masks_dir)
        self._axes = axes
        masks = [(mask, self._range(mask)) for _, mask in self.pairs]
        self.classes = self._names(classes, max(highest for _, (_, highest) in masks))
        for mask, (lowest, highest) in masks if not instances else ():
            self._require_classes(mask, lowest, highest)
        self.colours = tuple(colours) if colours is not None else default_colours(self.classes)
        if len(self.colours) != len(self.classes):
            raise TrainingDataError(
                f"{len(self.colours)} colours were given for {len(self.classes)} classes; "
                "give one for each."
            )
        first = read_channels_first(self.pairs[0][0], axes)
        self.channels = len(first)
        self.axes = "CYX" if first.ndim == 3 else "CZYX"

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> ImageAndLabels:
        image_path, mask_path = self.pairs[index]
        image, mask = read_channels_first(image_path, self._axes), read_mask(mask_path, self._axes)
        if image.shape[1:] != mask.shape:
            raise TrainingDataError(
                f"{image_path} has the size {image.shape[1:]}, its mask {mask_path} has "
                f"{mask.shape}; they must be equal."
            )
        if len(image) != self.channels:
            raise TrainingDataError(
                f"{image_path} has {len(image)} channels, {self.pairs[0][0]} has {self.channels}; "
                "all images must have the same number."
            )
        return image, separated_nuclei(mask) if self.instances else mask

    def prepare(self, workers: int, progress: Progress | None, cancel: Cancel | None) -> None:
        """Nothing: images are read when they are asked for."""

    def describe(self) -> dict[str, Any]:
        """Folders' names, number of images and how masks are read."""
        return {
            "source": "folder",
            "images": self.images_dir.name,
            "masks": self.masks_dir.name,
            "count": len(self),
            "names_sha256": _digest(image.name for image, _ in self.pairs),
            "instances": self.instances,
            "classes": list(self.classes),
        }

    def _names(self, classes: Sequence[str] | None, highest: int) -> tuple[str, ...]:
        """Names of the classes; whether the masks' values fit them is checked per mask."""
        if self.instances:
            names = tuple(classes) if classes is not None else ("background", "nucleus")
            if len(names) != 2:
                raise TrainingDataError(
                    f"Masks of instances have two classes, {len(names)} names were given: {names}."
                )
            return names
        if classes is not None:
            return tuple(classes)
        if highest >= _MOST_CLASSES:
            raise TrainingDataError(
                f"The masks in {self.masks_dir} have values up to {highest}, too many for class "
                "indices. If every value is one object, read them as instances; otherwise give "
                "the names of the classes."
            )
        if highest == 0:
            raise TrainingDataError(
                f"The masks in {self.masks_dir} hold no class but 0 (255 means ignore). If 255 "
                "is the object, read them as instances; otherwise check that they are masks."
            )
        return tuple(f"class {index}" for index in range(highest + 1))

    def _range(self, path: Path) -> tuple[int, int]:
        """Smallest and largest value in a mask other than `IGNORE`."""
        mask = read_mask(path, self._axes)
        values = mask[mask != IGNORE]
        return (int(values.min()), int(values.max())) if values.size else (0, 0)

    def _require_classes(self, path: Path, lowest: int, highest: int) -> None:
        if lowest < 0 or highest >= len(self.classes):
            raise TrainingDataError(
                f"{path} holds the value {lowest if lowest < 0 else highest}, but there are "
                f"{len(self.classes)} classes (0 to {len(self.classes) - 1}; 255 means ignore)."
            )


def read_channels_first(path: Path, axes: str | None = None) -> NDArray[np.float32]:
    """Image of a file as (channels, *spatial) float32.

    Raises
    ------
    TrainingDataError
        If the file can't be read, or its axes can't be told.
    """
    try:
        image = read_image(path, axes)
    except ImageError as error:
        raise TrainingDataError(str(error)) from error
    array = image.array
    array = np.moveaxis(array, image.axes.index("C"), 0) if "C" in image.axes else array[None]
    return np.ascontiguousarray(array, np.float32)


def read_mask(path: Path, axes: str | None = None) -> NDArray[np.int64]:
    """Whole numbers of a mask file, (*spatial).

    Parameters
    ----------
    path
        An image file.
    axes
        Axes of the image that the mask belongs to, where they were given.

    Raises
    ------
    TrainingDataError
        If the file can't be read or is no mask.
    """
    try:
        return read_labels(path, None if axes is None else axes.replace("C", ""))
    except ImageError as error:
        raise TrainingDataError(str(error)) from error


def default_colours(classes: Sequence[str]) -> tuple[str, ...]:
    """One colour per class; they repeat after twelve."""
    return tuple(_COLOURS[index % len(_COLOURS)] for index in range(len(classes)))


def _digest(names: Iterable[str]) -> str:
    """Digest that tells whether two sets of files have the same names."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _pairs(images_dir: Path, masks_dir: Path) -> tuple[tuple[Path, Path], ...]:
    """Image and mask files of equal names, in the order of the names."""
    images, masks = _by_stem(images_dir), _by_stem(masks_dir)
    for one, other, what in ((images, masks_dir, "mask"), (masks, images_dir, "image")):
        there = masks if what == "mask" else images
        alone = [path for stem, path in one.items() if stem not in there]
        if alone:
            raise TrainingDataError(
                f"{alone[0]} has no {what} of the same name in {other}"
                + (f" (nor have {len(alone) - 1} others)." if len(alone) > 1 else ".")
            )
    return tuple((images[stem], masks[stem]) for stem in sorted(images))


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise TrainingDataError(f"{folder} is not a folder; a folder of images is expected.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise TrainingDataError(
                f"{found[path.stem]} and {path.name} have the same name up to the suffix; "
                "keep one of them."
            )
        found[path.stem] = path
    if not found:
        raise TrainingDataError(
            f"{folder} holds no images; {', '.join(SUFFIXES)} files are expected."
        )
    return found
