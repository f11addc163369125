"""MONAI bundles: a folder, or an archive of it, with ``configs`` and ``models``."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ...errors import NetworkFileError, OptionError, SegGradCamError
from ..channels import told_names
from ..trust import Level, Needs
from . import pickles, torchscript
from .building import build_with_weights
from .checkpoints import find_state_dict
from .contents import Contents
from .monai_config import BundleConfig, HoldsExpression, ignores_zeros, normalisation_of
from .packages import load_package
from .reading import Reading, Request

NAME = "MONAI bundle"

_CONFIGS = tuple(f"configs/inference.{kind}" for kind in ("json", "yaml", "yml"))
_METADATA = "configs/metadata.json"
_WEIGHTS = re.compile(r"models/[\w.-]+\.(?:pth?|ts)")
_FIRST = "models/model.pt"
_BYTES = 2**32  # of weights in an archive
_NETS = "monai.networks.nets"
_STEP = re.compile(r"(\d+) *\* *n|n *\* *(\d+)")
# Their constructors read files or ask the network, whatever they are given.
_NOT_OFFLINE = ("TorchVisionFCModel", "Transchex")


def recognises(contents: Contents) -> bool:
    """Whether it has a configuration for inference beside ``metadata.json``."""
    name = _config_name(contents)
    return name is not None and _root(name) + _METADATA in contents.names


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers, unless the configuration has expressions that are Python code."""
    bundle = _Bundle(contents)
    file = bundle.weights(request)
    if torchscript.recognises(file):  # which holds the network itself
        return torchscript.needs(file, request)
    try:
        bundle.described(bundle.config.network)
    except HoldsExpression as error:
        what = f"its configuration evaluates {error} to build the network."
        return Needs(Level.CODE, what, bundle.code())
    return pickles.needs_of(file)


def read(contents: Contents, request: Request) -> Reading:
    """Open a bundle.

    Raises
    ------
    NetworkFileError
        If its parts do not fit together.
    MissingPackage
        If MONAI is not installed.
    OptionError
        If it has not the weights that were asked for.
    """
    bundle = _Bundle(contents)
    scripted: Reading | None = None
    file = bundle.weights(request)
    if torchscript.recognises(file):
        scripted = torchscript.read(file, request)
    else:
        saved = pickles.load_agreed(file, request.trusted)
        state = find_state_dict(saved, contents.path)
    module, options = (scripted.module, {}) if scripted else bundle.build(state)
    normalisation, others = bundle.described(lambda: normalisation_of(bundle.config))
    return Reading(
        module,
        architecture=f"MONAI {type(module).__name__}",
        axes=scripted.axes if scripted else bundle.described(lambda: bundle.axes(options)),
        channels=bundle.described(lambda: bundle.channels),
        channel_names=bundle.described(lambda: bundle.channel_names),
        classes=bundle.described(lambda: bundle.classes(options)),
        normalisation=normalisation,
        values_known=True,
        name=str(bundle.metadata.get("name", contents.path.stem)),
        sizes=bundle.described(lambda: bundle.sizes),
        runs_at=bundle.described(lambda: bundle.shape) or (scripted.runs_at if scripted else None),
        provenance={
            key: str(bundle.metadata[key])
            for key in ("version", "task", "authors", "copyright")
            if key in bundle.metadata
        },
        check=scripted.check if scripted else None,
        notices=[*(scripted.notices if scripted else ()), *bundle.notices(others)],
    )


