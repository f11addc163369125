"""Architectures that are known from the names and shapes of a state dict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..unet import UNet
from .double_conv import DoubleConvUNet
from .packages import load_package

State = Mapping[str, torch.Tensor]

_FIRST = ("encoder.0.0.weight", "inc.double_conv.0.weight", "conv_0.conv_0.conv.weight")
_BASIC_LEVELS = 4


@dataclass(frozen=True)
class Architecture:
    """What a state dict is of, as far as it tells.

    Attributes
    ----------
    name
        For people.
    make
        Builds the module, with any numbers.
    assumed
        What names and shapes do not tell, in a sentence; empty where they tell everything.
    """

    name: str
    make: Callable[[], nn.Module]
    assumed: str = ""


def architecture_of(state: State) -> Architecture | None:
    """The architecture of a state dict; None where it is none of the known ones.

    Raises
    ------
    MissingPackage
        If it is one of an optional package that is not installed.
    """
    state = _without_wrapper(state)
    for known in (_own, _double_conv, _basic_unet):
        try:
            found = known(state)
        except (IndexError, KeyError, ValueError):  # of shapes that have no such axis
            continue
        if found is not None:
            return found
    return None


def _without_wrapper(state: State) -> State:
    """Names without the prefix that a wrapper has put before them."""
    for anchor in _FIRST:
        for name in state:
            if name == anchor or name.endswith(f".{anchor}"):
                prefix = name.removesuffix(anchor)
                return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    return state


def _own(state: State) -> Architecture | None:
    """The `UNet` of this package."""
    if not {"encoder.0.0.weight", "bottleneck.0.weight", "decoder.0.block.0.weight"} <= set(state):
        return None
    first, head = state["encoder.0.0.weight"], state["head.weight"]
    options: dict[str, Any] = {
        "ndim": first.ndim - 2,
        "in_channels": first.shape[1],
        "out_channels": head.shape[0],
        "depth": _count(state, "decoder.{}.block.0.weight"),
        "base_width": first.shape[0],
        "norm": "batch" if "encoder.0.1.running_mean" in state else "none",
        "upsampling": "interpolate" if "decoder.0.up.1.weight" in state else "transposed",
    }
    return Architecture(
        "U-Net of napari-seggradcam",
        lambda: UNet(**options),
        "Whether its convolutions pad the image is not in the file; it is opened as if they did.",
    )


def _double_conv(state: State) -> Architecture | None:
    if not {"inc.double_conv.0.weight", "down1.maxpool_conv.1.double_conv.0.weight"} <= set(state):
        return None
    depth = _count(state, "up{}.conv.double_conv.0.weight", 1)
    levels = [str(number) for number in range(1, depth + 1)]
    names = [
        "inc.",
        *(f"down{level}.maxpool_conv.1." for level in levels),
        *(f"up{level}.conv." for level in levels),
    ]
    blocks = [_channels(state, f"{name}double_conv.") for name in names]
    ups = [state.get(f"up{level}.up.weight") for level in levels]
    transposed = [None if up is None else (up.shape[0], up.shape[1]) for up in ups]
    classes = state["outc.conv.weight"].shape[0]
    bias = "inc.double_conv.0.bias" in state
    return Architecture(
        f"U-Net with inc, down, up and outc, depth {depth}",
        lambda: DoubleConvUNet(blocks, classes, transposed, bias),
        ""
        if all(transposed)
        else "How it enlarges is not in the file; as usual with these names, it is opened with "
        "bilinear interpolation and align_corners=True.",
    )


def _channels(state: State, prefix: str) -> tuple[int, int, int]:
    """Channels before, between and behind two convolutions."""
    first, second = (state[f"{prefix}{number}.weight"] for number in (0, 3))
    return first.shape[1], first.shape[0], second.shape[0]


def _basic_unet(state: State) -> Architecture | None:
    """MONAI's BasicUNet as it is made without options for activation and dropout."""
    first = state.get("conv_0.conv_0.conv.weight")
    if first is None or "upcat_4.upsample.deconv.weight" not in state:
        return None
    levels = range(1, _BASIC_LEVELS + 1)
    downs = [state[f"down_{level}.convs.conv_0.conv.weight"] for level in levels]
    last = state["final_conv.weight"]
    norm: Any = ("instance", {"affine": "conv_0.conv_0.adn.N.weight" in state})
    options = {
        "spatial_dims": first.ndim - 2,
        "in_channels": first.shape[1],
        "out_channels": last.shape[0],
        "features": (*(len(down) for down in (first, *downs)), last.shape[1]),
        "norm": "batch" if "conv_0.conv_0.adn.N.running_mean" in state else norm,
        "bias": "conv_0.conv_0.conv.bias" in state,
    }
    nets = load_package("monai.networks.nets", "MONAI", "monai")
    return Architecture(
        "MONAI BasicUNet",
        lambda: nets.BasicUNet(**options),
        "Its activation is not in the file; it is opened with the one that BasicUNet has unless "
        "it is given another.",
    )


def _count(state: State, name: str, first: int = 0) -> int:
    """How many names there are that differ in a number."""
    count = 0
    while name.format(first + count) in state:
        count += 1
    return count
