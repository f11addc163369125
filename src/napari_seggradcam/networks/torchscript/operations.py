"""Operations of TorchScript on tensors, as the functions that people's modules call.

Where ``torch.nn.functional`` has the operation, that is called and not aten's own, because what
looks at a network from outside, such as `napari_seggradcam.networks.tracing`, knows those. Every
function here takes its arguments in the order of aten's schema.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from ...errors import NetworkFileError
from .scalars import DTYPES

Function = Callable[..., Any]

# They reach the disk, or change what is the whole program's.
_DENIED = {"aten::from_file", "aten::manual_seed", "aten::save", "aten::set_grad_enabled"}

_CONVOLUTION = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)
_DROPOUT: dict[int, Function] = {3: functional.dropout1d, 5: functional.dropout3d}


def packet(kind: str) -> Function:
    """Aten's own function for a kind of node.

    Raises
    ------
    NetworkFileError
        If it is not aten's, is not allowed, or does not exist.
    """
    namespace, _, name = kind.partition("::")
    found: Function | None = None
    if namespace == "aten":
        found = getattr(torch.ops.aten, name, None)
    if found is None or kind in _DENIED:
        raise unsupported(kind)
    return found


def scalar_overload(kind: str, overload: str) -> Function:
    """Aten's own function for numbers, such as ``"aten::pow"`` and ``"int"``."""
    if not kind.startswith("aten::") or kind in _DENIED:
        raise unsupported(kind)
    try:
        function: Function = torch._C._get_operation_overload(kind, overload)[0]
    except (RuntimeError, TypeError):
        raise unsupported(kind) from None
    return function


def unsupported(kind: str) -> NetworkFileError:
    """Error that names an operation."""
    return NetworkFileError(
        f"The TorchScript network uses the operation {kind}, which is not supported. Open the "
        "network from its state dict with factory=, or export it without this operation."
    )


def _convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *flags: bool,
) -> torch.Tensor:
    number = weight.ndim - 3
    if transposed:
        before = (x, weight, bias, stride, padding)
        return _TRANSPOSED[number](*before, output_padding, groups, dilation)
    return _CONVOLUTION[number](x, weight, bias, stride, padding, dilation, groups)