class _Bundle:
    """Files of a bundle."""

    def __init__(self, contents: Contents):
        name = _config_name(contents)
        if name is None:
            raise NetworkFileError(f"{contents.path} has no {' or '.join(_CONFIGS)}.")
        self._contents = contents
        self._name = name
        self._root = _root(name)
        self.config = self.described(lambda: BundleConfig(contents, name))
        self.metadata: dict[str, Any] = self.described(
            lambda: dict(json.loads(contents.read_text(self._root + _METADATA)))
        )

    def described(self, ask: Any) -> Any:
        """What the bundle says.

        Raises
        ------
        NetworkFileError
            If it says nothing that can be.
        """
        try:
            return ask()
        except (HoldsExpression, NetworkFileError):
            raise
        except (
            AttributeError,
            KeyError,
            RecursionError,
            SegGradCamError,
            TypeError,
            ValueError,
        ) as error:
            raise NetworkFileError(
                f"{self._contents.path} is no bundle as MONAI describes it: "
                f"{type(error).__name__}: {error}"
            ) from error

    def code(self) -> dict[str, str]:
        """The configuration, and the Python files that it may call."""
        scripts = [name for name in self._contents.names if name.endswith(".py")]
        return {name: self._contents.read_text(name) for name in (self._name, *scripts)}

    def weights(self, request: Request) -> Contents:
        """The file with the weights; one out of an archive is there until that is cleared."""
        inner = (name.removeprefix(self._root) for name in self._contents.names)
        known = sorted(
            filter(_WEIGHTS.fullmatch, inner),
            key=lambda name: (name != _FIRST, name.endswith(".ts"), name),
        )
        if not known:
            raise NetworkFileError(
                f"{self._contents.path} has no weights; expected {_FIRST}, as bundles have them."
            )
        if request.weights is not None and request.weights not in known:
            raise OptionError(
                f"{self._contents.path} has no weights {request.weights!r}; expected one of "
                f"{', '.join(known)}."
            )
        name = self._root + (request.weights or known[0])
        if self._contents.is_folder:
            return Contents(self._contents.path / name)
        return self._contents.unpacked(name, _BYTES)

    def build(self, state: Mapping[str, Any]) -> tuple[nn.Module, Mapping[str, Any]]:
        """The network with its weights, and the arguments that it was made with, if known."""
        path = self._contents.path
        try:
            target, options = self.described(self.config.network)
        except HoldsExpression:  # somebody has agreed to it
            return build_with_weights(self._evaluated, state, path), {}
        # Those that training began with would be downloaded, and are replaced anyway.
        for name in options:
            if name.startswith("pretrained"):
                options[name] = False if isinstance(options[name], bool) else None
        kind = _net_class(target, path)
        return build_with_weights(lambda: kind(**options), state, path), options

    def _evaluated(self) -> Any:
        """The network as MONAI itself builds it, running the configuration's expressions."""
        if not self._contents.is_folder:
            raise NetworkFileError(
                f"{self._contents.path} runs code that lies in it; unpack it, and open the folder."
            )
        folder = (self._contents.path / self._root).absolute()
        parser = load_package("monai.bundle", "MONAI", "monai").ConfigParser()
        parser.read_config(str(self._contents.path / self._name))
        parser["bundle_root"] = str(folder)
        sys.path.insert(0, str(folder))  # where expressions find the bundle's own modules
        try:
            return parser.get_parsed_content("network_def")
        finally:
            sys.path.remove(str(folder))

    def _format(self, side: str) -> dict[str, Any]:
        """What the metadata say of the first input or output."""
        described = self.metadata.get("network_data_format", {}).get(side, {})
        return dict(next(iter(described.values()), {}))

    def axes(self, options: Mapping[str, Any]) -> str | None:
        """Axes of the network's input."""
        shape = self._format("inputs").get("spatial_shape")
        ndim = options.get("spatial_dims", None if shape is None else len(shape))
        return {2: "CYX", 3: "CZYX"}.get(ndim)

    @property
    def channels(self) -> int | None:
        """Channels of the image."""
        channels = self._format("inputs").get("num_channels")
        return None if channels is None else int(channels)

    @property
    def channel_names(self) -> tuple[str, ...] | None:
        """Names of these channels, where there is one for each."""
        named = self._format("inputs").get("channel_def")
        if not isinstance(named, dict) or not all(str(key).isdecimal() for key in named):
            return None
        names = [named[key] for key in sorted(named, key=int)]
        return told_names(names, self.channels or len(names))

    def classes(self, options: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Names, where there is one for every row of logits."""
        named = dict(self._format("outputs").get("channel_def", {}))
        names = tuple(str(named[key]) for key in sorted(named, key=int))
        if not names or options.get("out_channels", len(names)) != len(names):
            return None
        return ("background", *names) if len(names) == 1 else names

    @property
    def sizes(self) -> list[tuple[int, int]] | None:
        """Smallest size and step, where all axes have one such as ``"8*n"``."""
        shape = self._format("inputs").get("spatial_shape") or ()
        found = [_STEP.fullmatch(str(size)) for size in shape]
        if not found or not all(found):
            return None
        steps = [int(match[1] or match[2]) for match in found if match is not None]
        return [(step, step) for step in steps] if min(steps) > 0 else None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Spatial shape of the images that it was trained on, if that is told in pixels."""
        shape = self._format("inputs").get("spatial_shape") or ()
        numbers = tuple(size for size in shape if isinstance(size, int) and size > 0)
        return numbers if numbers and len(numbers) == len(shape) else None

    def notices(self, others: list[str]) -> Iterator[str]:
        """What a person should know."""
        if others:
            yield (
                f"Its images also went through {', '.join(others)}, which is not done here; give "
                "images that have been."
            )
        if ignores_zeros(self.config):
            yield (
                "MONAI takes its mean and deviation without the zeros of the image; here they are "
                "of the whole image."
            )
        shape = self._format("inputs").get("spatial_shape") or ()
        if self._format("inputs").get("is_patch_data") and not self.sizes:
            patch = " × ".join(map(str, shape))
            yield f"It was trained on patches of {patch} pixels."


def _config_name(contents: Contents) -> str | None:
    found = [name for name in contents.names if name.endswith(_CONFIGS)]
    whole = [name for name in found if _root(name) == "" or _root(name).endswith("/")]
    return min(whole, key=lambda name: (name.count("/"), name), default=None)


def _root(name: str) -> str:
    """What lies before ``configs/``."""
    return name[: name.rindex("configs/")]


def _net_class(target: str, path: Path) -> type[nn.Module]:
    """A class of MONAI's networks, by the names that bundles use; nothing else is looked up."""
    home, _, name = target.rpartition(".")
    kind: Any = getattr(load_package(_NETS, "MONAI", "monai"), name, None)
    is_known = isinstance(kind, type) and issubclass(kind, nn.Module)
    is_net = is_known and kind.__module__.startswith(f"{_NETS}.") and name not in _NOT_OFFLINE
    if not is_net or (home and not f"{home}.".startswith(f"{_NETS}.")):
        raise NetworkFileError(
            f"{path} asks for the network {target}; expected a class of {_NETS}. Open its weights "
            'with factory="package.module:function".'
        )
    found: type[nn.Module] = kind
    return found
