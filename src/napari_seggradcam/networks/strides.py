"""Where the maps of a network lie on its input, read from how large they are.

As a rule from two traces: how much a map grows with the input tells its stride, also where
convolutions are not padded, and what does not grow is no map. Of a network that takes one size
there is one trace. There a map has the stride that its size says, and what is no map is told by the
functions that made it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import NetworkError
from .tracing import Trace, Value

Shape = tuple[int, ...]

# Functions that may move the channels to the end, and back.
_MOVING = ("movedim", "moveaxis", "permute", "swapaxes", "swapdims", "transpose")
_PADDING = ("constant_pad_nd", "pad")
_OF_ANY_SIZE = "adaptive_"  # begins the names of poolings to a size of their own


@dataclass(frozen=True)
class MapPlace:
    """Where a map lies.

    Attributes
    ----------
    stride
        Input pixels from one position to the next, per spatial axis.
    offset
        Input pixel on which position 0 lies, per spatial axis.
    shape
        Its spatial shape.
    channels
        Number of feature maps.
    """

    stride: tuple[float, ...]
    offset: tuple[float, ...]
    shape: Shape
    channels: int


def map_places(traces: Sequence[Trace], sizes: Sequence[Shape]) -> dict[int, MapPlace]:
    """Place of every map that a module returned, or that came to a join.

    Parameters
    ----------
    traces
        Of one network on two sizes, the smaller first; or on the one size that it takes.
    sizes
        Spatial shapes of the inputs.

    Returns
    -------
    dict of int to MapPlace
        By the number of the value in the first trace. What is no map is left out: a global
        vector, such as in squeeze and excitation, or a tensor with the channels on a spatial axis.

    Raises
    ------
    NetworkError
        If the network takes another path on the larger input.
    """
    if len(traces) == 1:
        return _OneSize(traces[0], sizes[0]).places()
    small, large = traces
    keys = [[(c.path, c.call) for c in t.calls] for t in traces]
    if keys[0] != keys[1] or len(small.joins) != len(large.joins):
        raise NetworkError(
            "The network calls other modules on a larger image, so that its layers can't be named."
        )
    both = [(c.value, d.value) for c, d in zip(small.calls, large.calls, strict=True)]
    for (these, _), (those, _) in zip(small.joins, large.joins, strict=True):
        both += zip(these, those, strict=True)
    places = {
        number: _by_growth((small.values[number].shape, large.values[other].shape), sizes)
        for number, other in both
    }
    return {number: place for number, place in places.items() if place is not None}


def _by_growth(shapes: Sequence[Shape], sizes: Sequence[Shape]) -> MapPlace | None:
    """Place of a map that has these shapes on inputs of these sizes; None if an axis stays."""
    (_, channels, *small), (_, _, *large) = shapes
    if any(s >= g for s, g in zip(small, large, strict=True)):
        return None
    strides = tuple((b - a) / (g - s) for s, g, a, b in zip(small, large, *sizes, strict=True))
    return _centred(tuple(small), strides, sizes[0], channels)


def _centred(shape: Shape, strides: tuple[float, ...], size: Shape, channels: int) -> MapPlace:
    """Both padded and unpadded maps lie centred on an input whose size suits the network."""
    offset = tuple(
        ((a - 1) - (s - 1) * d) / 2 for s, a, d in zip(shape, size, strides, strict=True)
    )
    return MapPlace(strides, offset, shape, channels)


class _OneSize:
    """Places of maps from one trace, value by value, each after what it was made of."""

    def __init__(self, trace: Trace, size: Shape):
        self._trace = trace
        self._size = size
        self._strides: dict[int, tuple[float, ...]] = {}  # of maps
        self._channels_last: set[int] = set()
        self._pooled: set[int] = set()  # to a size that no larger image would change

    def places(self) -> dict[int, MapPlace]:
        """All that are maps."""
        places = {}
        for value in self._trace.values:
            source = self._source(value)
            self._note(value, source)
            if self._is_map(value):
                strides = self._stride(value, source)
                self._strides[value.number] = strides
                _, channels, *shape = value.shape
                places[value.number] = _centred(tuple(shape), strides, self._size, channels)
        return places

    def _source(self, value: Value) -> Value | None:
        """The largest of what a value was made of: gates and global vectors are smaller."""
        inputs = (self._trace.values[number] for number in value.inputs)
        sources = [source for source in inputs if source.from_image]
        return max(sources, key=lambda source: math.prod(source.shape), default=None)

    def _note(self, value: Value, source: Value | None) -> None:
        """Whether channels are last, and whether the size follows the image's."""
        if value.function.startswith(_OF_ANY_SIZE):
            self._pooled.add(value.number)
        if source is None:
            return
        if source.number in self._pooled and value.shape[2:] == source.shape[2:]:
            self._pooled.add(value.number)
        is_last, (batch, *others) = source.number in self._channels_last, source.shape or (1,)
        if _name(value) in _MOVING and others:
            turned = others[-1:] + others[:-1] if is_last else others[1:] + others[:1]
            is_last ^= value.shape == (batch, *turned)
        if is_last:
            self._channels_last.add(value.number)

    def _is_map(self, value: Value) -> bool:
        return (
            value.from_image
            and len(value.shape) == len(self._size) + 2
            and max(value.shape[2:]) > 1
            and value.number not in self._pooled
            and value.number not in self._channels_last
        )

    def _stride(self, value: Value, source: Value | None) -> tuple[float, ...]:
        """By the size of the input; where it is no multiple, by the map that it was made of."""
        strides = None if source is None else self._strides.get(source.number)
        if source is None or strides is None:
            return tuple(n / m for n, m in zip(self._size, value.shape[2:], strict=True))
        if _name(value) in _PADDING:
            return strides
        return tuple(
            n / m if n % m == 0 or m % n == 0 else stride * _whole(before / m)
            for n, m, before, stride in zip(
                self._size, value.shape[2:], source.shape[2:], strides, strict=True
            )
        )


def _name(value: Value) -> str:
    """Of the function; those of torch.export have such as ``.default`` behind it."""
    return value.function.split(".")[0]


def _whole(ratio: float) -> float:
    """The nearest whole number, or one over one."""
    return round(ratio) if ratio >= 1 else 1 / round(1 / ratio)
