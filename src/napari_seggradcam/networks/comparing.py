"""How far a module that was made of a file is from what the file itself computes."""

import torch
from torch import nn

from .running import call_module, tensors_in


def difference(module: nn.Module, other: nn.Module, tensor: torch.Tensor) -> float:
    """Largest difference between what two modules return.

    Parameters
    ----------
    module, other
        In evaluation mode, on the device of the tensor.
    tensor
        What both are given.

    Returns
    -------
    float
        Over all values of all tensors; infinite where there are other tensors or shapes.

    Raises
    ------
    NetworkError
        If one of them raises an error.
    """
    with torch.no_grad():
        # Copies, because a network may change its input.
        mine, theirs = (
            tensors_in(call_module(network, tensor.clone())) for network in (module, other)
        )
    if [t.shape for t in mine] != [t.shape for t in theirs]:
        return float("inf")
    pairs = [(a.double(), b.double()) for a, b in zip(mine, theirs, strict=True) if a.numel()]
    # Torch's maximum, because Python's may pass over NaN.
    return float(torch.stack([torch.zeros(()), *((a - b).abs().max() for a, b in pairs)]).max())
