"""What the configuration of a MONAI bundle says, read without evaluating any of it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..normalisation import MeanStd, Normalisation, Percentile, ZeroMeanUnitVariance
from ..normalisation_steps import Clip, ScaleLinear, Steps
from .contents import Contents

_TARGET = "_target_"
_COMMENTS = ("_desc_",)
_NODES = 10_000  # of what is resolved; those of people have some hundred
_DEPTH = 20  # references to references
_PREPARATION = {  # what has no counterpart here, because it changes no value
    "CastToTyped",
    "EnsureChannelFirstd",
    "EnsureTyped",
    "LoadImaged",
    "SelectItemsd",
    "ToDeviced",
    "ToTensord",
}


class HoldsExpression(Exception):
    """What was asked for is only known once code has run."""


class BundleConfig:
    """Content of ``configs/inference.json`` or ``.yaml``.

    Parameters
    ----------
    contents
        The bundle.
    name
        Its member with the configuration.

    Raises
    ------
    ValueError
        If it is neither JSON nor YAML.
    NetworkFileError
        If it can't be read.
    """

    def __init__(self, contents: Contents, name: str):
        text = contents.read_text(name)
        try:
            self._content = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{name} is no YAML: {error}") from error
        if not isinstance(self._content, dict):
            raise ValueError(f"{name} holds a {type(self._content).__name__}, no configuration")
        self._left = _NODES

    def network(self) -> tuple[str, dict[str, Any]]:
        """Name of the network's class, and its arguments.

        Raises
        ------
        HoldsExpression
            If it takes code to know them.
        KeyError, TypeError, ValueError
            If there are none.
        """
        described = dict(self._resolved(self._content["network_def"]))
        target = described.pop(_TARGET)
        if not isinstance(target, str):
            raise TypeError(f"its network is of the class {target!r}")
        options = {name: value for name, value in described.items() if name not in _COMMENTS}
        special = [name for name in options if name.startswith("_")]
        if special:
            raise HoldsExpression(f"{special[0]}: {options[special[0]]}")
        return target, options

    def transforms(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Class and arguments of what is done to images; None where it takes code to know them."""
        preprocessing = self._content.get("preprocessing")
        steps = preprocessing.get("transforms") if isinstance(preprocessing, dict) else None
        for step in steps if isinstance(steps, list) else ():
            if isinstance(step, dict) and isinstance(step.get(_TARGET), str):
                name = step[_TARGET].rsplit(".", 1)[-1]
                if step.get("_disabled_") is True:
                    continue
                try:
                    yield name, dict(self._resolved(step))
                except (HoldsExpression, KeyError, TypeError, ValueError):
                    yield name, None

    def _resolved(self, value: Any, depth: int = 0) -> Any:
        """A value with the plain values that it refers to."""
        self._left -= 1
        if self._left < 0 or depth > _DEPTH:
            raise ValueError("it refers to itself, or to too much")
        if isinstance(value, dict):
            return {str(key): self._resolved(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._resolved(inner, depth + 1) for inner in value]
        if not isinstance(value, str) or not value.startswith(("$", "@", "%")):
            return value
        if not value.startswith("@"):
            raise HoldsExpression(value)
        found = self._resolved(self._at(value[1:]), depth + 1)
        if isinstance(found, dict) and _TARGET in found:  # an object that would be made
            raise HoldsExpression(value)
        return found

    def _at(self, address: str) -> Any:
        """What an address such as ``sizes::0`` refers to."""
        value: Any = self._content
        for part in re.split("::|#", address):
            if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, dict) and part in value:
                value = value[part]
            else:  # such as an attribute of an object
                raise HoldsExpression(f"@{address}")
        return value


def normalisation_of(config: BundleConfig) -> tuple[Normalisation | None, list[str]]:
    """What is done to the image's values, and the names of transforms that are not done here.

    Raises
    ------
    OptionError
        If the numbers of a transform can't be.
    """
    steps: list[Normalisation] = []
    others = []
    for name, options in config.transforms():
        made = None if options is None else _steps_of(name, options)
        if made is not None:
            steps += made
        elif name not in _PREPARATION:
            others.append(name)
    if not steps:
        return None, others
    return steps[0] if len(steps) == 1 else Steps(tuple(steps)), others


def _steps_of(name: str, options: Mapping[str, Any]) -> list[Normalisation] | None:
    """A transform as normalisations; None where it has no counterpart."""
    joint = not options.get("channel_wise", False)
    if name == "NormalizeIntensityd":
        return _normalised(options, joint)
    if name == "ScaleIntensityd":
        low, high = options.get("minv", 0.0), options.get("maxv", 1.0)
        if low is None and high is None and options.get("factor") is not None:
            return [ScaleLinear((1 + float(options["factor"]),))]
        return [Percentile(0, 100, joint=joint), *_to_range(low, high)]
    if name == "ScaleIntensityRanged":
        least, most = float(options["a_min"]), float(options["a_max"])
        return [MeanStd((least,), (most - least,)), *_ranged(options)]
    if name == "ScaleIntensityRangePercentilesd":
        lower, upper = float(options["lower"]), float(options["upper"])
        return [Percentile(lower, upper, joint=joint), *_ranged(options, (lower, upper))]
    return None


def _normalised(options: Mapping[str, Any], joint: bool) -> list[Normalisation] | None:
    mean, deviation = options.get("subtrahend"), options.get("divisor")
    if mean is None and deviation is None:
        return [ZeroMeanUnitVariance(joint=joint)]
    if mean is None or deviation is None:
        return None
    return [MeanStd(_numbers(mean), _numbers(deviation))]


def _numbers(given: Any) -> tuple[float, ...]:
    """One number for all channels, or one for each."""
    return tuple(float(number) for number in (given if isinstance(given, list) else [given]))


def _ranged(
    options: Mapping[str, Any], percentiles: tuple[float, float] | None = None
) -> list[Normalisation]:
    """From 0 … 1 to the range that a transform asks for."""
    low, high = options.get("b_min"), options.get("b_max")
    if percentiles is not None and options.get("relative") and None not in (low, high):
        least, most = float(low or 0), float(high or 0)
        low, high = (least + (most - least) * p / 100 for p in percentiles)
    steps = _to_range(low, high)
    if options.get("clip") and not low is high is None:
        bounds = (None if bound is None else (float(bound),) for bound in (low, high))
        steps.append(Clip(*bounds))
    return steps


def _to_range(low: float | None, high: float | None) -> list[Normalisation]:
    if low is None or high is None or (low, high) == (0, 1):
        return []
    return [ScaleLinear((float(high - low),), (float(low),))]


def ignores_zeros(config: BundleConfig) -> bool:
    """Whether statistics are those of the values that are not 0."""
    return any(
        name == "NormalizeIntensityd" and bool(options and options.get("nonzero"))
        for name, options in config.transforms()
    )
