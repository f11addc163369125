"""The U-Net that is written most often in PyTorch: ``inc``, ``down1`` …, ``up1`` …, ``outc``.

Written from the names and shapes of its weights.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


class DoubleConv(nn.Module):
    """Two convolutions, each followed by a batch norm and an activation."""

    def __init__(self, channels: Sequence[int], bias: bool):
        super().__init__()
        modules: list[nn.Module] = []
        for first, second in pairwise(channels):
            modules.append(nn.Conv2d(first, second, 3, padding=1, bias=bias))
            modules.append(nn.BatchNorm2d(second))
            modules.append(nn.ReLU(inplace=True))
        self.double_conv = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps of a tensor (B, channels, Y, X)."""
        convolved: torch.Tensor = self.double_conv(x)
        return convolved


class Down(nn.Module):
    """Half the resolution, then two convolutions."""

    def __init__(self, channels: Sequence[int], bias: bool):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps of a tensor (B, channels, Y, X)."""
        convolved: torch.Tensor = self.maxpool_conv(x)
        return convolved


class Up(nn.Module):
    """Twice the resolution, padded to the skip and joined with it, then two convolutions."""

    def __init__(self, channels: Sequence[int], bias: bool, transposed: tuple[int, int] | None):
        super().__init__()
        if transposed is None:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(*transposed, kernel_size=2, stride=2)
        self.conv = DoubleConv(channels, bias)

    def forward(self, below: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Join ``below`` with ``skip``, which has about twice as many positions per axis."""
        below = self.up(below)
        missing = [skip.shape[axis] - below.shape[axis] for axis in (3, 2)]
        below = functional.pad(below, [n for m in missing for n in (m // 2, m - m // 2)])
        joined: torch.Tensor = self.conv(torch.cat([skip, below], dim=1))
        return joined


class OutConv(nn.Module):
    """From feature maps to logits."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of feature maps."""
        logits: torch.Tensor = self.conv(x)
        return logits


class DoubleConvUNet(nn.Module):
    """Maps (B, channels, Y, X) to logits (B, classes, Y, X).

    Parameters
    ----------
    blocks
        Channels before, between and behind the two convolutions of ``inc``, ``down1`` …,
        ``up1`` …, in this order.
    classes
        Rows of logits.
    transposed
        Channels before and behind each transposed convolution; None where there is
        interpolation instead.
    bias
        Whether convolutions have one.
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[int]],
        classes: int,
        transposed: Sequence[tuple[int, int] | None],
        bias: bool,
    ):
        super().__init__()
        self._depth = len(transposed)
        self.inc = DoubleConv(blocks[0], bias)
        for number in range(self._depth):
            self.add_module(f"down{number + 1}", Down(blocks[1 + number], bias))
        for number, pair in enumerate(transposed):
            up = Up(blocks[1 + self._depth + number], bias, pair)
            self.add_module(f"up{number + 1}", up)
        self.outc = OutConv(blocks[-1][-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of an image."""
        levels = [self.inc(x)]
        for number in range(self._depth):
            levels.append(self.get_submodule(f"down{number + 1}")(levels[-1]))
        below = levels.pop()
        for number in range(self._depth):
            below = self.get_submodule(f"up{number + 1}")(below, levels.pop())
        logits: torch.Tensor = self.outc(below)
        return logits
