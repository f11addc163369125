"""Weights of Cellpose 1 to 3: a state dict of its residual U-Net, known by its names."""

from collections.abc import Mapping

import torch

from ...errors import NetworkFileError
from ..normalisation import Percentile
from ..trust import Needs
from . import pickles
from .building import build_with_weights
from .cellpose_network import OUTPUTS, CellposeNetwork
from .checkpoints import find_state_dict
from .contents import Contents
from .reading import Reading, Request

NAME = "Cellpose"

_FIRST = "downsample.down.res_down_0.conv.conv_0.2.weight"
_KNOWN = (_FIRST, "upsample.up.res_up_0.proj.1.weight", "output.2.weight")
_DIAMETERS = ("diam_mean", "diam_labels")


def recognises(contents: Contents) -> bool:
    """Whether its tensors have the names of Cellpose's."""
    return pickles.mentions(contents, *_KNOWN)


def needs(contents: Contents, request: Request) -> Needs:
    """Numbers, as Cellpose saves them."""
    return pickles.needs_of(contents)


def read(contents: Contents, request: Request) -> Reading:
    """Open the weights; Cellpose itself is not needed.

    Raises
    ------
    NetworkFileError
        If they are not those of a network that finds cells in planes.
    """
    saved = pickles.load_agreed(contents, request.trusted)
    state = find_state_dict(saved, contents.path)
    diameters = {name: _number(state[name]) for name in _DIAMETERS if name in state}
    weights = {name: tensor for name, tensor in state.items() if name not in _DIAMETERS}
    widths, width = _shape(weights, contents)
    module = build_with_weights(lambda: CellposeNetwork(widths, width), weights, contents.path)
    diameter = diameters.get("diam_mean") or 30.0
    return Reading(
        module,
        architecture=f"Cellpose residual U-Net 2D, {len(widths) - 1} levels",
        axes="CYX",
        channels=widths[0],
        classes=("background", "cell") if request.output in (None, OUTPUTS[0]) else None,
        normalisation=Percentile(1, 99),
        values_known=True,
        provenance={name: number for name, number in diameters.items() if number is not None},
        notices=(
            f"It was trained on objects of a diameter of {diameter:g} pixels, to which Cellpose "
            "scales images first. Images are not scaled here: give them at that size.",
            "Its first channel is what is segmented, the second one the nuclei; give zeros where "
            "there are none.",
        ),
    )


def _shape(weights: Mapping[str, torch.Tensor], contents: Contents) -> tuple[tuple[int, ...], int]:
    """Channels of image and levels, and width of the convolutions."""
    first, last = weights.get(_FIRST), weights.get("output.2.weight")
    if first is None or last is None or first.ndim != 4 or len(last) != len(OUTPUTS):
        raise NetworkFileError(
            f"{contents.path} has weights of another network of Cellpose; expected one that gives "
            "flows and cell probability of planes."
        )
    widths = [first.shape[1]]
    while (name := _FIRST.replace("down_0", f"down_{len(widths) - 1}")) in weights:
        widths.append(len(weights[name]))
    return tuple(widths), first.shape[-1]


def _number(tensor: torch.Tensor) -> float | None:
    return float(tensor) if tensor.numel() == 1 else None
