"""Running somebody's module so that it is afterwards exactly as it was found."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import Cancelled, NetworkError, OutOfMemory, SegGradCamError
from .progress import Cancel

_JOINS = {"cat", "concat", "concatenate", "add", "add_", "__add__", "__radd__", "__iadd__"}
ACTIVATIONS = {"softmax", "log_softmax", "sigmoid", "sigmoid_"}


@contextmanager
def as_found(module: nn.Module) -> Iterator[None]:
    """Evaluation mode with frozen parameters inside; everything as it was outside.

    Kept are every module's train flag and buffers, every parameter's ``requires_grad`` and the
    random state of the CPU and of the module's devices, also when an exception leaves the block.
    Gradients in ``.grad`` are never touched, because nothing here calls ``backward``.
    """
    owners = list(module.modules())
    training = [(owner, owner.training) for owner in owners]
    parameters = [p for owner in owners for p in owner._parameters.values() if p is not None]
    frozen = [(p, p.requires_grad) for p in parameters]
    buffers = [
        (owner, name, buffer, None if buffer is None else buffer.clone())
        for owner in owners
        for name, buffer in owner._buffers.items()
    ]
    devices = sorted({p.device.index for p in parameters if p.is_cuda})
    with torch.random.fork_rng(devices):
        try:
            # To set a flag that is set already takes time.
            if any(flag for _, flag in training):
                module.eval()
            for parameter in parameters:
                parameter.requires_grad_(False)
            yield
        finally:
            for owner, flag in training:
                if owner.training != flag:
                    owner.training = flag
            for parameter, flag in frozen:
                parameter.requires_grad_(flag)
            for owner, name, buffer, content in buffers:
                if getattr(owner, name) is not buffer:
                    setattr(owner, name, buffer)
                # A batch norm that learns in evaluation does not count as a change to autograd,
                # and a needless copy would.
                if buffer is not None and content is not None and not buffer.equal(content):
                    with torch.no_grad():
                        buffer.copy_(content)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters are."""
    parameter = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def dtype_of(module: nn.Module) -> torch.dtype:
    """Type of a module's parameters."""
    parameter = next(module.parameters(), None)
    return torch.float32 if parameter is None else parameter.dtype


