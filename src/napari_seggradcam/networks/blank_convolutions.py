"""Convolutions that give the shape of their result and no content.

What sizes a module takes and what its network layers are, shapes tell. Convolutions are nearly all
of the work of a run; of one channel they take hardly any time, and refuse the same sizes.
"""

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode

_ARGUMENTS = ("input", "weight", "bias", "stride", "padding")
_NAMES = {
    **{f"conv{n}d": (*_ARGUMENTS, "dilation", "groups") for n in (1, 2, 3)},
    **{
        f"conv_transpose{n}d": (*_ARGUMENTS, "output_padding", "groups", "dilation")
        for n in (1, 2, 3)
    },
}


class BlankConvolutions(TorchFunctionMode):
    """Every convolution inside gives zeros, and all other functions what they give."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one torch function."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in _NAMES:
            return func(*args, **kwargs)
        given = {**dict(zip(_NAMES[name], args, strict=False)), **kwargs}
        maps, weight, groups = given.pop("input"), given.pop("weight"), given.pop("groups", 1)
        taken, made = weight.shape[0], weight.shape[1] * groups
        if not name.startswith("conv_transpose"):
            taken, made = made, taken
        if maps.ndim != weight.ndim or maps.shape[1] != taken:
            return func(*args, **kwargs)  # which says what does not fit
        one = func(maps[:, :1], weight[:1, :1], **{**given, "bias": None})
        return one.new_zeros((one.shape[0], made, *one.shape[2:]))
