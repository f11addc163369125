"""Whether an image can be computed in the memory that is free.

An operating system that is out of memory ends the process without a word, and with it whatever
else it was doing; so images that can't fit are refused before anything runs.
"""

import math
from collections.abc import Sequence

import psutil
import torch

from ..errors import ImageError
from ..networks.network import Network
from .passes import bytes_per_pixel
from .reach import reach_of

# Of what a pass with gradients takes. A pass without lets go of feature maps on the way; from 0.16
# to 0.54 was measured with U-Nets in 2D and 3D.
_FORWARD = 1 / 3


def free_memory(device: torch.device) -> int:
    """Bytes that are free where a device computes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


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


def check_fits(network: Network, shape: Sequence[int]) -> None:
    """Refuse an image that takes more memory than is free.

    Parameters
    ----------
    network
        The network.
    shape
        Spatial shape of the padded image.

    Raises
    ------
    ImageError
        If it does not fit; it says how much is needed and free, and what to do.
    """
    needed, free = needed_memory(network, shape), free_memory(network.device)
    if needed <= free:
        return
    if reach_of(network, shape).axes is None:
        advice = (
            "The network sees the whole image at once, so that it can't be computed in parts: "
            "choose a part of the image, or a device with more memory."
        )
    else:
        advice = (
            "Compute it tile by tile, onto the disk: napari_seggradcam.explain_large in Python, "
            "or seggradcam explain --large. Or choose a part of the image."
        )
    size = " × ".join(f"{n:,}" for n in shape)
    raise ImageError(
        f"An image of {size} pixels takes about {_gibibytes(needed)} of memory with this network, "
        f"and {_gibibytes(free)} are free. {advice}"
    )


def _gibibytes(number: int) -> str:
    return f"{number / 2**30:.3g} GiB"
