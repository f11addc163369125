"""What nnU-Net v2 plans to do with a data set: ``plans.json`` and ``dataset.json``."""

import importlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn

from ..normalisation import MeanStd, Normalisation, Percentile, ZeroMeanUnitVariance
from ..normalisation_steps import Clip, PerChannel, ScaleLinear, Steps
from .packages import load_package

_LIBRARY = "dynamic_network_architectures"
_IGNORE = "ignore"
_OLD_NAMES = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}
_LEAST = 1e-8  # deviations count as not smaller
_NONE = "NoNormalization"
_BY_INTENSITY = "CTNormalization"
_SCHEMES: dict[str, Normalisation] = {
    "ZScoreNormalization": ZeroMeanUnitVariance(least=_LEAST),
    "RescaleTo01Normalization": Percentile(0, 100),
    "RGBTo01Normalization": MeanStd((0.0,), (1.0,), divide=255),
    _NONE: ScaleLinear(),
}


class Plans:
    """One configuration of the plans for a data set.

    Parameters
    ----------
    plans, dataset
        Content of ``plans.json`` and ``dataset.json``.
    configuration
        Such as ``"2d"`` or ``"3d_fullres"``.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are not what nnU-Net writes.

    References
    ----------
    F. Isensee et al.: nnU-Net: a self-configuring method for deep learning-based biomedical image
    segmentation. Nature Methods 18, 2021.
    """

    def __init__(self, plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str):
        self._plans = plans
        self._labels: dict[str, Any] = dict(dataset["labels"])
        self._configuration = _inherited(plans["configurations"], configuration)
        names = dataset["channel_names"] if "channel_names" in dataset else dataset["modality"]
        self.configuration = configuration
        self.channel_names = tuple(str(names[key]) for key in sorted(names, key=int))
        self.dataset = str(plans["dataset_name"])
        self.patch_size = tuple(int(n) for n in self._configuration["patch_size"])
        self.spacing = tuple(float(s) for s in self._configuration["spacing"])
        self.transpose = tuple(int(n) for n in plans.get("transpose_forward", ()))
        if len(self.patch_size) not in (2, 3):
            raise ValueError(f"its patches have {len(self.patch_size)} axes")

    @property
    def axes(self) -> str:
        """Axes of the network's input."""
        return "CYX" if len(self.patch_size) == 2 else "CZYX"

    @property
    def previous(self) -> str | None:
        """The configuration whose segmentation a cascade takes as further channels."""
        previous = self._configuration.get("previous_stage")
        return None if previous is None else str(previous)

    @property
    def channels(self) -> int:
        """Channels of the image, and behind them those of the previous stage."""
        return len(self.channel_names) + (len(self._rows) - 1 if self.previous else 0)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of all channels of the input."""
        behind = range(1, self.channels - len(self.channel_names) + 1)
        return (*self.channel_names, *(f"{self.previous} class {number}" for number in behind))

    @property
    def has_regions(self) -> bool:
        """Whether rows are regions that may overlap, each with a sigmoid."""
        return any(isinstance(v, list) and len(v) > 1 for v in self._labels.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names; two where there is one row."""
        return ("background", *self._rows) if len(self._rows) == 1 else self._rows

    @property
    def _rows(self) -> tuple[str, ...]:
        """Names of the rows of logits."""
        named = {name: value for name, value in self._labels.items() if name != _IGNORE}
        if self.has_regions:  # in the order in which they are written
            return tuple(name for name, value in named.items() if value not in (0, [0]))
        values = {int(v[0] if isinstance(v, list) else v): name for name, v in named.items()}
        return tuple(values[value] for value in sorted(values))

    @property
    def normalisation(self) -> Normalisation | None:
        """What is done to the image's channels; nothing to those of a previous stage."""
        schemes = list(self._configuration["normalization_schemes"])
        schemes += [_NONE] * (self.channels - len(schemes))
        if set(schemes) == {_NONE}:
            return None
        intensities = self._plans.get("foreground_intensity_properties_per_channel", {})
        each = tuple(
            _clipped(intensities[str(number)]) if scheme == _BY_INTENSITY else _SCHEMES[scheme]
            for number, scheme in enumerate(schemes)
        )
        return each[0] if len(set(each)) == 1 else PerChannel(each)

    @property
    def crops(self) -> bool:
        """Whether statistics are of the image without zeros around it."""
        schemes = self._configuration["normalization_schemes"]
        return bool({"ZScoreNormalization", "RescaleTo01Normalization"} & set(schemes))

    def build(self) -> nn.Module:
        """The module, with any numbers; deep supervision is left out.

        Raises
        ------
        MissingPackage
            If dynamic-network-architectures is not installed.
        KeyError, TypeError, ValueError
            If it is none that the plans may ask for.
        """
        library = load_package(
            f"{_LIBRARY}.architectures.unet", "dynamic-network-architectures", "nnunet"
        )
        architecture = self._architecture
        name = architecture["network_class_name"]
        if name.startswith(f"{_LIBRARY}.") and hasattr(library, name.rsplit(".", 1)[-1]):
            name = f"{library.__name__}.{name.rsplit('.', 1)[-1]}"  # it has been moved about
        options = dict(architecture["arch_kwargs"])
        for key in architecture["_kw_requires_import"]:
            options[key] = None if options[key] is None else _module_class(options[key])
        options["deep_supervision"] = False
        module: nn.Module = _module_class(name)(
            input_channels=self.channels, num_classes=len(self._rows), **options
        )
        return module

    @property
    def architecture(self) -> str:
        """One line for people."""
        name = str(self._architecture["network_class_name"]).rsplit(".", 1)[-1]
        stages = len(self._architecture["arch_kwargs"]["strides"])
        return f"nnU-Net {self.configuration}: {name} {len(self.patch_size)}D, {stages} stages"

    @property
    def _architecture(self) -> Mapping[str, Any]:
        """Class and options, which plans from before 2024 describe in other words."""
        known = self._configuration.get("architecture")
        if known is not None:
            return dict(known)
        old = self._configuration
        kind, ndim = str(old["UNet_class_name"]), len(self.patch_size)
        widths = old["UNet_base_num_features"], old["unet_max_num_features"]
        blocks = old["n_conv_per_stage_encoder"]
        options = {
            "n_stages": len(blocks),
            "features_per_stage": [min(widths[0] * 2**i, widths[1]) for i in range(len(blocks))],
            "conv_op": f"torch.nn.Conv{ndim}d",
            "kernel_sizes": deepcopy(old["conv_kernel_sizes"]),
            "strides": deepcopy(old["pool_op_kernel_sizes"]),
            _OLD_NAMES[kind]: deepcopy(blocks),
            "n_conv_per_stage_decoder": deepcopy(old["n_conv_per_stage_decoder"]),
            "conv_bias": True,
            "norm_op": f"torch.nn.InstanceNorm{ndim}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        }
        return {
            "network_class_name": f"{_LIBRARY}.architectures.unet.{kind}",
            "arch_kwargs": options,
            "_kw_requires_import": ("conv_op", "norm_op", "dropout_op", "nonlin"),
        }


def _clipped(intensity: Mapping[str, Any]) -> Normalisation:
    """Numbers of the whole training set, as for computed tomography."""
    low, high, mean, deviation = (
        (float(intensity[name]),) for name in ("percentile_00_5", "percentile_99_5", "mean", "std")
    )
    return Steps((Clip(low, high), MeanStd(mean, (max(deviation[0], _LEAST),))))


def _inherited(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits."""
    chain = [name]
    while "inherits_from" in configurations[chain[-1]]:
        chain.append(configurations[chain[-1]]["inherits_from"])
        if len(chain) > len(configurations):
            raise ValueError(f"configuration {name!r} inherits from itself")
    merged: dict[str, Any] = {}
    for ancestor in reversed(chain):
        merged.update(configurations[ancestor])
    return merged


def _module_class(name: str) -> type[nn.Module]:
    """A class of modules of torch or the library; nothing else is looked up."""
    home, _, last = name.rpartition(".")
    if not f"{home}.".startswith(("torch.nn.", f"{_LIBRARY}.")):
        raise ValueError(f"it asks for {name}, which is no class of torch.nn or {_LIBRARY}")
    found: Any = getattr(importlib.import_module(home), last)
    is_module = isinstance(found, type) and issubclass(found, nn.Module)
    if not (is_module and found.__module__.startswith(("torch.nn.", f"{_LIBRARY}."))):
        raise ValueError(f"{name} is no class of modules")
    kind: type[nn.Module] = found
    return kind
