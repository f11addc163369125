"""Hugging Face networks for semantic segmentation: folders of transformers' ``save_pretrained``."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ...errors import NetworkFileError
from ..normalisation import MeanStd
from ..trust import Level, Needs
from .building import described_module
from .contents import Contents
from .native import read_safetensors
from .packages import load_package
from .pretrained import WEIGHTS, config_of, folder_of, read_json
from .reading import Reading, Request

NAME = "Hugging Face"

_TASK = "ForSemanticSegmentation"
_PREPROCESSOR = "preprocessor_config.json"
_LARGEST = 10**6  # whole number of a configuration; widths, depths and sizes of images are smaller


def recognises(contents: Contents) -> bool:
    """Whether ``config.json`` names a class for semantic segmentation."""
    return any(name.endswith(_TASK) for name in _architectures(config_of(contents)))


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers and JSON, unless the network is code that lies beside them."""
    config, folder = config_of(contents), _folder(contents)
    if "auto_map" not in config:
        return Needs(Level.DATA)
    scripts = {path.name: Contents(path).read_text() for path in sorted(folder.glob("*.py"))}
    return Needs(Level.CODE, f"it runs {', '.join(scripts) or 'code of its own'}.", scripts)


def read(contents: Contents, request: Request) -> Reading:
    """Open a folder; nothing is downloaded.

    Raises
    ------
    NetworkFileError
        If transformers has no such network, or its weights do not fit.
    MissingPackage
        If transformers is not installed.
    """
    library = load_package("transformers", "transformers", "huggingface")
    folder = _folder(contents)
    config = config_of(contents)

    _check_sizes(config, folder)
    module = _module(library, folder, request.trusted)
    preparation = _preparation(folder)
    try:
        normalisation, classes = _normalisation(preparation), _classes(config)
        notices = tuple(_notices(preparation))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NetworkFileError(
            f"{folder} does not fit together as transformers writes it: "
            f"{type(error).__name__}: {error}"
        ) from error
    return Reading(
        module,
        architecture=f"{type(module).__name__} of transformers",
        axes="CYX",
        classes=classes,
        normalisation=normalisation,
        values_known=bool(preparation),
        name=folder.name,
        output="logits",
        notices=notices,
    )


def _module(library: ModuleType, folder: Path, trusted: bool) -> nn.Module:
    """The network with its weights, whose names in the file only transformers knows."""
    options = {"local_files_only": True, "trust_remote_code": trusted}
    auto = library.AutoModelForSemanticSegmentation

    def make() -> Any:
        config = library.AutoConfig.from_pretrained(folder, **options)
        if getattr(config, "use_pretrained_backbone", False):
            config.use_pretrained_backbone = False  # or it would be downloaded
        return auto.from_config(config, trust_remote_code=trusted)

    empty = described_module(make, folder)
    weights = read_safetensors(folder / WEIGHTS)[0].values()
    wanted, found = (_size(tensors) for tensors in (empty.state_dict().values(), weights))
    if wanted != found:
        raise NetworkFileError(
            f"{folder} describes a {type(empty).__name__} of {wanted:,} numbers, and its weights "
            f"have {found:,}; they do not fit. The folder may be damaged."
        )
    try:
        module, report = auto.from_pretrained(
            folder, config=empty.config, use_safetensors=True, output_loading_info=True, **options
        )
    except Exception as error:  # whatever transformers says to what it can't load
        raise NetworkFileError(f"{folder} can't be loaded by transformers: {error}") from error
    missing = [str(name) for name in report["missing_keys"]]
    if missing:
        raise NetworkFileError(f"{folder} lacks the weights {', '.join(missing[:4])}.")
    loaded: nn.Module = module.float()
    return loaded.eval()


def _check_sizes(config: Mapping[str, Any], folder: Path) -> None:
    """Raise an error if a number would have transformers count for minutes."""
    waiting: list[tuple[str, Any]] = list(config.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, item) for item in value)
        elif isinstance(value, int) and value > _LARGEST:
            raise NetworkFileError(
                f"{folder} describes a network with {name} = {value:,}; expected at most "
                f"{_LARGEST:,}. The folder may be damaged."
            )


def _size(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _folder(contents: Contents) -> Path:
    folder = folder_of(contents)
    if folder is None:
        raise NetworkFileError(f"{contents.path} has changed while it was opened; try again.")
    return folder


def _architectures(config: Mapping[str, Any]) -> list[str]:
    names = config.get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _preparation(folder: Path) -> dict[str, Any]:
    """What is done to images first; empty where the folder does not say it."""
    path = folder / _PREPROCESSOR
    return read_json(path) if path.is_file() else {}


def _normalisation(preparation: Mapping[str, Any]) -> MeanStd | None:
    divide = 1.0
    if preparation.get("do_rescale", preparation.get("do_normalize", False)):
        divide = 1 / float(preparation.get("rescale_factor", 1 / 255))
    if preparation.get("do_normalize", False):
        mean, std = (
            tuple(float(n) for n in preparation[name]) for name in ("image_mean", "image_std")
        )
        return MeanStd(mean, std, divide)
    return None if divide == 1 else MeanStd((0.0,), (1.0,), divide)


def _classes(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    named = dict(config.get("id2label") or {})
    names = tuple(str(named[key]) for key in sorted(named, key=int))
    return ("background", *names) if len(names) == 1 else names or None


def _notices(preparation: Mapping[str, Any]) -> Iterator[str]:
    if preparation.get("do_resize"):
        size = preparation.get("size")
        wanted = size.values() if isinstance(size, dict) else [size]
        yield (
            f"Its images were resized to {' × '.join(map(str, wanted))} pixels, which is not done "
            "here: give them at about that size."
        )
    if preparation.get("do_flip_channel_order"):
        yield "It expects the channels blue, green, red, in this order."
