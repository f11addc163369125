"""The U-Net of Ronneberger, Fischer and Brox (MICCAI 2015), in 2D and 3D."""

from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn

from ..errors import OptionError

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_INTERPOLATION = {2: "bilinear", 3: "trilinear"}


class Block(nn.Sequential):
    """Two 3-wide convolutions, each followed by a norm (if any) and an in-place ReLU."""

    def __init__(self, ndim: int, channels_in: int, channels_out: int, padding: int, norm: str):
        modules: list[nn.Module] = []
        for first, second in pairwise((channels_in, channels_out, channels_out)):
            bias = norm == "none"  # a batch norm has a bias of its own
            modules.append(_CONVOLUTION[ndim](first, second, 3, padding=padding, bias=bias))
            if norm == "batch":
                modules.append(_BATCH_NORM[ndim](second))
            modules.append(nn.ReLU(inplace=True))
        super().__init__(*modules)


class Up(nn.Module):
    """One step of the expanding path: up by two, join with the skip, convolve.

    Parameters
    ----------
    ndim
        Number of spatial axes.
    channels
        Channels of the tensor from below; the skip has half as many.
    padding, norm
        As for `Block`.
    upsampling
        ``"transposed"``: a transposed convolution of width 2 (the paper's up-convolution);
        ``"interpolate"``: linear interpolation, then a convolution of width 1.
    """

    def __init__(self, ndim: int, channels: int, padding: int, norm: str, upsampling: str):
        super().__init__()
        half = channels // 2
        if upsampling == "transposed":
            self.up: nn.Module = _TRANSPOSED[ndim](channels, half, 2, stride=2)
        else:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode=_INTERPOLATION[ndim], align_corners=False),
                _CONVOLUTION[ndim](channels, half, 1),
            )
        self.block = Block(ndim, channels, half, padding, norm)

    def forward(self, below: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Join ``below`` (B, channels, *spatial) with ``skip`` (B, channels / 2, *2 spatial)."""
        above = self.up(below)
        joined: torch.Tensor = self.block(torch.cat([_centre(skip, above), above], dim=1))
        return joined


def _centre(skip: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Crop the skip to the size that unpadded convolutions have left."""
    for axis in range(2, skip.ndim):
        extra = skip.shape[axis] - like.shape[axis]
        if extra:
            skip = skip.narrow(axis, extra // 2, like.shape[axis])
    return skip


class UNet(nn.Module):
    """U-Net that maps an image (B, channels, *spatial) to logits (B, classes, *spatial).

    Parameters
    ----------
    ndim
        Number of spatial axes, 2 or 3.
    in_channels, out_channels
        Channels of the image; rows of logits (one for a network with a sigmoid behind it).
    depth
        How often the contracting path halves the resolution.
    base_width
        Channels of the first block; every level has twice as many as the one above.
    convolution
        ``"same"`` pads by zeros, so that logits are as large as the image;
        ``"valid"`` is the unpadded original, whose output is smaller than its input.
    norm
        ``"batch"`` or ``"none"`` (the original).
    upsampling
        ``"transposed"`` (the original) or ``"interpolate"``.

    Raises
    ------
    OptionError
        If an option has no such value.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image
    Segmentation. MICCAI 2015. The 3D form: Ö. Çiçek et al., MICCAI 2016.
    """

    def __init__(
        self,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 2,
        depth: int = 4,
        base_width: int = 32,
        convolution: Literal["same", "valid"] = "same",
        norm: Literal["batch", "none"] = "batch",
        upsampling: Literal["transposed", "interpolate"] = "transposed",
    ):
        super().__init__()
        self.config: dict[str, Any] = {
            "ndim": ndim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depth": depth,
            "base_width": base_width,
            "convolution": convolution,
            "norm": norm,
            "upsampling": upsampling,
        }
        _check(self.config)
        padding = 1 if convolution == "same" else 0
        widths = [base_width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            Block(ndim, below, width, padding, norm)
            for below, width in pairwise([in_channels, *widths[:-1]])
        )
        self.pool = nn.ModuleList(_MAX_POOL[ndim](2) for _ in range(depth))
        self.bottleneck = Block(ndim, widths[-2], widths[-1], padding, norm)
        self.decoder = nn.ModuleList(
            Up(ndim, width, padding, norm, upsampling) for width in reversed(widths[1:])
        )
        self.head = _CONVOLUTION[ndim](base_width, out_channels, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, out_channels, *spatial) of an image (B, in_channels, *spatial)."""
        skips: list[torch.Tensor] = []
        features = image
        # TorchScript, which compiles this text, knows neither strict= nor reversed().
        for block, pool in zip(self.encoder, self.pool):  # noqa: B905
            skips.append(block(features))
            features = pool(skips[-1])
        features = self.bottleneck(features)
        for up in self.decoder:
            features = up(features, skips.pop())
        logits: torch.Tensor = self.head(features)
        return logits

    def describe(self) -> str:
        """One line that names the architecture."""
        c = self.config
        norm = "batch norm" if c["norm"] == "batch" else "no norm"
        return (
            f"U-Net {c['ndim']}D, depth {c['depth']}, base width {c['base_width']}, {norm}, "
            f"{c['convolution']} convolutions, {c['upsampling']} upsampling"
        )


def _check(config: dict[str, Any]) -> None:
    allowed: dict[str, tuple[Any, ...]] = {
        "ndim": (2, 3),
        "convolution": ("same", "valid"),
        "norm": ("batch", "none"),
        "upsampling": ("transposed", "interpolate"),
    }
    for option, values in allowed.items():
        if config[option] not in values:
            names = " or ".join(map(repr, values))
            raise OptionError(f"U-Net option {option} is {config[option]!r}; it must be {names}.")
    for option in ("in_channels", "out_channels", "depth", "base_width"):
        number = config[option]
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise OptionError(
                f"U-Net option {option} is {number!r}; it must be a whole number, 1 or more."
            )
