"""How a network treats its tensors, found by a run on a small input.

Networks that take any size may do something else to sizes that do not suit them, such as to pad
what they have enlarged. So the small input leaves the same remainders as the image does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ..errors import NetworkError
from ..networks.network import Network
from ..networks.running import version_of
from .agreement import random_input
from .capture import Capture, read
from .convolutions import KeepConvolutions
from .methods.gradient import sums
from .patches import Patch, Sizes
from .replay import Replay
from .tape import Tape, record

# What remainders are of, by number of spatial axes: no stride in use is larger.
_BLOCK = {2: 32, 3: 16}

_CONVOLUTION = "convolution call "
_VALUE = "value "


@dataclass(frozen=True)
class Habits:
    """What is the same for every image that has the same remainders.

    Attributes
    ----------
    overwritten
        Network layers, convolutions and values whose tensor something behind them changes in
        place, or may change without that it can be seen.
    recordable
        Whether all functions are known and do what is known of them, so that there is a `Tape`.
    """

    overwritten: frozenset[str]
    recordable: bool


_known: WeakKeyDictionary[Network, dict[Sizes, Habits]] = WeakKeyDictionary()


def habits_of(network: Network, shape: Sequence[int]) -> Habits:
    """Habits of a network on inputs of a spatial shape, found the first time that they count."""
    block = _BLOCK[network.ndim]
    sizes = tuple(
        rule.at_least(min(size, block + size % block))
        for rule, size in zip(network.rules, shape, strict=True)
    )
    known = _known.setdefault(network, {})
    if sizes not in known:
        known[sizes] = _find(network, sizes)
    return known[sizes]


def convolution_name(number: int) -> str:
    """Name of what a call of a convolution gave, beside the names of network layers."""
    return f"{_CONVOLUTION}{number}"


def value_name(number: int) -> str:
    """Name of a value on a tape."""
    return f"{_VALUE}{number}"


def numbered(tensors: dict[str, torch.Tensor], name: str) -> dict[int, torch.Tensor]:
    """The tensors among others that have a number, given the name of number 0."""
    prefix = name.removesuffix("0")
    return {
        int(key.removeprefix(prefix)): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }


def _find(network: Network, sizes: Sizes) -> Habits:
    image = random_input(network, sizes)
    versions: dict[str, tuple[torch.Tensor, int]] = {}
    kept: dict[int, torch.Tensor] = {}

    def take(name: str, maps: torch.Tensor) -> None:
        versions[name] = maps, version_of(maps)

    def on_value(number: int, value: torch.Tensor) -> None:
        take(value_name(number), value)
        kept[number] = value.clone()

    # Copies, because a network may change its input.
    logits, tape = record(network, image.clone(), take, on_value, None)
    recordable = tape is not None and _equals_autograd(network, image, logits, tape, kept)
    if not recordable:
        versions.clear()
        keep = KeepConvolutions(lambda n, t: take(convolution_name(n), t))
        read(network, image.clone(), network.layers, take, None, keep)
    overwritten = {
        name
        for name, (maps, before) in versions.items()
        if maps.is_inference() or version_of(maps) != before
    }
    return Habits(frozenset(overwritten), recordable)


def _equals_autograd(
    network: Network,
    image: torch.Tensor,
    logits: torch.Tensor,
    tape: Tape,
    kept: dict[int, torch.Tensor],
) -> bool:
    """Whether gradients from the tape are autograd's; a function may have others of its own."""
    names = [layer.name for layer in network.layers]
    window = tuple(slice(0, size) for size in image.shape[2:])
    replay = Replay(tape.path_to(names), kept, logits, [window])
    mine = _totals(replay.logits, replay)
    capture = Capture(network.module, network.layers, lambda name: None)
    try:
        with capture, torch.enable_grad():
            calls = capture.calls(network.ndim, network.bypass)
            output = network.run(image.clone(), calls)
        theirs = _totals(output, capture)
    except NetworkError:  # autograd may fail for network layers that nobody asks about
        return False
    tolerance = min(0.1, 1e3 * torch.finfo(logits.dtype).eps)
    return mine.keys() == theirs.keys() and all(
        bool((mine[name] - theirs[name]).abs().max() <= tolerance * theirs[name].max())
        for name in mine
    )


def _totals(logits: torch.Tensor, run: Replay | Capture) -> dict[str, torch.Tensor]:
    """What is summed of gradients, by network layer, where there are any."""
    factors = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits)
    totals: dict[str, torch.Tensor] = {}

    def on_gradient(name: str, patch: Patch) -> None:
        totals[name] = torch.stack(sums(patch.values))

    with torch.enable_grad():
        score = (logits * factors).sum()
    run.backward(score, on_gradient, None)
    return {name: total for name, total in totals.items() if total.any()}
