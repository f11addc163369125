"""Gates: maps that only weight others, such as those of attention, and are held fixed."""

from typing import Any

import torch

from .nodes import Distribution, Sharing
from .operations import Weighted

# Activations that are bounded at both ends.
_BOUNDED = {"hardsigmoid", "hardtanh", "relu6", "sigmoid", "softmax", "tanh"}


def is_gate(tensor: torch.Tensor) -> bool:
    """Whether a tensor is the result of a bounded activation, at most moved or scaled since."""
    node: Any = tensor.grad_fn
    while node is not None:
        if kind_of(node) in _BOUNDED:
            return True
        distribution = distribution_of(node)
        if distribution is not None and isinstance(distribution.operation, Weighted):
            return False
        before = [edge for edge, _ in node.next_functions if edge is not None]
        node = before[0] if len(before) == 1 else None
    return False


def distribution_of(node: Any) -> Distribution | None:
    """What a node of autograd's graph distributes, if it is a `Distribute`."""
    found = getattr(node, "distribution", None)
    return found if isinstance(found, Distribution) else None


def kind_of(node: Any) -> str:
    """What a node of autograd's graph does, such as ``"relu"`` or ``"MaxPool2DWithIndices"``."""
    sharing = getattr(node, "sharing", None)
    if isinstance(sharing, Sharing):
        return sharing.kind
    name: str = node.name().rsplit("::", 1)[-1].rstrip("0123456789")
    name = name.removesuffix("Backward")
    return "softmax" if name == "Softmax" else name


def is_share(node: Any) -> bool:
    """Whether a node of autograd's graph is a `Share`."""
    return isinstance(getattr(node, "sharing", None), Sharing)
