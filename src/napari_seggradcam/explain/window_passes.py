"""Passes of a network over windows of an image that is larger than memory."""

import torch

from ..networks.layers import NetworkLayer
from ..networks.network import Network
from ..networks.progress import Cancel
from ..networks.running import cancellable, channels_last, stop_if
from ..networks.windows import WindowedImage
from .capture import Capture, OnMaps, Reading
from .crops import Crop
from .methods.gradient import sums
from .patches import Patch
from .regions.region import Box
from .scores import Score

SumsByLayer = dict[str, tuple[torch.Tensor, torch.Tensor]]


class WindowPasses:
    """Passes of a network over windows of an image.

    Parameters
    ----------
    network
        Use everything here with its lock held, inside `as_found`, with gradients enabled.
    image
        The image.
    layers
        The network layers that are asked about.
    cancel
        Asked before every pass and between modules.
    """

    def __init__(
        self,
        network: Network,
        image: WindowedImage,
        layers: tuple[NetworkLayer, ...],
        cancel: Cancel | None,
    ):
        self._network = network
        self._image = image
        self._layers = layers
        self._cancel = cancel

    def read(self, window: Box, on_maps: OnMaps | None) -> torch.Tensor:
        """Logits of a window, without gradients.

        Parameters
        ----------
        window
            Of the padded input, per spatial axis.
        on_maps
            Called with every network layer's name and feature maps; None: logits alone.
        """
        if on_maps is None:
            taps = Reading(self._network.module, (), lambda name, maps: None)
        else:
            taps = Reading(self._network.module, self._layers, on_maps)
        with torch.no_grad():
            return self._run(window, taps)

    def weigh(self, crop: Crop, target: int, score: Score) -> tuple[SumsByLayer, float]:
        """Sums of the gradient and of its absolute values by network layer, and the score.

        Parameters
        ----------
        crop
            A part of M and what it sees.
        target
            The class c.
        score
            What is differentiated.
        """
        found: SumsByLayer = {}

        def on_gradient(name: str, patch: Patch) -> None:
            total, size = sums(patch.values)
            found[name] = total[0], size[0]

        capture = Capture(self._network.module, self._layers, lambda name: None)
        logits = self._run(crop.window, capture)
        capture.check()
        total = score(logits, target, crop.region).sum()
        capture.backward(total, on_gradient, self._cancel)
        return found, float(total.detach())

    def _run(self, window: Box, taps: Capture | Reading) -> torch.Tensor:
        stop_if(self._cancel)
        network = self._network
        tensor = channels_last(self._image.window(window).to(network.device))
        with taps, cancellable(network.module, self._cancel):
            return network.run(tensor, taps.calls(network.ndim, network.bypass))
