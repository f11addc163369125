"""The right training source for a word or a path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import OptionError, TrainingDataError
from .cityscapes import Cityscapes
from .folders import ImageFolder
from .recipes import RECIPES
from .sources import TrainingSource, split

_VALIDATION_SHARE = 0.2


def open_source(
    spec: str | Path,
    part: Literal["train", "validation"] = "train",
    *,
    classes: Sequence[str] | None = None,
    instances: bool = False,
    axes: str | None = None,
    labels: Literal["classes", "groups"] | None = None,
) -> TrainingSource:
    """Training or validation part of the data that a word or a path names.

    Parameters
    ----------
    spec
        ``"nuclei"`` or ``"streets"``: the data of the shipped networks. Otherwise a folder:
        with ``images`` and ``masks`` inside (a fifth of the pairs is for validation, always
        the same ones), or the root of Cityscapes (``leftImg8bit`` and ``gtFine`` inside; the
        splits ``train`` and ``val``).
    part
        ``"train"`` or ``"validation"``; they share no image.
    classes, instances, axes
        Of a folder of images and masks, as for `folders.ImageFolder`.
    labels
        Of Cityscapes: ``"groups"`` (7, the default) or ``"classes"`` (19).

    Returns
    -------
    TrainingSource

    Raises
    ------
    TrainingDataError
        If there is nothing of the kind, or the data are wrong.
    OptionError
        If an option doesn't belong to that kind of source.
    """
    if part not in ("train", "validation"):
        raise OptionError(f'Part {part!r} of a source must be "train" or "validation".')
    of_folder = {"classes": classes, "instances": instances or None, "axes": axes}
    if str(spec) in RECIPES:
        _refuse(str(spec), **of_folder, labels=labels)
        return RECIPES[str(spec)].source(part)
    root = Path(spec).expanduser()
    if (root / "leftImg8bit").is_dir():
        _refuse("Cityscapes", **of_folder)
        return Cityscapes(root, "train" if part == "train" else "val", labels or "groups")
    if (root / "images").is_dir() and (root / "masks").is_dir():
        _refuse("A folder of images and masks", labels=labels)
        folder = ImageFolder(
            root / "images", root / "masks", classes, instances=instances, axes=axes
        )
        training, validation = split(folder, _VALIDATION_SHARE)
        return training if part == "train" else validation
    raise TrainingDataError(
        f"{spec} is neither {' nor '.join(RECIPES)}, nor a folder with images and masks inside, "
        "nor the root of Cityscapes with leftImg8bit and gtFine inside."
    )


def _refuse(kind: str, **options: object) -> None:
    """Refuse options that don't belong to a kind of source.

    Raises
    ------
    OptionError
        If one was given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise OptionError(f"{kind} takes no {' or '.join(given)}; leave that out.")