def state_of(module: nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers, in one walk."""
    return [
        tensor
        for owner in module.modules()
        for tensors in (owner._parameters, owner._buffers)
        for tensor in tensors.values()
        if tensor is not None
    ]


def versions_of(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where parameters and buffers are and how often they were changed; equal if none was."""
    return tuple((tensor.data_ptr(), version_of(tensor)) for tensor in state_of(module))


def call_module(module: nn.Module, tensor: torch.Tensor) -> Any:
    """What a module returns for an input.

    Raises
    ------
    NetworkError
        If the module raises any error of its own; it is somebody else's code.
    OutOfMemory
        If memory ran out.
    """
    try:
        with shortage_told():
            return module(tensor)
    except SegGradCamError:
        raise
    except Exception as error:
        raise NetworkError(
            f"The network failed on an input of shape {tuple(tensor.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error


def digest_of(module: nn.Module) -> str:
    """Hash of a module's parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        values = tensor.detach().cpu().flatten().contiguous()
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def shortage_told() -> Iterator[None]:
    """Raise `OutOfMemory` for what torch raises when memory ran out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, SegGradCamError) or not _is_shortage(error):
            raise
        raise OutOfMemory(f"Memory ran out: {error}") from error


def _is_shortage(error: Exception) -> bool:
    # Only graphics cards have a class for it; the others are told by their words.
    words = ("out of memory", "can't allocate memory", "not enough memory")
    is_of_a_kind = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_of_a_kind or any(word in str(error).lower() for word in words)


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """The same values with the channels of a position next to each other.

    Convolutions in 2D are faster so, and hand the layout on; instance norm loses digits.
    `torch.Tensor.contiguous` does nothing for one channel, where both layouts are the same but
    for strides that nobody needs; convolutions look at these strides.
    """
    if tensor.ndim != 4:
        return tensor
    _, channels, height, width = tensor.shape
    strides = (channels * height * width, 1, width * channels, channels)
    return torch.empty_strided(
        tensor.shape, strides, dtype=tensor.dtype, device=tensor.device
    ).copy_(tensor)


@contextmanager
def cancellable(module: nn.Module, cancel: Cancel | None) -> Iterator[None]:
    """Ask ``cancel`` now and before each leaf module; raise `Cancelled` when it says so."""
    if cancel is None:
        yield
        return

    def ask(child: nn.Module, inputs: tuple[Any, ...]) -> None:
        stop_if(cancel)

    stop_if(cancel)
    with ExitStack() as hooks:
        for leaf in leaves(module).values():
            hooks.callback(leaf.register_forward_pre_hook(ask).remove)
        yield


def stop_if(cancel: Cancel | None) -> None:
    """Raise `Cancelled` if the caller wants to stop."""
    if cancel is not None and cancel():
        raise Cancelled("The computation was cancelled; nothing was changed.")


def leaves(module: nn.Module) -> dict[str, nn.Module]:
    """Modules without children by dotted path; a module that stands twice has its first path.

    What ``torch.nn.utils.parametrize`` hangs under a module (weight norm, spectral norm) makes
    its weights and is not a child in this sense.
    """
    return {
        path: m
        for path, m in module.named_modules()
        if path
        and "parametrizations" not in path.split(".")
        and all(name == "parametrizations" for name, _ in m.named_children())
    }


class FunctionCalls(TorchFunctionMode):
    """Sees every torch function that a module calls, and numbers the ones that matter.

    *Joins* are concatenations and additions of two or more maps of equal spatial size;
    *activations* are softmax and sigmoid functions. Both are numbered from 0 in the order of
    their calls, which does not depend on the size of the image. Subclasses override `join`.

    Parameters
    ----------
    ndim
        Number of spatial axes of the network.
    bypass
        Number of the activation that is left out: its input is returned instead.
    """

    def __init__(self, ndim: int, bypass: int | None = None):
        super().__init__()
        self.ndim = ndim
        self.bypass = bypass
        self.joins = 0
        self.activations = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Count the call, let subclasses act on it, and run it."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in ACTIVATIONS:
            number, self.activations = self.activations, self.activations + 1
            if number == self.bypass:
                return args[0] if args else kwargs["input"]
        if name in _JOINS and self.is_join(args, kwargs):
            number, self.joins = self.joins, self.joins + 1
            args, kwargs = self.join(number, args, kwargs)
        return self.call(name, func, args, kwargs)

    def call(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run one torch function."""
        return func(*args, **kwargs)

    def join(
        self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments with which join ``number`` shall run."""
        return args, kwargs

    def is_join(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether two or more maps of one spatial size come together in a call."""
        maps = tensors_in((args, kwargs))
        sizes = {tuple(t.shape[2:]) for t in maps}
        return len(maps) > 1 and len(sizes) == 1 and all(t.ndim == self.ndim + 2 for t in maps)


def version_of(tensor: torch.Tensor) -> int:
    """How often a tensor, or one that shares its memory, was changed in place.

    Of tensors made in inference mode torch does not know; for them it is 0.
    """
    return 0 if tensor.is_inference() else tensor._version


def memory_of(tensor: torch.Tensor) -> int:
    """What is the same for tensors that share their memory."""
    return int(tensor.untyped_storage()._cdata)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


def replace_tensor(value: Any, number: int, new: torch.Tensor) -> Any:
    """Nested tuples, lists and dicts with tensor ``number`` (as in `tensors_in`) replaced."""
    if isinstance(value, torch.Tensor):
        return new if number == 0 else value
    if isinstance(value, dict):
        return dict(zip(value, replace_tensor(list(value.values()), number, new), strict=True))
    if isinstance(value, tuple | list):
        items = []
        for item in value:
            count = len(tensors_in(item))
            items.append(replace_tensor(item, number, new) if 0 <= number < count else item)
            number -= count
        return tuple(items) if isinstance(value, tuple) else items
    return value
