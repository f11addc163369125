"""Networks saved by segmentation-models-pytorch: folders of ``model.save_pretrained``."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ...errors import NetworkFileError
from ..normalisation import MeanStd
from ..trust import Level, Needs
from .building import build_with_weights
from .contents import Contents
from .native import read_safetensors
from .packages import load_package
from .pretrained import WEIGHTS, config_of, folder_of
from .reading import Reading, Request

NAME = "segmentation-models-pytorch"

_CLASS = "_model_class"
# Of timm's encoders; others could name files, or things to download.
_ENCODER_OPTIONS = ("drop_rate", "drop_path_rate", "dynamic_img_size", "img_size")
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_WITH_HALVES = ("inceptionresnetv2", "inceptionv4", "xception")


def recognises(contents: Contents) -> bool:
    """Whether ``config.json`` names a class of the library."""
    return isinstance(config_of(contents).get(_CLASS), str)


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers and JSON."""
    return Needs(Level.DATA)


def read(contents: Contents, request: Request) -> Reading:
    """Open a folder; nothing is downloaded.

    Raises
    ------
    NetworkFileError
        If it asks for what the library does not have, or its weights do not fit.
    MissingPackage
        If segmentation-models-pytorch is not installed.
    """
    library = load_package("segmentation_models_pytorch", NAME, "smp")
    folder = folder_of(contents)
    if folder is None:
        raise NetworkFileError(f"{contents.path} has changed while it was opened; try again.")
    config = config_of(contents)
    kind = _model_class(library, config[_CLASS], folder)
    options = {name: value for name, value in config.items() if not name.startswith("_")}
    options["encoder_weights"] = None  # those that training began with would be downloaded
    _check(kind, options, folder)
    module = build_with_weights(
        lambda: kind(**options), read_safetensors(folder / WEIGHTS)[0], folder
    )
    began_with = config.get("encoder_weights")
    normalisation = _normalisation(config) if began_with else None
    notices = []
    if normalisation is not None:
        notices.append(
            f"Its encoder was trained on ImageNet ({began_with}) first, so values from 0 to 255 "
            f"are normalised as there: {normalisation.describe()}. The folder does not say whether "
            "its own training did so."
        )
    return Reading(
        module,
        architecture=f"smp {kind.__name__}, encoder {options.get('encoder_name', 'resnet34')}",
        axes="CYX",
        channels=int(options.get("in_channels", 3)),
        normalisation=normalisation,
        name=folder.name,
        provenance={"encoder_weights": began_with},
        notices=notices,
    )


def _model_class(library: ModuleType, name: str, folder: Path) -> type[nn.Module]:
    known: dict[str, type[nn.Module]] = {
        kind.__name__: kind for kind in library.MODEL_ARCHITECTURES_MAPPING.values()
    }
    if name not in known:
        raise NetworkFileError(
            f"{folder} is of the class {name}; expected one of {NAME}: {', '.join(known)}. Open "
            f'its {WEIGHTS} with factory="package.module:function".'
        )
    return known[name]


def _check(kind: type[nn.Module], options: Mapping[str, Any], folder: Path) -> None:
    """Raise an error unless options describe an architecture and nothing else."""
    known = (*inspect.signature(kind).parameters, *_ENCODER_OPTIONS)
    foreign = [name for name in options if name not in known or name == "kwargs"]
    encoder = options.get("encoder_name", "")
    if foreign:
        raise NetworkFileError(
            f"{folder} has the options {', '.join(foreign)}; expected those of {kind.__name__}."
        )
    if not isinstance(encoder, str) or ":" in encoder or "/" in encoder:
        raise NetworkFileError(
            f"{folder} asks for the encoder {encoder!r}; expected the name of one of {NAME}, and "
            "no address."
        )


def _normalisation(config: Mapping[str, Any]) -> MeanStd | None:
    """How images were normalised when the encoder was trained; None where it can't be told."""
    if config.get("in_channels", 3) != 3:
        return None
    name = str(config.get("encoder_name", "resnet34"))
    mean, std = _IMAGENET
    if name.startswith("tu-"):
        settings = load_package("timm", "timm", "smp").models.get_pretrained_cfg(name[3:])
        mean, std = _IMAGENET if settings is None else (settings.mean, settings.std)
    elif name in _WITH_HALVES or config["encoder_weights"] == "advprop":
        mean, std = _HALVES
    return MeanStd(tuple(mean), tuple(std), divide=255)
