"""The residual U-Net of Cellpose 1 to 3, with the names that its weights have.

Written from the shapes of its weights and the description in the paper.

References
----------
C. Stringer, T. Wang, M. Michaelos, M. Pachitariu: Cellpose: a generalist algorithm for cellular
segmentation. Nature Methods 18, 2021.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import nn

OUTPUTS = ("cell probability", "flow y", "flow x")
_ROWS = (2, 0, 1)  # of these outputs


def _unit(channels_in: int, channels_out: int, width: int) -> nn.Sequential:
    """Norm, activation, convolution, in this order."""
    return nn.Sequential(
        nn.BatchNorm2d(channels_in, eps=1e-5),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_in, channels_out, width, padding=width // 2),
    )


def _shortcut(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels_in, eps=1e-5), nn.Conv2d(channels_in, channels_out, 1)
    )


class _Down(nn.Module):
    """Two residual pairs of convolutions."""

    def __init__(self, channels_in: int, channels_out: int, width: int):
        super().__init__()
        self.conv = nn.Sequential()
        for number in range(4):
            first = channels_out if number else channels_in
            self.conv.add_module(f"conv_{number}", _unit(first, channels_out, width))
        self.proj = _shortcut(channels_in, channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.proj(x) + self.conv[1](self.conv[0](x))
        pair: torch.Tensor = self.conv[3](self.conv[2](x))
        return x + pair


class _Styled(nn.Module):
    """A convolution of the sum of feature maps and one number for each that the style gives."""

    def __init__(self, channels: int, style: int, width: int):
        super().__init__()
        self.conv = _unit(channels, channels, width)
        self.full = nn.Linear(style, channels)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        shifted: torch.Tensor = self.conv(x + self.full(style)[..., None, None])
        return shifted


class _Up(nn.Module):
    """Two residual pairs, whose first one takes the skip as well."""

    def __init__(self, channels_in: int, channels_out: int, style: int, width: int):
        super().__init__()
        self.conv = nn.Sequential()
        self.conv.add_module("conv_0", _unit(channels_in, channels_out, width))
        for number in range(1, 4):
            self.conv.add_module(f"conv_{number}", _Styled(channels_out, style, width))
        self.proj = _shortcut(channels_in, channels_out)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        x = self.proj(x) + self.conv[1](self.conv[0](x) + skip, style)
        pair: torch.Tensor = self.conv[3](self.conv[2](x, style), style)
        return x + pair


class CellposeNetwork(nn.Module):
    """Maps two channels (B, 2, Y, X) to the logit of the cell probability, and to flows.

    Parameters
    ----------
    widths
        Channels of the image, and of every level from fine to coarse.
    width
        Of the convolutions, in pixels.
    """

    def __init__(self, widths: Sequence[int] = (2, 32, 64, 128, 256), width: int = 3):
        super().__init__()
        style = widths[-1]
        downs, ups = nn.Sequential(), nn.Sequential()
        for level, (first, second) in enumerate(pairwise(widths)):
            downs.add_module(f"res_down_{level}", _Down(first, second, width))
        for level, (second, first) in enumerate(pairwise((*widths[1:], style))):
            ups.add_module(f"res_up_{level}", _Up(first, second, style, width))
        self.downsample = nn.ModuleDict({"maxpool": nn.MaxPool2d(2), "down": downs})
        upsampling = nn.Upsample(scale_factor=2, mode="nearest")
        self.upsample = nn.ModuleDict({"upsampling": upsampling, "up": ups})
        self.output = _unit(widths[1], len(OUTPUTS), 1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each of `OUTPUTS` as (B, 1, Y, X)."""
        levels: list[torch.Tensor] = []
        for down in cast(nn.Sequential, self.downsample["down"]):
            levels.append(down(self.downsample["maxpool"](levels[-1]) if levels else image))
        style = levels[-1].mean((2, 3))
        style = style / (style**2).sum(1, keepdim=True) ** 0.5
        x = levels[-1]
        ups = reversed(cast(nn.Sequential, self.upsample["up"]))
        for number, (up, skip) in enumerate(zip(ups, reversed(levels), strict=True)):
            x = up(self.upsample["upsampling"](x) if number else x, skip, style)
        rows = self.output(x)
        return {name: rows[:, row : row + 1] for name, row in zip(OUTPUTS, _ROWS, strict=True)}
