"""Inputs that are to say nothing: what methods compare the image with, or put in its place.

The field calls them baselines. None of them is neutral to every network, and what a method
finds depends on the choice; see Sturmfels, Lundberg, Lee: Visualizing the Impact of Feature
Attribution Baselines. Distill, 2020.
"""

import numpy as np
import torch
from scipy import ndimage

from ..errors import OptionError, ShapeError

KINDS = ("zero", "mean", "blur", "noise")
# Pixels; objects of some tens of pixels go, the brightness of a place stays.
_SIGMA = 10.0

Neutral = str | torch.Tensor


def neutral_input(tensor: torch.Tensor, kind: Neutral, seed: int = 0) -> torch.Tensor:
    """An input of the same shape that is to say nothing.

    Parameters
    ----------
    tensor
        Normalised input of shape (1, channels, *spatial).
    kind
        ``"zero"``: zero after the normalisation, which for standardised images is their mean or
        that of the training images; ``"mean"``: each channel's mean; ``"blur"``: a Gaussian blur of
        10 pixels; ``"noise"``: normal noise of each channel's mean and standard deviation. Or an
        input of one's own, of the shape of ``tensor``, such as the crop of a blurred whole.
    seed
        Of the noise.

    Raises
    ------
    OptionError
        If there is no such kind.
    ShapeError
        If the given input has another shape.
    """
    if isinstance(kind, torch.Tensor):
        if kind.shape != tensor.shape:
            raise ShapeError(
                f"The baseline has the shape {tuple(kind.shape)}; expected that of the network's "
                f"input, {tuple(tensor.shape)}."
            )
        return kind.detach().to(tensor)
    check_kind(kind)
    axes = tuple(range(2, tensor.ndim))
    mean = tensor.mean(axes, keepdim=True)
    if kind == "zero":
        return torch.zeros_like(tensor)
    if kind == "mean":
        return mean.expand_as(tensor).clone()
    if kind == "noise":
        # On the processor, so that the noise does not depend on the device.
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)
        return mean + noise * tensor.std(axes, correction=0, keepdim=True)
    values = tensor.cpu().numpy()
    blurred = ndimage.gaussian_filter(values, (0, 0, *[_SIGMA] * len(axes)), mode="nearest")
    return torch.from_numpy(np.ascontiguousarray(blurred)).to(tensor)


def check_kind(kind: object, kinds: tuple[str, ...] = KINDS) -> None:
    """Raise `OptionError` if a baseline is neither given nor of one of these kinds."""
    if isinstance(kind, torch.Tensor) or (isinstance(kind, str) and kind in kinds):
        return
    expected = (
        f"expected one of {', '.join(map(repr, kinds))}, or a tensor of the shape of the "
        "network's input."
    )
    if isinstance(kind, np.ndarray):
        raise OptionError(
            f"The baseline is a numpy array of the shape {kind.shape}; {expected} "
            "torch.from_numpy makes one of it."
        )
    raise OptionError(f"There is no baseline {kind!r}; {expected}")


def kind_in_words(kind: Neutral) -> str:
    """Name of a baseline, for the record."""
    return "given" if isinstance(kind, torch.Tensor) else kind
