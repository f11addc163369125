"""What the network predicts, as napari layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils import DirectLabelColormap
from numpy.typing import NDArray

from .inputs import InputPlan
from .ownership import mark

_TRANSPARENT = "#00000000"


def prediction_layer(
    prediction: NDArray[Any],
    plan: InputPlan,
    classes: Sequence[str],
    colours: Sequence[str],
    network_name: str,
) -> Labels:
    """Return the predicted class of every pixel as a Labels layer, marked as ours.

    Label values are class indices; the class name under the pointer shows in
    napari's status bar. A class 0 called "background" is transparent. Not yet
    in a viewer: see `ResultLayers.put`.

    Parameters
    ----------
    prediction : (*spatial) int array
        Class indices, ``Explainer.prediction``.
    plan : InputPlan
        The image.
    classes : sequence of str
        Class names.
    colours : sequence of str
        One "#rrggbb" per class.
    network_name : str
        For the layer's name.
    """
    dtype = np.uint8 if len(classes) < 256 else np.uint16
    colour: dict[int | None, str] = {None: _TRANSPARENT, **dict(enumerate(colours))}
    if classes[0].lower() == "background":
        colour[0] = _TRANSPARENT
    layer = Labels(
        np.array(plan.spread(prediction.astype(dtype))),
        name=f"{network_name} · prediction",
        features={"index": np.arange(len(classes)), "class": list(classes)},
        colormap=DirectLabelColormap(color_dict=colour),
        opacity=0.5,
        **plan.transform(),
    )
    return mark(layer, "prediction", "prediction", network=network_name)


def logit_layer(
    logits: NDArray[np.float32],
    class_index: int,
    plan: InputPlan,
    classes: Sequence[str],
    network_name: str,
) -> Image:
    """Return the logit of one class as an Image layer in raw units, marked as ours.

    Colours diverge at logit 0.

    Parameters
    ----------
    logits : (classes, *spatial) float32 array
        ``Explainer.logits``.
    class_index : int
        Which class.
    plan, classes, network_name
        As in `prediction_layer`.
    """
    values = logits[class_index]
    largest = float(np.abs(values).max()) or 1.0
    layer = Image(
        plan.spread(values),
        name=f"{network_name} · logit of {classes[class_index]}",
        colormap="coolwarm",
        contrast_limits=(-largest, largest),
        rgb=False,
        **plan.transform(),
    )
    return mark(layer, "logit", classes[class_index], network=network_name)
