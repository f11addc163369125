"""BioImage.IO's descriptions of tensors: their axes, sizes and channels."""

import re
from collections.abc import Sequence
from typing import Any

from ...errors import NetworkFileError
from ..layouts import Layout

# What channels are called that have no name of a class.
_GENERIC = re.compile(
    r"(c|ch|channel|class|label|logits?|mask|output|prediction|prob(abilit(y|ies))?|score"
    r"|segmentation)?[ _-]?\d*",
    re.IGNORECASE,
)


_LENGTH = 64  # pixels of a side that may have any


class UnknownAxes(ValueError):
    """Axes that networks here do not have; the message says which."""


def layout_of(tensor: Any, single: frozenset[str] = frozenset()) -> Layout:
    """Order of a tensor's axes.

    Parameters
    ----------
    tensor
        A tensor of ``bioimageio.spec.model.v0_5``.
    single
        Ids of axes that have the size 1, whatever the tensor says of it.

    Raises
    ------
    UnknownAxes
        If there are others than a batch, channels and two or three in space.
    """
    space = [a for a in tensor.axes if a.type == "space" and not _is_single(a, single)]
    if not 2 <= len(space) <= 3:
        raise UnknownAxes(f"{len(space)} axes in space")
    ids = [str(axis.id) for axis in space]
    letters = [i.upper() for i in ids] if set(ids) <= set("xyz") else "ZYX"[-len(ids) :]
    in_space = dict(zip(ids, letters, strict=True))
    order = ""
    for axis in tensor.axes:
        if axis.type in ("batch", "channel"):
            order += str(axis.type)[0].upper()
        elif str(axis.id) in in_space:
            order += in_space[str(axis.id)]
        elif _is_single(axis, single):
            order += "1"
        else:
            raise UnknownAxes(f"an axis {axis.id!r} ({axis.type})")
    if "B" not in order:
        raise UnknownAxes("no axis for the batch")
    return Layout(order)


def single_axes(tensor: Any) -> frozenset[str]:
    """Ids of a tensor's axes, but for the channels, whose size is 1."""
    return frozenset(
        str(axis.id) for axis in tensor.axes if axis.type != "channel" and axis.size == 1
    )


def channel_names_of(tensor: Any) -> tuple[str, ...]:
    """Names of a tensor's channels, at least such as ``"channel0"``."""
    names = next((axis.channel_names for axis in tensor.axes if axis.type == "channel"), ("",))
    return tuple(map(str, names))


def classes_of(tensor: Any) -> tuple[str, ...] | None:
    """Names of classes, where the channels of an output have names and not just numbers."""
    names = channel_names_of(tensor)
    if len(set(names)) < len(names) or not names or any(map(_GENERIC.fullmatch, names)):
        return None
    return ("background", *names) if len(names) == 1 else names


def sizes_of(tensor: Any, layout: Layout) -> tuple[tuple[int, int] | None, ...]:
    """Smallest size and step of every spatial axis; step 0: no other size; None: not told."""
    axes = {str(axis.id): axis for axis in tensor.axes if axis.type == "space"}
    found = {}
    for axis, letter in zip(tensor.axes, layout.order, strict=True):
        if letter in layout.spatial:
            found[letter] = _size(axis, axes)
    return tuple(found[letter] for letter in layout.spatial)


def _size(axis: Any, axes: dict[str, Any]) -> tuple[int, int] | None:
    size, offset = axis.size, 0
    if hasattr(size, "axis_id"):  # it follows another axis
        reference = axes.get(str(size.axis_id))
        if reference is None or reference.scale != axis.scale:
            return None
        size, offset = reference.size, size.offset
    if isinstance(size, int):
        return max(1, size + offset), 0
    return (max(1, size.min + offset), size.step) if hasattr(size, "step") else None


def shape_of(sizes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """A spatial shape that suits, of some ten pixels a side where the sizes leave a choice."""
    return tuple(
        least + max(0, -(-(_LENGTH - least) // step)) * step if step else least
        for least, step in sizes
    )


def only_input(inputs: Sequence[Any], where: str) -> Any:
    """The input of a network that has one.

    Raises
    ------
    NetworkFileError
        If it has several.
    """
    needed = [tensor for tensor in inputs if not tensor.optional]
    if len(needed) != 1 or len(inputs) != 1:
        names = ", ".join(str(tensor.id) for tensor in inputs)
        raise NetworkFileError(
            f"{where} takes {len(inputs)} inputs ({names}); expected a network that takes one "
            "image. Those with several can't be explained here."
        )
    return needed[0]


def _is_single(axis: Any, single: frozenset[str]) -> bool:
    return str(axis.id) in single or axis.size == 1
