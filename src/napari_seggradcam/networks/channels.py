"""Which channels of an image are which channels of a network, by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import OptionError, ShapeError

# What files call channels that have no name of their own.
_GENERIC = re.compile(r"(c|ch|channel|image|input|raw)?[ _-]?\d*", re.IGNORECASE)
_LEFT_OUT = re.compile(r"[\s_-]+")


@dataclass(frozen=True)
class ChannelOrder:
    """Which channels of an image a network gets, in the network's order.

    Attributes
    ----------
    indices
        Channel of the image for every channel of the network.
    how
        How they were found, in words that follow "channels".
    """

    indices: tuple[int, ...]
    how: str


def match_channels(
    wanted: Sequence[str] | None, channels: int, given: Sequence[str] | None, count: int
) -> ChannelOrder:
    """Find a network's channels among those of an image.

    By name where every channel of the network has a name that one channel of the image has, and
    one only; upper and lower case, spaces, underscores and hyphens make no difference. Else by
    position, where both have as many channels.

    Parameters
    ----------
    wanted
        Names of the network's channels; None: it does not name them.
    channels
        How many the network takes.
    given
        Names of the image's channels; None: it does not name them.
    count
        How many the image has.

    Raises
    ------
    ShapeError
        If the image has more or fewer channels, and they can't be told apart by name.
    """
    found, why_not = find_by_name(wanted, given)
    if found is not None:
        return ChannelOrder(found, "by name")
    if count == channels:
        return ChannelOrder(tuple(range(count)), f"by position: {why_not}")
    raise ShapeError(
        f"The image has {_listed(count, given)} and the network takes {_listed(channels, wanted)}; "
        f"which ones it takes can't be told: {why_not}. Choose them in the network's order: with "
        "--channel-order on the command line, as image layers in napari, or by indexing in Python."
    )


def find_by_name(
    wanted: Sequence[str] | None, given: Sequence[str] | None
) -> tuple[tuple[int, ...] | None, str]:
    """Where in ``given`` each of ``wanted`` is; None, and why, where that can't be told.

    Parameters
    ----------
    wanted, given
        As for `match_channels`.
    """
    if wanted is None:
        return None, "the network does not name its channels"
    if given is None:
        return None, "the image does not name its channels"
    keys = [_key(name) for name in given]
    needed = [_key(name) for name in wanted]
    for name, key in zip(wanted, needed, strict=True):
        if needed.count(key) > 1:
            return None, f"the network has several channels {name!r}"
        if not key or key not in keys:
            return None, f"the image has no channel {name!r}"
        if keys.count(key) > 1:
            return None, f"the image has several channels {name!r}"
    return tuple(map(keys.index, needed)), ""


def chosen_channels(
    chosen: Sequence[str], channels: int, given: Sequence[str] | None, count: int
) -> tuple[int, ...]:
    """Channels of an image that a person chose, as indices.

    Parameters
    ----------
    chosen
        For every channel of the network a name, or a number counted from 0. What is a name in
        the image is no number, because channels may be called "488".
    channels, given, count
        As for `match_channels`.

    Raises
    ------
    OptionError
        If the image has no such channel, or the network takes more or fewer.
    """
    if len(chosen) != channels:
        raise OptionError(
            f"{', '.join(chosen)} are {len(chosen)} channels and the network takes {channels}; "
            "expected one channel of the image for each, in the network's order."
        )
    return tuple(_index(word, given, count) for word in chosen)


def checked_names(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """Names of a network's channels.

    Raises
    ------
    OptionError
        If there is not one for each.
    """
    checked = tuple(map(str, names))
    if len(checked) != channels:
        raise OptionError(
            f"{len(checked)} channel names were given ({', '.join(checked)}) and the network takes "
            f"{channels}; expected one name for each channel."
        )
    return checked


def told_names(names: Sequence[object], channels: int) -> tuple[str, ...] | None:
    """Names that a network file gives the channels of its input; None where they say nothing.

    Parameters
    ----------
    names
        As the file has them, such as ``"DAPI"``, or ``"channel0"`` for want of a name.
    channels
        How many channels there are.
    """
    told = tuple(str(name).strip() for name in names)
    if len(told) != channels or not all(told) or all(map(_GENERIC.fullmatch, told)):
        return None
    return told


def _index(word: str, given: Sequence[str] | None, count: int) -> int:
    keys = [_key(name) for name in given or ()]
    if keys.count(_key(word)) == 1:
        return keys.index(_key(word))
    if word.isdecimal() and int(word) < count:
        return int(word)
    several = "several channels" if _key(word) in keys else "no channel"
    raise OptionError(
        f"The image has {several} {word!r}; it has {_listed(count, given)}. Expected a name that "
        f"one of them has, or a number from 0 to {count - 1}."
    )


def _key(name: str) -> str:
    """What two spellings of a name have in common."""
    return _LEFT_OUT.sub("", name).casefold()


def _listed(count: int, names: Sequence[str] | None) -> str:
    channels = "1 channel" if count == 1 else f"{count} channels"
    return channels if names is None else f"{channels} ({', '.join(names)})"
