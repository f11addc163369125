"""Whether an image can be computed in the memory that is free.

An operating system that is out of memory ends the process without a word, and with it whatever
else it was doing; so large images run by parts, and those that can't fit are refused before
anything runs.
"""

import math
from collections.abc import Sequence

import psutil
import torch

from ..errors import ImageError
from ..networks.network import Network
from .reach import reach_of

PIXELS_OF_A_BATCH = 2**18
"""Pixels that run at once at most where there is a choice: more are no faster on processors."""

# Of what a pass with gradients takes. A pass without lets go of feature maps on the way; from 0.16
# to 0.54 was measured with U-Nets in 2D and 3D.
_FORWARD = 1 / 3

# What may be kept, of the memory that is free when an image is opened.
_KEPT = 0.25

# What a pass may take by custom where an image is computed in parts.
_PASS = 2**30

# Blocks of a part along an axis, at least: with less, most of it is margin.
_BLOCKS = 8


def default_budget(device: torch.device) -> int:
    """Bytes that feature maps may take by custom: a quarter of what is free on a device."""
    return int(_KEPT * free_memory(device))


def default_memory() -> int:
    """Bytes that a pass may take by custom: 1 GiB, or a quarter of what the machine has.

    What is free does not count, so that a computation that is gone on with is divided as it was.
    """
    return min(_PASS, psutil.virtual_memory().total // 4)


def free_memory(device: torch.device) -> int:
    """Bytes that are free where a device computes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def bytes_per_pixel(network: Network) -> int:
    """What autograd keeps of a pass, per input pixel: about all feature maps."""
    values = sum(layer.channels / math.prod(layer.stride) for layer in network.layers)
    return max(1, round(4 * values))


def needed_memory(network: Network, shape: Sequence[int]) -> int:
    """Bytes that the passes over a whole image take at least, estimated.

    Networks that see locally run over all of it without gradients only.

    Parameters
    ----------
    network
        The network.
    shape
        Spatial shape of the padded image.
    """
    share = 1.0 if reach_of(network, shape).axes is None else _FORWARD
    precision = 2 if network.precision == "float64" else 1
    return round(share * precision * bytes_per_pixel(network) * math.prod(shape))


def pixels_at_once(network: Network, shape: Sequence[int], keep: int) -> int | None:
    """How many pixels may run at once for all to fit in the memory that is free.

    Parameters
    ----------
    network
        The network.
    shape
        Spatial shape of the padded image.
    keep
        Bytes that kept feature maps may take.

    Returns
    -------
    int or None
        None: the whole image.

    Raises
    ------
    ImageError
        If not even parts of it fit, or the network can't be asked by parts; it says how much is
        needed and free, and what to do.
    """
    needed, free = needed_memory(network, shape), free_memory(network.device)
    axes = reach_of(network, shape).axes
    keep = 0 if axes is None else min(keep, bytes_per_pixel(network) * math.prod(shape))
    if needed + keep <= free:
        return None
    if axes is not None:
        pixels = (free - keep - _around_passes(network, shape)) // bytes_per_pixel(network)
        if pixels >= math.prod(a.before + _BLOCKS * a.stride + a.after for a in axes):
            return pixels
        advice = (
            "Compute it tile by tile, onto the disk: napari_seggradcam.explain_large in Python, "
            "or seggradcam explain --large. Or choose a part of the image."
        )
    else:
        advice = (
            "The network sees the whole image at once, so that it can't be computed in parts: "
            "choose a part of the image, or a device with more memory."
        )
    size = " × ".join(f"{n:,}" for n in shape)
    raise ImageError(
        f"An image of {size} pixels takes about {_gibibytes(needed)} of memory with this network, "
        f"and {_gibibytes(free)} are free. {advice}"
    )


def _around_passes(network: Network, shape: Sequence[int]) -> int:
    """Bytes of what passes by parts leave whole: the image twice, logits and one heatmap."""
    return 4 * (2 * network.channels + 2 * network.rows + 2) * math.prod(shape)


def _gibibytes(number: int) -> str:
    return f"{number / 2**30:.3g} GiB"
