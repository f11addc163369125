"""In which numbers a network computes.

Double precision runs a copy of the module, because its numbers themselves are others. Bfloat16 is
half as long as single precision and reaches as far, with 8 bits for the digits: torch's autocast
runs convolutions in it and leaves to single precision what would suffer.
"""

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from ..errors import NetworkError, OptionError

PRECISIONS = ("float32", "float64", "bfloat16")


def name_of(dtype: torch.dtype) -> str:
    """Name of a type of numbers, such as ``"float32"``."""
    return str(dtype).removeprefix("torch.")


def check_precision(precision: str) -> None:
    """Raise `OptionError` unless it is one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise OptionError(
            f"The precision is {precision!r}; expected one of {', '.join(PRECISIONS)}."
        )


def copy_in(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy of a module with parameters and buffers of another type.

    Raises
    ------
    NetworkError
        If the module refuses to be copied.
    OptionError
        If its device does not know the type.
    """
    try:
        twin = copy.deepcopy(module)
    except Exception as error:  # it is somebody else's code
        raise NetworkError(
            f"The network's module can't be copied, which {name_of(dtype)} needs: "
            f"{type(error).__name__}: {error}. Ask in the precision that it has."
        ) from error
    try:
        return twin.to(dtype)
    except (TypeError, RuntimeError) as error:
        raise OptionError(
            f"The network's device can't compute in {name_of(dtype)}: {error}. Move the network to "
            "'cpu', or choose another precision."
        ) from error


def autocast_to(precision: str | None, device: torch.device) -> AbstractContextManager[object]:
    """What a module runs under: autocast for ``"bfloat16"``, else nothing."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