def _convolution_mode(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    return _CONVOLUTION[weight.ndim - 3](x, weight, bias, stride, padding, dilation, groups)


def _norm(
    function: Function,
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor | None,
    variance: torch.Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    *flags: bool,
) -> torch.Tensor:
    """Batch or instance norm, whose functions take their arguments in another order."""
    result: torch.Tensor = function(x, mean, variance, weight, bias, training, momentum, eps)
    return result


def _softmax(x: torch.Tensor, axis: int, dtype: Any = None) -> torch.Tensor:
    return functional.softmax(x, axis, dtype=_dtype(dtype))


def _log_softmax(x: torch.Tensor, axis: int, dtype: Any = None) -> torch.Tensor:
    return functional.log_softmax(x, axis, dtype=_dtype(dtype))


def _dtype(value: Any) -> torch.dtype | None:
    return DTYPES[value] if isinstance(value, int) else value


def _elu(x: torch.Tensor, alpha: float = 1.0, *scales: float, inplace: bool = False) -> Any:
    if any(scale != 1 for scale in scales):
        return torch.ops.aten.elu(x, alpha, *scales)
    return functional.elu(x, alpha, inplace)


def _max_pool(pool: Function) -> Function:
    def function(
        x: torch.Tensor,
        kernel: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        ceil_mode: bool = False,
    ) -> Any:
        return pool(x, kernel, stride or None, padding, dilation, ceil_mode)

    return function


def _feature_dropout(x: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    found: torch.Tensor = _DROPOUT.get(x.ndim, functional.dropout2d)(x, share, training)
    return found


def _upsample(kind: str, mode: str, aligned: bool, antialias: bool = False) -> Function:
    """Interpolation from the two forms that aten has of each.

    One has the size or the factors; the other has the size and, one by one, factors that were
    used to find it.
    """
    own = packet(kind)

    def function(x: torch.Tensor, size: Any, *options: Any) -> Any:
        corners, factors = (options[0] if aligned else None), options[aligned:]
        scales: Any = (
            factors[0] if factors and isinstance(factors[0], list | tuple) else list(factors)
        )
        if not any(scales):
            scales = None
        if size is not None and scales is not None:
            found = [int(n * (s or 0)) for n, s in zip(x.shape[2:], scales, strict=True)]
            if found != list(size):  # the factors place the pixels, the size counts them
                return own(x, size, *options)
            size = None
        return functional.interpolate(
            x,
            None if size is None else list(size),
            scales,
            mode,
            # For modes that know corners, no word means False; it avoids a warning.
            bool(corners) if aligned else None,
            antialias=antialias,
        )

    return function


def _slice(
    x: torch.Tensor,
    axis: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> torch.Tensor:
    axis = axis % x.dim()
    return x[(*(slice(None),) * axis, slice(start, stop, step))]


def _pad(x: torch.Tensor, pad: Sequence[int], value: Any = 0) -> torch.Tensor:
    return functional.pad(x, list(pad), "constant", value)


def _add(x: torch.Tensor, y: Any, alpha: Any = 1) -> torch.Tensor:
    return torch.add(x, y) if alpha == 1 else torch.add(x, y, alpha=alpha)


def _add_in_place(x: torch.Tensor, y: Any, alpha: Any = 1) -> torch.Tensor:
    return x.add_(y) if alpha == 1 else x.add_(y, alpha=alpha)


TENSORS: Mapping[str, Function] = {
    "aten::_convolution": _convolution,
    "aten::_convolution_mode": _convolution_mode,
    "aten::_upsample_bicubic2d_aa": _upsample(
        "aten::_upsample_bicubic2d_aa", "bicubic", True, antialias=True
    ),
    "aten::_upsample_bilinear2d_aa": _upsample(
        "aten::_upsample_bilinear2d_aa", "bilinear", True, antialias=True
    ),
    "aten::add": _add,
    "aten::add_": _add_in_place,
    "aten::batch_norm": partial(_norm, functional.batch_norm),
    "aten::cat": torch.cat,
    "aten::concat": torch.cat,
    "aten::constant_pad_nd": _pad,
    "aten::contiguous": lambda x, *layout: x.contiguous(),
    "aten::conv1d": functional.conv1d,
    "aten::conv2d": functional.conv2d,
    "aten::conv3d": functional.conv3d,
    "aten::conv_transpose1d": functional.conv_transpose1d,
    "aten::conv_transpose2d": functional.conv_transpose2d,
    "aten::conv_transpose3d": functional.conv_transpose3d,
    "aten::convolution": _convolution,
    "aten::dropout": functional.dropout,
    "aten::feature_dropout": _feature_dropout,
    "aten::group_norm": lambda x, *options: functional.group_norm(x, *options[:4]),
    "aten::instance_norm": partial(_norm, functional.instance_norm),
    "aten::layer_norm": lambda x, *options: functional.layer_norm(x, *options[:4]),
    "aten::linear": functional.linear,
    "aten::log_softmax": _log_softmax,
    "aten::max_pool1d": _max_pool(functional.max_pool1d),
    "aten::max_pool2d": _max_pool(functional.max_pool2d),
    "aten::max_pool3d": _max_pool(functional.max_pool3d),
    "aten::mul": torch.mul,
    "aten::pad": lambda x, pad, mode="constant", value=None: functional.pad(x, pad, mode, value),
    "aten::pixel_shuffle": functional.pixel_shuffle,
    "aten::prelu": functional.prelu,
    "aten::sigmoid": torch.sigmoid,
    "aten::slice": _slice,
    "aten::softmax": _softmax,
    "aten::softplus": functional.softplus,
    "aten::tanh": torch.tanh,
    **{
        f"aten::{'_' if 'exact' in mode else ''}upsample_{mode.replace('-', '_')}{n}d": _upsample(
            f"aten::{'_' if 'exact' in mode else ''}upsample_{mode.replace('-', '_')}{n}d",
            mode,
            False,
        )
        for mode in ("nearest", "nearest-exact")
        for n in (1, 2, 3)
    },
    **{
        f"aten::upsample_{mode}{n}d": _upsample(f"aten::upsample_{mode}{n}d", mode, True)
        for mode, n in (("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3))
    },
}
"""By kind of node, with arguments as aten has them."""

ACTIVATIONS: Mapping[str, Function] = {
    "aten::celu": functional.celu,
    "aten::elu": _elu,
    "aten::gelu": lambda x, approximate="none": functional.gelu(x, approximate=approximate),
    "aten::hardsigmoid": functional.hardsigmoid,
    "aten::hardswish": functional.hardswish,
    "aten::hardtanh": functional.hardtanh,
    "aten::leaky_relu": functional.leaky_relu,
    "aten::mish": functional.mish,
    "aten::relu": functional.relu,
    "aten::relu6": functional.relu6,
    "aten::selu": functional.selu,
    "aten::silu": functional.silu,
}
"""Those of which aten has a twin that works in place, with the name ``…_``."""
