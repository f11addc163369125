"""What the network predicts, as napari layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from .inputs import InputPlan


def prediction_layer(
    prediction: NDArray[Any],
    plan: InputPlan,
    classes: Sequence[str],
    colours: Sequence[str],
    network_name: str,
) -> Labels:
    """Return the predicted class of every pixel as a Labels layer, marked as ours.

    Label values are class indices; the class name under the pointer shows in
    napari's status bar. Not yet in a viewer: see `ResultLayers.put`.

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
    ...


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
    ...
