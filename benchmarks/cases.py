"""What the contestants are asked: a network, its nine network layers, images and regions.

The reference network is a U-Net of depth 4 and base width 32 with batch norm and in-place ReLU, 1
channel and 3 classes; the network layers are the second convolution of every block, nine in all.
Right before an instance norm weights are zero, so that its nine are the second ReLU of every block.
"""

import copy
from collections.abc import Iterable
from typing import Self

import numpy as np
import torch
from torch import nn

import napari_seggradcam as sgc

TARGET = 1
SIDE = 32
"""Pixels along a side of a region."""

# Nine blocks, so that the first few of this order are spread over the depth of the network.
_SPREAD = (4, 8, 0, 6, 2, 7, 1, 5, 3)


class Case:
    """A network, its nine network layers, and images and regions that are new every time.

    Parameters
    ----------
    module
        The network; it is put into evaluation mode.
    network
        The same.
    size
        Pixels along a side of the image.
    kind
        What stands in the nine network layers' names: ``"conv"`` or ``"relu"``.
    """

    def __init__(self, module: nn.Module, network: sgc.Network, size: int, kind: str = "conv"):
        self.module = module.eval()
        self.network = network
        self.size = size
        self.layers = {
            layer.name: layer.module
            for layer in network.layers
            if layer.kind == kind and layer.name.endswith(" 2")
        }
        assert len(self.layers) == 9
        self.is_local = kind == "conv"
        self.random = np.random.default_rng(0)

    @classmethod
    def reference(cls, size: int, norm: str = "batch", base_width: int = 32) -> Self:
        """The reference network, or the same with instance norm."""
        torch.manual_seed(0)
        module = sgc.UNet(in_channels=1, out_channels=3, depth=4, base_width=base_width)
        if norm == "instance":
            _to_instance_norm(module)
        kind = "relu" if norm == "instance" else "conv"
        return cls(module, sgc.Network.from_module(module), size, kind)

    def with_layers(self, number: int) -> Self:
        """The same case, asked about fewer network layers, spread over the network's depth."""
        case = copy.copy(self)
        names = list(self.layers)
        case.layers = {names[i]: self.layers[names[i]] for i in sorted(_SPREAD[:number])}
        return case

    def with_size(self, size: int) -> Self:
        """The same network and network layers, and images of another size."""
        case = copy.copy(self)
        case.size = size
        return case

    def image(self) -> np.ndarray:
        """A new image."""
        return self.random.random((self.size, self.size), np.float32)

    def region(self, side: int = SIDE) -> np.ndarray:
        """A new square region."""
        y, x = self.random.integers(0, self.size - side, 2)
        mask = np.zeros((self.size, self.size), bool)
        mask[y : y + side, x : x + side] = True
        return mask

    def everywhere(self) -> np.ndarray:
        """The whole image as region."""
        return np.ones((self.size, self.size), bool)

    def instances(self, number: int) -> np.ndarray:
        """Labels of discs and squares at random places, no two of which touch."""
        side = min(SIDE, self.size // 12)  # small images have no room for more
        radius = np.hypot(*(np.mgrid[:side, :side] - (side - 1) / 2))
        shapes = [np.ones((side, side), bool), radius <= side / 2]
        labels = np.zeros((self.size, self.size), np.int32)
        label = 0
        while label < number:
            y, x = self.random.integers(1, self.size - side, 2)
            if labels[y - 1 : y + side + 1, x - 1 : x + side + 1].any():
                continue
            label += 1
            labels[y : y + side, x : x + side][shapes[label % 2]] = label
        return labels

    def modules(self) -> Iterable[tuple[str, nn.Module]]:
        """The network layers as torch modules."""
        return ((name, self.module.get_submodule(path)) for name, path in self.layers.items())


def _to_instance_norm(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.InstanceNorm2d(child.num_features, affine=True))
        else:
            _to_instance_norm(child)
