"""Seg-Grad-CAM for napari: why did this network segment this region like that?

The public names are imported when they are first used, so that importing the
package loads neither torch nor napari nor Qt.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Cancelled": "errors",
    "ExplanationFileError": "errors",
    "FactoryNeeded": "errors",
    "ImageError": "errors",
    "LayerError": "errors",
    "MissingPackage": "errors",
    "NetworkError": "errors",
    "NetworkFileError": "errors",
    "OptionError": "errors",
    "OutOfMemory": "errors",
    "RegionError": "errors",
    "SegGradCamError": "errors",
    "ShapeError": "errors",
    "TargetError": "errors",
    "TrainingDataError": "errors",
    "UntrustedNetwork": "errors",
    "Network": "networks.network",
    "NetworkLayer": "networks.layers",
    "UNet": "networks.unet",
    "open_network": "networks.opening",
    "Atlas": "explain.comparison.atlas",
    "LayerComparison": "explain.comparison.layers",
    "WeightComparison": "explain.comparison.weights",
    "compare_layers": "explain.comparison.layers",
    "compare_weights": "explain.comparison.weights",
    "weight_atlas": "explain.comparison.atlas",
    "Explainer": "explain.explainer",
    "Explanation": "explain.explanation",
    "Heatmap": "explain.explanation",
    "open_explanation": "explain.explanation",
    "explain_large": "explain.large",
    "border": "explain.regions.weighted",
    "contrast": "explain.regions.weighted",
    "everywhere": "explain.regions.sets",
    "false_negatives": "explain.regions.sets",
    "false_positives": "explain.regions.sets",
    "label": "explain.regions.sets",
    "pixel": "explain.regions.sets",
    "predicted": "explain.regions.sets",
    "open_sample": "scenes.samples",
}

__all__ = [
    "Atlas",
    "Cancelled",
    "Explainer",
    "Explanation",
    "ExplanationFileError",
    "FactoryNeeded",
    "Heatmap",
    "ImageError",
    "LayerComparison",
    "LayerError",
    "MissingPackage",
    "Network",
    "NetworkError",
    "NetworkFileError",
    "NetworkLayer",
    "OptionError",
    "OutOfMemory",
    "RegionError",
    "SegGradCamError",
    "ShapeError",
    "TargetError",
    "TrainingDataError",
    "UNet",
    "UntrustedNetwork",
    "WeightComparison",
    "__version__",
    "border",
    "compare_layers",
    "compare_weights",
    "contrast",
    "everywhere",
    "explain",
    "explain_large",
    "false_negatives",
    "false_positives",
    "label",
    "open_explanation",
    "open_network",
    "open_sample",
    "pixel",
    "predicted",
    "weight_atlas",
]


def __getattr__(name: str) -> Any:
    if name == "explain":  # both a room and, called, a public function
        return import_module(".explain", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from .errors import (
        Cancelled,
        ExplanationFileError,
        FactoryNeeded,
        ImageError,
        LayerError,
        MissingPackage,
        NetworkError,
        NetworkFileError,
        OptionError,
        OutOfMemory,
        RegionError,
        SegGradCamError,
        ShapeError,
        TargetError,
        TrainingDataError,
        UntrustedNetwork,
    )
    from .explain.comparison.atlas import Atlas, weight_atlas
    from .explain.comparison.layers import LayerComparison, compare_layers
    from .explain.comparison.weights import WeightComparison, compare_weights
    from .explain.explainer import Explainer, explain
    from .explain.explanation import Explanation, Heatmap, open_explanation
    from .explain.large import explain_large
    from .explain.regions.sets import (
        everywhere,
        false_negatives,
        false_positives,
        label,
        pixel,
        predicted,
    )
    from .explain.regions.weighted import border, contrast
    from .networks.layers import NetworkLayer
    from .networks.network import Network
    from .networks.opening import open_network
    from .networks.unet import UNet
    from .scenes.samples import open_sample
