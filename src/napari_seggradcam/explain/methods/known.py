"""The methods by name."""

from dataclasses import fields
from typing import Any

from ...errors import OptionError
from ..baselines import MeanActivation, PredictionMap, RandomWeights, SobelEdges
from ..grid_saliency import GridSaliency
from ..options import check_known
from ..pixels import InputTimesGradient, IntegratedGradients, Occlusion, Saliency, SmoothGrad
from ..relevance.method import LayerwiseRelevance
from ..substitution import AblationCam, LayerIntegratedGradients
from .cams import (
    GradCamPlusPlus,
    LayerCam,
    SegGradCam,
    SegHiResGradCam,
    SegXResCam,
    XGradCam,
)
from .weighting import Method

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        SegGradCam,
        SegHiResGradCam,
        SegXResCam,
        LayerCam,
        XGradCam,
        GradCamPlusPlus,
        AblationCam,
        LayerIntegratedGradients,
        LayerwiseRelevance,
        Saliency,
        InputTimesGradient,
        IntegratedGradients,
        SmoothGrad,
        Occlusion,
        GridSaliency,
        RandomWeights,
        MeanActivation,
        SobelEdges,
        PredictionMap,
    )
}


def method_of(name: str, options: dict[str, Any]) -> Method:
    """A method with its options.

    Parameters
    ----------
    name
        One of `METHODS`.
    options
        By name; what is missing is as by custom.

    Raises
    ------
    OptionError
        If there is no such method, it has no such option, or the option no such value.
    """
    check_known("method", name, METHODS)
    method = METHODS[name]
    known = [field.name for field in fields(method)]  # type: ignore[arg-type]
    unknown = options.keys() - set(known)
    if unknown:
        given = ", ".join(sorted(unknown))
        raise OptionError(
            f"The method {name!r} has no option {given}; "
            + (f"it takes {', '.join(known)}." if known else "it takes none.")
        )
    return method(**options)
