"""BioImage.IO's processing steps as normalisations.

Formulas are those of bioimageio.spec 0.5; where its text leaves one open, that of bioimageio.core.
"""

from collections.abc import Sequence
from typing import Any

from ..normalisation import MeanStd, Normalisation, Percentile, PercentileClip, ZeroMeanUnitVariance
from ..normalisation_steps import Binarize, Cast, Clip, ScaleLinear, Sigmoid, Softmax, Steps

_EPSILON = 1e-6  # what bioimageio.core adds to fixed deviations; the specification is silent


class UnknownStep(ValueError):
    """A step that can't be computed here; the message names it and says why."""


def normalisation_of(steps: Sequence[Any], tensor: Any) -> Normalisation | None:
    """The normalisation that steps of pre- or postprocessing are; None where they do nothing.

    Parameters
    ----------
    steps
        Descriptions of ``bioimageio.spec.model.v0_5``.
    tensor
        Description of the tensor that they are for.

    Raises
    ------
    UnknownStep
        If there is one that can't be computed here.
    """
    found: list[Normalisation] = []
    for step in steps:
        found += _DECLARED.get(step.id, _unknown)(step, tensor, not found)
    if len(found) > 1:
        return Steps(tuple(found))
    return found[0] if found else None


def _unknown(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    raise UnknownStep(f"{step.id} is not computed here")


def _cast(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    # Values are single precision from the start.
    return [] if step.kwargs.dtype.startswith("float") else [Cast(step.kwargs.dtype)]


def _zero_mean_unit_variance(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    return [ZeroMeanUnitVariance(step.kwargs.eps, _is_joint(step, tensor))]


def _fixed_zero_mean_unit_variance(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    mean = _numbers(step, "mean", tensor)
    std = tuple(value + _EPSILON for value in _numbers(step, "std", tensor))
    return [MeanStd(mean, std)]


def _scale_range(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    options = step.kwargs
    reference = options.reference_tensor
    if reference is not None and not (is_first and reference == tensor.id):
        raise UnknownStep(f"scale_range takes its percentiles from another tensor ({reference})")
    low, high = float(options.min_percentile), float(options.max_percentile)
    return [Percentile(low, high, options.eps, _is_joint(step, tensor))]


def _scale_linear(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    return [ScaleLinear(_numbers(step, "gain", tensor), _numbers(step, "offset", tensor))]


def _clip(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    options = step.kwargs
    found: list[Normalisation] = []
    ends = options.min_percentile, options.max_percentile
    if ends != (None, None):
        axes = options.axes
        # For single images bioimageio.core takes values of the image, for data sets it does not.
        interpolated = axes is None or any(_kind(axis, tensor) == "batch" for axis in axes)
        found.append(PercentileClip(*ends, _is_joint(step, tensor), interpolated))
    if options.min is not None or options.max is not None:
        found.append(Clip(*(None if end is None else (end,) for end in (options.min, options.max))))
    return found


def _binarize(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    return [Binarize(_numbers(step, "threshold", tensor))]


def _sigmoid(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    return [Sigmoid()]


def _softmax(step: Any, tensor: Any, is_first: bool) -> list[Normalisation]:
    if _kind(step.kwargs.axis, tensor) != "channel":
        raise UnknownStep(f"softmax is along {step.kwargs.axis}; expected the channels")
    return [Softmax()]


_DECLARED = {
    "ensure_dtype": _cast,
    "zero_mean_unit_variance": _zero_mean_unit_variance,
    "fixed_zero_mean_unit_variance": _fixed_zero_mean_unit_variance,
    "scale_range": _scale_range,
    "scale_linear": _scale_linear,
    "clip": _clip,
    "binarize": _binarize,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


def _is_joint(step: Any, tensor: Any) -> bool:
    """Whether statistics are over all channels together; they are over all of space in any case."""
    if step.kwargs.axes is None:
        return True
    named = set(step.kwargs.axes)
    left = [a for a in tensor.axes if a.id not in named and a.type not in ("batch", "channel")]
    if any(axis.size != 1 for axis in left):
        names = ", ".join(axis.id for axis in left)
        raise UnknownStep(f"{step.id} has statistics of its own for every position along {names}")
    return any(_kind(name, tensor) == "channel" for name in named)


def _numbers(step: Any, name: str, tensor: Any) -> tuple[float, ...]:
    """One number, or one per channel."""
    axis = getattr(step.kwargs, "axis", None)
    if axis is not None and _kind(axis, tensor) != "channel":
        raise UnknownStep(f"{step.id} is along {axis}; expected the channels")
    value = getattr(step.kwargs, name)
    return tuple(map(float, value)) if isinstance(value, list) else (float(value),)


def _kind(name: Any, tensor: Any) -> str:
    """What kind of axis has a name."""
    return next((str(axis.type) for axis in tensor.axes if axis.id == name), str(name))
