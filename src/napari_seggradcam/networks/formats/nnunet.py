"""nnU-Net v2: the folder of a training, a fold in it, or one of its checkpoints.

The architecture that the plans describe is rebuilt with dynamic-network-architectures; nnU-Net
itself is not needed. The checkpoint holds the plans as well, so it opens without its folder.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import NetworkFileError
from ..channels import told_names
from ..sliding import patch_in_words
from ..trust import Needs
from . import pickles
from .building import build_with_weights
from .contents import Contents
from .nnunet_plans import Plans
from .reading import Reading, Request

NAME = "nnU-Net"

_CHECKPOINT = re.compile(r"(fold_\w+/)?checkpoint_\w+\.pth")
_KINDS = ("final", "best", "latest")
_INSTANCE_NORMS = nn.InstanceNorm2d | nn.InstanceNorm3d


def recognises(contents: Contents) -> bool:
    """Whether checkpoints lie beside or under ``plans.json``, or it is one of nnU-Net's."""
    if contents.is_folder:
        return bool(_checkpoints(contents)) and _folder(contents) is not None
    return pickles.mentions(contents, "network_weights", "init_args", "trainer_name")


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers, as a rule; a trainer of somebody's own may save other things."""
    return pickles.needs_of(_chosen(contents, request))


def read(contents: Contents, request: Request) -> Reading:
    """Open a checkpoint of a training.

    Raises
    ------
    NetworkFileError
        If there is no such checkpoint, or its parts do not fit together.
    MissingPackage
        If dynamic-network-architectures is not installed.
    """
    chosen = _chosen(contents, request)
    try:
        saved = pickles.load_agreed(chosen, request.trusted)
        told = saved["init_args"]
        folder = _folder(chosen)
        plans = Plans(
            told["plans"] if folder is None else _read_json(folder / "plans.json"),
            told["dataset_json"] if folder is None else _read_json(folder / "dataset.json"),
            told["configuration"],
        )
        weights: Mapping[str, torch.Tensor] = dict(saved["network_weights"])
        fold = str(told.get("fold", "?"))
        normalisation, said = plans.normalisation, list(_notices(plans))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NetworkFileError(
            f"{chosen.path} does not fit together as nnU-Net writes it: "
            f"{type(error).__name__}: {error}"
        ) from error
    module = build_with_weights(plans.build, weights, chosen.path)
    patch = None
    if any(isinstance(m, _INSTANCE_NORMS) for m in module.modules()):
        patch = plans.patch_size
        said.append(_patch_notice(patch))
    return Reading(
        module,
        architecture=plans.architecture,
        axes=plans.axes,
        channels=plans.channels,
        channel_names=told_names(plans.input_names, plans.channels),
        classes=plans.classes,
        normalisation=normalisation,
        values_known=True,
        patch=patch,
        name=f"{plans.dataset} {plans.configuration} fold {fold}",
        provenance={
            "dataset": plans.dataset,
            "configuration": plans.configuration,
            "fold": fold,
            "checkpoint": chosen.path.name,
            "trainer": str(saved.get("trainer_name")),
            "epoch": saved.get("current_epoch"),
            "channel_names": list(plans.channel_names),
            "spacing": list(plans.spacing),
            "patch_size": list(plans.patch_size),
            "transpose_forward": list(plans.transpose),
        },
        notices=said,
        source=chosen,
    )


def _chosen(contents: Contents, request: Request) -> Contents:
    """The checkpoint that is asked for, or the first one.

    Raises
    ------
    NetworkFileError
        If there is no such.
    """
    found = _checkpoints(contents)
    wanted = found[0] if request.weights is None and found else request.weights
    if wanted not in found:
        raise NetworkFileError(
            f"{contents.path} has no weights {wanted!r}; expected one of {', '.join(found)}."
        )
    return Contents(contents.path / wanted) if contents.is_folder else contents


def _checkpoints(contents: Contents) -> list[str]:
    """Checkpoints from the path on, the best choice first."""
    if not contents.is_folder:
        return [contents.path.name]
    return sorted(filter(_CHECKPOINT.fullmatch, contents.names), key=_place)


def _place(name: str) -> tuple[bool, int, str, int]:
    """Folds by number, and in each the last weights, then the best."""
    fold, _, file = name.rpartition("/")
    number = fold.removeprefix("fold_")
    kind = file.removeprefix("checkpoint_").removesuffix(".pth")
    order = _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
    return not number.isdecimal(), int(number) if number.isdecimal() else 0, fold, order


def _folder(contents: Contents) -> Path | None:
    """Where the plans lie: in the folder of the training, at, above or far above the path."""
    path = contents.path.absolute()
    candidates = (path, path.parent, path.parent.parent)
    return next(
        (c for c in candidates if (c / "plans.json").is_file() and (c / "dataset.json").is_file()),
        None,
    )


def _read_json(path: Path) -> Any:
    return json.loads(Contents(path).read_text())


def _notices(plans: Plans) -> Iterator[str]:
    spacing = " × ".join(f"{s:g}" for s in plans.spacing)
    yield (
        f"It was trained at a spacing of {spacing} (in the unit of its images, as a rule mm). "
        "Images are not resampled here: give them at this spacing."
    )
    if list(plans.transpose) != sorted(plans.transpose):
        order = ", ".join(map(str, plans.transpose))
        yield f"Its volumes have their axes in the order ({order}); transpose the image likewise."
    if plans.previous:
        yield (
            f"It is the second stage of a cascade: behind {', '.join(plans.channel_names)} its "
            f"channels are the segmentation of {plans.previous}, one channel (0 or 1) for each "
            "class but the background."
        )
    if plans.has_regions:
        yield "Its classes are regions that may overlap, each with a sigmoid of its own."
    if plans.crops:
        yield (
            "nnU-Net cuts away the zeros around an image before it takes mean and deviation; here "
            "they are of the whole image. Cut it first if it has such borders."
        )


def _patch_notice(patch: Sequence[int]) -> str:
    return (
        f"It is explained on patches of {patch_in_words(patch)}, because its instance norm sees "
        "the whole of what it is given: on the one of nnU-Net's own inference in the middle of "
        "which the region lies. It predicts patch by patch as nnU-Net does, without mirroring."
    )
