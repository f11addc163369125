"""Convolutions on crops whose outputs are known already.

For networks of which there is no `Tape`, because they do something that is not known. Passes over
a crop are there for the gradient alone: what every convolution gives on the crop is a part of what
it gave on the whole image. So outputs that were kept are cut out instead of computed, and only
what lies between convolutions (norms, rectifiers, pooling) runs. On the way back a convolution's
gradient is zero but for a box, which is small close to the logits; only the box is computed.

The gradient with respect to the input of a convolution needs no values, only the weight: it is
linear. What has to be right is the place of the crop, which is checked at one position of every
convolution by computing it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from ..errors import SegGradCamError
from ..networks.precision import name_of
from .agreement import TOLERANCES
from .patches import Patch, Sizes
from .regions.region import Box

Function = Callable[..., Any]

CONVOLUTIONS = {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


class SizeMatters(SegGradCamError):
    """What a crop gives is not what the whole image gives there.

    No caller sees it. It is one of the package's errors because it goes up through the network,
    whose own errors become a `NetworkError`.
    """


@dataclass(frozen=True)
class Convolution:
    """One call of a convolution.

    Attributes
    ----------
    weight, bias
        As torch takes them.
    stride, padding, dilation, output_padding
        Per spatial axis.
    groups
        Number of groups.
    transposed
        Whether it is a transposed convolution.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    output_padding: Sizes
    groups: int
    transposed: bool

    @classmethod
    def of(cls, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Convolution | None":
        """The call of a torch function, or None where its padding is a word."""
        transposed = name.startswith("conv_transpose")
        order = ["input", "weight", "bias", "stride", "padding"]
        order += ["output_padding", "groups", "dilation"] if transposed else ["dilation", "groups"]
        given = dict(zip(order, args, strict=False)) | kwargs
        if isinstance(given.get("padding"), str):
            return None
        ndim = given["weight"].ndim - 2

        def sizes(option: str, otherwise: int) -> Sizes:
            value = given.get(option, otherwise)
            return (value,) * ndim if isinstance(value, int) else tuple(value)

        return cls(
            given["weight"],
            given.get("bias"),
            sizes("stride", 1),
            sizes("padding", 0),
            sizes("dilation", 1),
            sizes("output_padding", 0),
            given.get("groups", 1),
            transposed,
        )

    @property
    def extents(self) -> Sizes:
        """Pixels from the first to the last of the kernel, per spatial axis."""
        kernel = self.weight.shape[2:]
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, kernel, strict=True))

    def output_size(self, size: Sequence[int]) -> Sizes:
        """Spatial shape of the output for that of the input."""
        both = zip(size, self.stride, self.padding, self.extents, self.output_padding, strict=True)
        if self.transposed:
            return tuple((n - 1) * s - 2 * p + e + o for n, s, p, e, o in both)
        return tuple((n + 2 * p - e) // s + 1 for n, s, p, e, _ in both)

    def input_gradient(self, gradient: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Gradient with respect to an input of a spatial shape.

        Parameters
        ----------
        gradient
            With respect to the output, of shape (batch, channels, *spatial). Only the box in which
            it is not zero, for any item, is computed.
        size
            Spatial shape of the input.
        """
        patch = Patch.of(gradient)
        found = None if patch is None else self.back(patch, size)
        if found is None:
            channels = self.weight.shape[0 if self.transposed else 1]
            channels *= 1 if self.transposed else self.groups
            return gradient.new_zeros((gradient.shape[0], channels, *size))
        return found.inside(size)

    def back(self, patch: Patch, size: Sequence[int]) -> Patch | None:
        """Gradient with respect to an input of a spatial shape; None: zero everywhere."""
        return self._gather(patch, size) if self.transposed else self._spread(patch, size)

    def _spread(self, patch: Patch, size: Sequence[int]) -> Patch | None:
        """A transposed convolution of the box, cut at the borders of the input."""
        weight = self.weight.to(patch.values.dtype)  # autocast makes gradients shorter than weights
        options = (weight, self.stride, self.dilation, self.groups)
        spread = _input_gradient(patch.values, *options)
        inner, first = [], []
        for at, stride, padding, n, length in zip(
            patch.first, self.stride, self.padding, size, spread.shape[2:], strict=True
        ):
            start = at * stride - padding
            low, high = max(0, start), min(n, start + length)
            if low >= high:  # all that was seen is padding
                return None
            first.append(low)
            inner.append(slice(low - start, high - start))
        return Patch(tuple(first), spread[:, :, *inner])

    def _gather(self, patch: Patch, size: Sequence[int]) -> Patch | None:
        """A convolution of what the inputs of the box have gone to."""
        lows, pad = [], []
        for box, stride, padding, extent, n in zip(
            patch.box, self.stride, self.padding, self.extents, size, strict=True
        ):
            low = max(0, -((extent - 1 - box.start - padding) // stride))
            high = min(n - 1, (box.stop - 1 + padding) // stride)
            if high < low:  # output padding, which no input reaches
                return None
            lows.append(low)
            start, stop = low * stride - padding, high * stride - padding + extent
            # Below zero, this cuts off what the kernel does not come to.
            pad.append((box.start - start, stop - box.stop))
        part = functional.pad(patch.values, [n for ends in reversed(pad) for n in ends])
        convolve = _CONVOLVE[part.ndim - 2]
        options = (self.stride, 0, self.dilation, self.groups)
        weight = self.weight.to(part.dtype)  # autocast makes gradients shorter than weights
        return Patch(tuple(lows), convolve(part, weight, None, *options))


class KeepConvolutions:
    """Hands over what every convolution gives.

    Parameters
    ----------
    on_output
        Called with the number of the call and its output.
    """

    def __init__(self, on_output: Callable[[int, torch.Tensor], None]):
        self._on_output = on_output
        self._count = 0

    def __call__(
        self, name: str, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function."""
        output = func(*args, **kwargs)
        if name in CONVOLUTIONS:
            self._on_output(self._count, output)
            self._count += 1
        return output


class CutConvolutions:
    """Cuts out what convolutions give on a batch of crops from what they gave on the whole.

    Parameters
    ----------
    kept
        Outputs on the whole by number of the call, as far as they were kept.
    whole
        Spatial shape of the whole input.
    windows
        The crops, all of one shape, in the order of the batch.
    centres
        Where M lies in each crop, per spatial axis, as a share of its size.
    """

    def __init__(
        self,
        kept: dict[int, torch.Tensor],
        whole: Sequence[int],
        windows: Sequence[Box],
        centres: Sequence[Sequence[float]],
    ):
        self._kept = kept
        self._whole = whole
        self._windows = windows
        self._centres = centres
        self._count = 0

    def __call__(
        self, name: str, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function, or give the output of a convolution.

        Raises
        ------
        SizeMatters
            If the convolution gives something else on the crop.
        """
        if name not in CONVOLUTIONS:
            return func(*args, **kwargs)
        whole = self._kept.get(self._count)
        self._count += 1
        convolution = None if whole is None else Convolution.of(name, args, kwargs)
        if whole is None or convolution is None:
            return func(*args, **kwargs)
        tensor: torch.Tensor = args[0] if args else kwargs["input"]
        size = convolution.output_size(tensor.shape[2:])
        where = [self._where(whole, size, window) for window in self._windows]
        parts = [whole[:, :, *part] for part in where if part is not None]
        if len(parts) < len(where):
            return func(*args, **kwargs)
        if not convolution.transposed:
            self._check(convolution, tensor, parts)
        return _Known.apply(tensor, parts, convolution)  # type: ignore[no-untyped-call]

    def _where(self, whole: torch.Tensor, size: Sizes, window: Box) -> Box | None:
        """Part of a kept output, or None if it does not shift evenly with the input."""
        where = []
        for n, length, total, side in zip(size, whole.shape[2:], self._whole, window, strict=True):
            cut_off = total - (side.stop - side.start)
            start, uneven = divmod(side.start * (length - n), cut_off) if cut_off else (0, 0)
            if uneven or start < 0 or start + n > length:
                return None
            where.append(slice(start, start + n))
        return tuple(where)

    def _check(
        self, convolution: Convolution, tensor: torch.Tensor, parts: Sequence[torch.Tensor]
    ) -> None:
        """Compute one position inside M's footprint, in every crop."""
        seen, here = [], []
        for item, (centre, part) in enumerate(zip(self._centres, parts, strict=True)):
            places = _position(convolution, centre, tensor.shape[2:], part.shape[2:])
            if places is None:
                return
            at, window = places
            seen.append(tensor[item : item + 1, :, *window])
            here.append(part[:, :, *at])
        with torch.no_grad():
            if not _agree(convolution, torch.cat(seen), torch.cat(here)):
                raise SizeMatters


def _position(
    convolution: Convolution, centre: Sequence[float], size: Sequence[int], length: Sequence[int]
) -> tuple[Box, Box] | None:
    """One position of an output and the inputs that it sees, none of them padding.

    None if there is no such position.
    """
    at, window = [], []
    for share, n, stride, padding, extent, m in zip(
        centre,
        length,
        convolution.stride,
        convolution.padding,
        convolution.extents,
        size,
        strict=True,
    ):
        first, last = -(-padding // stride), (m + padding - extent) // stride
        if first > last:  # the kernel is larger than the input
            return None
        position = min(max(int(share * n), first), last)
        start = position * stride - padding
        at.append(slice(position, position + 1))
        window.append(slice(start, start + extent))
    return tuple(at), tuple(window)


def _agree(convolution: Convolution, seen: torch.Tensor, here: torch.Tensor) -> bool:
    """Whether a convolution gives these values at one position per item, up to rounding."""
    weight, convolve = convolution.weight, _CONVOLVE[seen.ndim - 2]
    options = (1, 0, convolution.dilation, convolution.groups)
    tolerance = TOLERANCES[name_of(here.dtype)]
    found = convolve(seen, weight, convolution.bias, *options)
    difference = (found - here).abs().flatten(1).amax(1)
    if bool((difference <= 0.1 * tolerance * here.abs().flatten(1).amax(1)).all()):
        return True
    # The values nearly cancel out, or are others: what was summed to them decides.
    summed = convolve(seen.abs(), weight.abs(), None, *options).flatten(1).amax(1)
    return bool((difference <= tolerance * summed).all())


class _Known(torch.autograd.Function):
    """A convolution whose output is known."""

    @staticmethod
    def forward(
        ctx: Any, tensor: torch.Tensor, parts: list[torch.Tensor], convolution: Convolution
    ) -> torch.Tensor:
        ctx.convolution = convolution
        ctx.size = tuple(tensor.shape[2:])
        # A copy also of one part, because what comes next may work in place.
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.convolution.input_gradient(gradients[0], ctx.size), None, None


def _input_gradient(
    gradient: torch.Tensor, weight: torch.Tensor, stride: Sizes, dilation: Sizes, groups: int
) -> torch.Tensor:
    """Gradient with respect to the input of an unpadded convolution, all of it."""
    kernel = weight.shape[2:]
    size = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(gradient.shape[2:], stride, dilation, kernel, strict=True)
    ]
    # Only its shape counts, and its layout, which is faster so.
    tensor = torch.empty(
        (gradient.shape[0], weight.shape[1] * groups, *size),
        dtype=gradient.dtype,
        device=gradient.device,
        memory_format=torch.channels_last if len(size) == 2 else torch.contiguous_format,
    )
    none = (0,) * len(size)
    found: torch.Tensor = torch.ops.aten.convolution_backward(
        gradient,
        tensor,
        weight,
        None,
        stride,
        none,
        dilation,
        False,
        none,
        groups,
        [True, False, False],
    )[0]
    return found
