"""Asking questions: one image, one network, any number of regions."""

import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError, RegionError
from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.normalisation import normalisation_to_dict
from ..networks.running import as_found, stop_if
from . import scores, seg_grad_cam
from .activations import Activations, default_budget
from .explanation import Explanation, Heatmap
from .passes import Cancel, Found, Passes, Progress
from .regions import Region, as_region
from .seg_grad_cam import LayerAnswer

METHODS = (seg_grad_cam.NAME,)
SCORES = (scores.NAME,)
TRUNCATIONS = (None,)


@dataclass(frozen=True)
class _Question:
    """What is asked, in the form that the computation takes."""

    region: Region
    target: int | str
    layers: tuple[NetworkLayer, ...]


class Explainer:
    """Answers questions about one image.

    What the network computes on the image is computed once and kept. A question about a region
    then costs a pass over what the region can see, forward and backward; where the network is not
    local, or the region is most of the image, over the whole image.

    Parameters
    ----------
    network
        The network that is explained.
    image
        Raw values; the network's normalisation and padding are applied here.
    axes
        One letter an axis: the spatial axes ``Z``, ``Y``, ``X`` and ``C`` for channels, such as
        ``"YX"`` or ``"YXC"``. None: the spatial axes alone, or the network's own axes, whichever
        has as many axes as the image.
    memory
        Bytes that feature maps kept for the next question may take; None: a quarter of what is
        free. What does not fit is computed again for every question.
    once
        Whether there will be one question only, so that nothing is kept for the next.

    Raises
    ------
    ShapeError
        If axes or channels do not fit the network.
    ImageError
        If the image has values that are not finite.
    """

    def __init__(
        self,
        network: Network,
        image: ArrayLike,
        axes: str | None = None,
        *,
        memory: int | None = None,
        once: bool = False,
    ):
        self.network = network
        self.image = np.asarray(image)
        self.axes = axes
        self._prepared = network.prepare(image, axes)
        budget = default_budget(network.device) if memory is None else memory
        self._activations = Activations(network, self._prepared, budget, once)
        self._on_image: tuple[torch.Tensor, NDArray[np.float32]] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Spatial shape of the image."""
        return self._prepared.shape

    @property
    def memory(self) -> int:
        """Bytes that kept feature maps may take; can be set."""
        return self._activations.budget

    @memory.setter
    def memory(self, budget: int) -> None:
        self._activations.budget = budget

    @property
    def memory_used(self) -> int:
        """Bytes that kept feature maps take."""
        return self._activations.used

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits of shape (classes, *spatial), on the image grid; computed once."""
        with self.network.lock, as_found(self.network.module):
            self._activations.refresh()
            logits = self._activations.logits
            if self._on_image is None or self._on_image[0] is not logits:
                self._on_image = logits, self.network.on_image(logits, self._prepared)
            return self._on_image[1]

    @property
    def prediction(self) -> NDArray[np.intp]:
        """Class with the largest logit at every pixel, of the image's spatial shape."""
        return np.asarray(self.logits.argmax(axis=0))

    def explain(
        self,
        region: Region | ArrayLike,
        target: int | str = "predicted",
        layers: str | Iterable[str] = "bottleneck",
        *,
        method: str = seg_grad_cam.NAME,
        score: str = scores.NAME,
        truncate: None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Explanation:
        """Explain the class logit in a region.

        Parameters
        ----------
        region
            The pixels M: a boolean array on the image grid, or a region such as
            `napari_seggradcam.pixel`.
        target
            Class by index or name; ``"predicted"``: the one predicted for most pixels of M.
        layers
            Preset (``"bottleneck"``, ``"levels"``, ``"all"``), name, module path, or a list.
        method
            ``"seg-grad-cam"``.
        score
            ``"logit"``: S = Σ_M y_c, as published.
        truncate
            None: the heatmap's whole extent.
        progress
            Called with steps done, steps in all and the network layer, in the calling thread.
        cancel
            Asked between modules of the forward pass and between gradients of the backward pass.

        Returns
        -------
        Explanation

        Raises
        ------
        RegionError
            If the region is empty or does not fit the image.
        TargetError, LayerError, OptionError
            If class, network layer or option do not exist.
        NetworkError
            If the network fails on the image.
        Cancelled
            If ``cancel`` said so; nothing has changed then.
        """
        _check_option("method", method, METHODS)
        _check_option("score", score, SCORES)
        _check_option("truncate", truncate, TRUNCATIONS)
        if target != "predicted":
            target = self.network.class_index(target)
        question = _Question(as_region(region), target, self.network.select_layers(layers))
        stop_if(cancel)
        started = time.perf_counter()
        answer = self._answer(question, progress or _silent, cancel)
        answer.record["seconds"] = round(time.perf_counter() - started, 3)
        return answer

    def explain_each(
        self,
        labels: ArrayLike,
        target: int | str = "predicted",
        layers: str | Iterable[str] = "bottleneck",
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> dict[int, Explanation]:
        """Explain every label value but 0 on its own.

        Parameters
        ----------
        labels
            Whole numbers on the image grid.
        target, layers, cancel
            As for `explain`.
        progress
            Called with labels done, labels in all and the label.
        **options
            Further options of `explain`.

        Returns
        -------
        dict of int to Explanation
            In order of the label values.
        """
        array = np.asarray(labels)
        values = [int(value) for value in np.unique(array) if value != 0]
        explanations = {}
        for number, value in enumerate(values):
            if progress is not None:
                progress(number, len(values), f"label {value}")
            explanations[value] = self.explain(
                array == value, target, layers, cancel=cancel, **options
            )
        return explanations

    def _answer(
        self, question: _Question, progress: Progress, cancel: Cancel | None
    ) -> Explanation:
        with self.network.lock, as_found(self.network.module), torch.enable_grad():
            self._activations.refresh()
            mask = self._mask(question.region)

            def target() -> int:
                return self._class(question.target, mask)

            passes = Passes(self.network, self._prepared, self._activations)
            predicted = question.target == "predicted"
            found = passes.ask(mask, target, predicted, question.layers, progress, cancel)
        heatmaps = {
            layer.name: self._place(layer, found.answers[layer.name]) for layer in question.layers
        }
        class_name = self.network.classes[found.target]
        record = self._record(question, mask, found)
        return Explanation(
            heatmaps, mask, self.image, found.target, class_name, found.score, record
        )

    def _mask(self, region: Region) -> NDArray[np.bool_]:
        """M on the image; it may depend on the prediction."""
        mask = region.mask(self.image_shape, lambda: self.prediction)
        if not mask.any():
            raise RegionError(
                f"The region ({region.describe()}) has no pixel on the image; expected at "
                "least one. Draw or choose a region."
            )
        return mask

    def _class(self, target: int | str, mask: NDArray[np.bool_]) -> int:
        """Class c as an index; it may depend on the prediction."""
        if target == "predicted":
            return int(np.bincount(self.prediction[mask]).argmax())
        return self.network.class_index(target)

    def _place(self, layer: NetworkLayer, answer: LayerAnswer) -> Heatmap:
        """Cut the padding off a map and say where on the image the rest lies."""
        keep, translate = [], []
        geometry = zip(
            layer.offset, layer.stride, self._prepared.before, self.image_shape, strict=True
        )
        for axis, (offset, stride, before, size) in enumerate(geometry):
            first = offset - before
            # Positions whose cell of one stride overlaps the image.
            low = max(0, int(np.floor((-0.5 - first) / stride + 0.5)))
            high = int(np.ceil((size - 0.5 - first) / stride + 0.5))
            keep.append(slice(low, min(high, answer.signed.shape[axis])))
            translate.append(first + low * stride)
        signed, empty = np.ascontiguousarray(answer.signed[tuple(keep)]), answer.empty
        if empty is None and not (signed > 0).any():
            empty = seg_grad_cam.NO_POSITIVE_EVIDENCE
        return Heatmap(
            layer,
            signed,
            answer.weights,
            layer.stride,
            tuple(translate),
            self.image_shape,
            empty,
        )

    def _record(
        self,
        question: _Question,
        mask: NDArray[np.bool_],
        found: Found,
    ) -> dict[str, Any]:
        network, prepared = self.network, self._prepared
        return {
            "question": {
                "region": question.region.describe(),
                "region_pixels": int(np.count_nonzero(mask)),
                "region_on_output": found.region.how,
                "target": found.target,
                "class": network.classes[found.target],
                "target_given": question.target,
                "layers": [layer.name for layer in question.layers],
                "method": METHODS[0],
                "score": SCORES[0],
                "reduce": "sum",
                "truncate": None,
            },
            "network": {
                "name": network.name,
                "architecture": network.architecture,
                "parameters": network.parameters,
                "path": None if network.path is None else str(network.path),
                "sha256": network.sha256,
                "axes": network.axes,
                "channels": network.channels,
                "classes": list(network.classes),
                "normalisation": normalisation_to_dict(network.normalisation),
                "left_out_activation": network.activation,
            },
            "image": {
                "shape": list(self.image.shape),
                "dtype": str(self.image.dtype),
                "axes": self.axes,
                "padding_before": list(prepared.before),
                "padding_after": list(prepared.after),
                "padding": "reflect",
            },
            "score": found.score,
            "computed": {
                "on": found.where,
                "seconds_to_weights": round(found.seconds[0], 4),
                "seconds_to_maps": round(found.seconds[1], 4),
                "device": str(network.device),
                "dtype": str(network.dtype).removeprefix("torch."),
                "precision": network.precision,
                "napari-seggradcam": _own_version(),
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def explain(
    network: Network,
    image: ArrayLike,
    region: Region | ArrayLike,
    *,
    axes: str | None = None,
    target: int | str = "predicted",
    layers: str | Iterable[str] = "bottleneck",
    **options: Any,
) -> Explanation:
    """Ask one question of one image.

    Parameters
    ----------
    network, image, axes
        As for `Explainer`.
    region, target, layers, **options
        As for `Explainer.explain`.

    Returns
    -------
    Explanation

    See Also
    --------
    Explainer : keeps what the next question about the same image needs.
    """
    explainer = Explainer(network, image, axes, once=True)
    return explainer.explain(region, target, layers, **options)


@cache
def _own_version() -> str:
    return version("napari-seggradcam")


def _check_option(option: str, value: object, known: Sequence[object]) -> None:
    if value not in known:
        raise OptionError(f"The {option} is {value!r}; known are {', '.join(map(repr, known))}.")


def _silent(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""
