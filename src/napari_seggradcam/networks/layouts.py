"""Orders of axes that differ from (batch, channel, *spatial), such as channels last.

The module itself gets hooks that put its input and its outputs in order. It keeps its network
layers and their paths, which a wrapper around it would change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Layout:
    """Order of the axes of a tensor.

    Parameters
    ----------
    order
        One letter an axis: B for the batch, C for channels, Z, Y and X for space, and 1 for an
        axis of size 1. C may be missing where there is one channel.
    """

    order: str

    @property
    def spatial(self) -> str:
        """The spatial axes in the order that networks are run with."""
        return "".join(letter for letter in "ZYX" if letter in self.order)

    @property
    def is_usual(self) -> bool:
        """Whether it is (batch, channel, *spatial)."""
        return self.order == f"BC{self.spatial}"

    def arrange(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor (batch, channel, *spatial) in this order."""
        given, usual = self._letters
        tensor = tensor if "C" in given else tensor.squeeze(1)
        tensor = tensor.permute([usual.index(letter) for letter in given])
        for axis in self._single:
            tensor = tensor.unsqueeze(axis)
        return tensor.contiguous()

    def restore(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor in this order as (batch, channel, *spatial)."""
        for axis in reversed(self._single):
            tensor = tensor.squeeze(axis)
        given, usual = self._letters
        tensor = tensor.permute([given.index(letter) for letter in usual])
        return tensor if "C" in given else tensor.unsqueeze(1)

    @property
    def _letters(self) -> tuple[str, str]:
        """Axes but those of size 1 in this order, and in the usual one."""
        given = self.order.replace("1", "")
        return given, "".join(letter for letter in f"BC{self.spatial}" if letter in given)

    @property
    def _single(self) -> list[int]:
        return [axis for axis, letter in enumerate(self.order) if letter == "1"]


@dataclass(frozen=True)
class _InputOrder:
    layout: Layout

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.layout.arrange(inputs[0]), *inputs[1:])


@dataclass(frozen=True)
class _OutputOrder:
    layouts: Mapping[str, Layout]

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        tensors: Sequence[Any] = [output]
        if isinstance(output, Mapping):
            tensors = list(output.values())
        elif isinstance(output, tuple | list):
            tensors = output
        found = {
            name: layout.restore(tensor) if tensor.ndim == len(layout.order) else tensor
            for (name, layout), tensor in zip(self.layouts.items(), tensors, strict=False)
        }
        return found if len(self.layouts) > 1 else next(iter(found.values()))


def put_in_order(module: nn.Module, taken: Layout, returned: Mapping[str, Layout]) -> nn.Module:
    """Make a module take and return tensors (batch, channel, *spatial).

    Parameters
    ----------
    module
        Gets hooks, if its axes have another order or it has several outputs.
    taken
        Of its input.
    returned
        Of its outputs, in the order in which it returns them. Several come back in a dict with
        these names.

    Returns
    -------
    torch.nn.Module
        The module.
    """
    if not taken.is_usual:
        module.register_forward_pre_hook(_InputOrder(taken))
    if len(returned) > 1 or not all(layout.is_usual for layout in returned.values()):
        module.register_forward_hook(_OutputOrder(dict(returned)))
    return module
