"""One pass over all that the network sees, with gradients beside feature maps."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...errors import OutOfMemory
from ...networks.layers import NetworkLayer
from ...networks.progress import Cancel
from ...networks.running import cancellable
from ..capture import Capture
from ..explainer import Explainer
from ..explanation import Heatmap
from ..methods.answering import LayerAnswer, fill
from ..methods.cams import SegGradCam
from ..methods.gradient import LayerGradient
from ..methods.weighting import LayerShape
from ..patches import Patch
from ..regions.output import on_output
from ..regions.region import Footprint, Region, whole
from ..scores import Score
from .reading import footprint_of, placed

OnGradientAndMaps = Callable[[str, torch.Tensor, torch.Tensor], None]


class WholePass:
    """One pass forward over all that the network sees at once, and any number backward.

    Use inside `running`.

    Parameters
    ----------
    explainer
        Of the image.
    region
        Where the network is explained on patches, the one for this region is taken.
    layers
        Network layers whose gradients will be wanted.
    on_layer
        Called with the name of every network layer that the network has come to.
    cancel
        As for `Explainer.explain`.

    Attributes
    ----------
    view : View
        What the network sees.
    region : Footprint
        The region on the image.

    Raises
    ------
    OutOfMemory
        If memory is too short for the whole image at once.
    """

    def __init__(
        self,
        explainer: Explainer,
        region: Region | ArrayLike,
        layers: Sequence[NetworkLayer],
        on_layer: Callable[[str], None],
        cancel: Cancel | None,
    ):
        network, views, number = explainer.network, explainer.views, 0
        if network.patch is not None:
            views.logits(cancel)
            number = views.number_for(footprint_of(explainer, region))
        self.view = views.view(number)
        kept = self.view.activations
        if kept.most is not None:
            raise OutOfMemory(
                "Network layers are compared on the whole image at once, which takes more memory "
                "than is free. Choose a smaller image, or a part of it around the region."
            )
        self._cancel = cancel
        self._capture = Capture(network.module, layers, on_layer)
        with self._capture, cancellable(network.module, cancel):
            calls = self._capture.calls(network.ndim, network.bypass)
            self._logits = network.run(kept.input, calls)
        self._capture.check()
        # So that nothing has to run again to know the prediction.
        kept.keep(self._logits.detach(), {})
        self.region = footprint_of(explainer, region)

    def maps(self, name: str) -> torch.Tensor:
        """A_k of a network layer, of shape (1, channels, *spatial)."""
        return self._capture.maps[name].detach()

    def backward(
        self, region: Footprint, target: int, on_gradient: OnGradientAndMaps, *, again: bool
    ) -> float:
        """Show dS/dA_k of every network layer that the score depends on; returns S.

        Parameters
        ----------
        region, target
            M on the image, and c.
        on_gradient
            Called with name, dS/dA_k and A_k, both of shape (1, channels, *spatial).
        again
            Whether there will be another pass backward.

        Raises
        ------
        RegionError
            If the region has no pixel on the network's output.
        """
        total = Score()(self._logits, target, on_output(region, self.view.grid)).sum()

        def show(name: str, patch: Patch) -> None:
            on_gradient(name, patch.values, self.maps(name))

        self._capture.backward(total, show, self._cancel, again)
        return float(total.detach())


def heatmaps_of(
    explainer: Explainer,
    through: WholePass,
    layer: NetworkLayer,
    gradients: Sequence[LayerGradient],
) -> list[Heatmap]:
    """Heatmaps of one network layer for several regions.

    Parameters
    ----------
    explainer, layer
        Of which image, and which.
    through
        The pass that the weights came from.
    gradients
        Of every region.
    """
    maps = through.maps(layer.name)
    shape = LayerShape(layer.name, maps.shape[1], tuple(maps.shape[2:]), maps.dtype)
    method = SegGradCam()
    given = [method.weigh(gradient, shape, None) for gradient in gradients]
    found = [LayerAnswer.blank(one, shape) for one in given]
    fill(found, given, gradients, maps, whole(shape.spatial))
    stack = placed(explainer, through.view, layer, np.stack([one.signed for one in found]))
    return [
        stack.heatmap(signed, one.weights, one.empty)
        for signed, one in zip(stack.maps, found, strict=True)
    ]
