"""Modules built from a description that a file holds, with the weights that lie beside it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ...errors import NetworkFileError, SegGradCamError

_NAMED = 4  # as many tensors as a message names
# What a constructor may do: some calls for each of some thousand tensors, and numbers to fill
# (0.25 GB) where they are no parameters, which are not filled.
_MOST_CALLS = 20_000
_MOST_NUMBERS = 2**26


def build_with_weights(
    make: Callable[[], Any], state: Mapping[str, torch.Tensor], path: Path
) -> nn.Module:
    """Module of a description, with its weights, in evaluation mode.

    Hardly anything but the weights is allocated, whatever sizes the description asks for.

    Parameters
    ----------
    make
        Builds the module, with any numbers.
    state
        The weights, by name, which may have the prefix of a wrapper; floating point numbers
        become float32.
    path
        Where the description lies, for messages.

    Raises
    ------
    NetworkFileError
        If the module can't be built, or the weights do not fit it.
    """
    module = described_module(make, path)
    state = without_prefix(state, module)
    wrong = misfits(state, module)
    if wrong:
        raise NetworkFileError(
            f"The weights in {path} do not fit the {type(module).__name__} that is described "
            f"there: {'; '.join(wrong)}. Expected tensors of the same names and shapes; the file "
            "may be damaged, or of another version."
        )
    weights = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    module.load_state_dict(weights, assign=True)
    tensors = (*module.parameters(), *module.buffers())
    if any(tensor.is_meta for tensor in tensors):
        raise NetworkFileError(
            f"{path} describes a {type(module).__name__} with numbers that its weights do not "
            "have; it can't be built."
        )
    return module.eval()


def described_module(make: Callable[[], Any], path: Path) -> nn.Module:
    """Module of a description whose parameters have shapes and no numbers.

    Raises
    ------
    NetworkFileError
        If it can't be built.
    SegGradCamError
        What ``make`` itself says.
    """
    try:
        with torch.random.fork_rng(devices=[]), _ShapesOnly():
            module = make()
    except SegGradCamError:
        raise
    except Exception as error:  # whatever a constructor says to what it can't use
        raise NetworkFileError(
            f"{path} describes a network that can't be built: {error or type(error).__name__}. "
            "It may be damaged, or need another version of its library."
        ) from error
    if not isinstance(module, nn.Module):
        raise NetworkFileError(
            f"{path} describes a {type(module).__name__}; expected a module of torch."
        )
    return module


_FILLS = (
    torch.ops.aten.fill_.Scalar,
    torch.ops.aten.normal_.default,
    torch.ops.aten.uniform_.default,
    torch.ops.aten.zero_.default,
)


class _ShapesOnly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes what `torch.empty` makes, and with it new parameters, without memory.

    Other tensors may decide what is built, such as rates that grow with the depth, and are made,
    unless they are more or larger than those of any network.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls, self._numbers = 0, 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and torch would import its compiler, which takes a second."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ValueError(f"to build it would take more than {_MOST_CALLS:,} calls of torch")
        if func in _FILLS and args[0].is_meta:
            return args[0]  # torch would import a great deal to do nothing
        makes = any(argument.name == "device" for argument in func._schema.arguments)
        if not makes or torch.device(kwargs.get("device") or "cpu").type == "meta":
            return func(*args, **kwargs)
        shape = func(*args, **{**kwargs, "device": "meta"})
        if func is torch.ops.aten.empty.memory_format:
            return shape
        self._numbers += shape.numel()
        if self._numbers > _MOST_NUMBERS:
            raise ValueError(
                f"it would fill more than {_MOST_NUMBERS:,} numbers before its weights are read"
            )
        return func(*args, **kwargs)


def without_prefix(state: Mapping[str, torch.Tensor], module: nn.Module) -> dict[str, torch.Tensor]:
    """State dict without the prefix that a wrapper (data parallel, Lightning) has put there.

    The prefix is the one under which most names are the module's own; what stands beside it,
    such as the weights of a loss, belongs to the wrapper and is left out.
    """
    known = module.state_dict().keys()
    if state.keys() <= known:
        return dict(state)
    prefixes = [""]
    for name in state:
        parts = name.split(".")
        prefixes += [".".join(parts[:i]) + "." for i in range(1, len(parts))]

    def fitting(prefix: str) -> int:
        return sum(n.startswith(prefix) and n.removeprefix(prefix) in known for n in state)

    best = max(dict.fromkeys(prefixes), key=fitting)  # max keeps the first of equals
    return {n.removeprefix(best): t for n, t in state.items() if n.startswith(best)}


def misfits(state: Mapping[str, torch.Tensor], module: nn.Module) -> list[str]:
    """What does not fit, in words."""
    own = module.state_dict()
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    parts = {
        "missing are": [name for name in own if name not in state],
        "unknown to the module are": [name for name in state if name not in own],
        "of another shape are": shapes,
    }
    return [f"{what} {_some(names)}" for what, names in parts.items() if names]


def _some(names: list[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
