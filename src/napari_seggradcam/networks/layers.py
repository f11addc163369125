"""What a network layer is, and how layers are chosen by name or preset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import LayerError, UnknownLayer

PRESETS = ("bottleneck", "levels", "all")

INPUT, LOGITS = "input", "logits"
"""Names of what enters and what leaves a network, beside those of its layers."""

# Roles that have one level only.
_ALONE = ("bottleneck", "head", INPUT)


@dataclass(frozen=True)
class NetworkLayer:
    """One call of a leaf module on the way to the logits, or a skip.

    Attributes
    ----------
    name
        Unique and readable, such as ``"encoder 0 relu 2"``.
    module
        Dotted path in the module that the user gave; None for a skip.
    call
        Which call of that module (0, 1, …); for a skip, which of the network's joins.
    argument
        For a skip, which of the joined tensors it is; else None.
    kind
        ``"conv"``, ``"up"``, ``"norm"``, ``"pool"``, an activation's name, ``"skip"``, …
    role
        ``"encoder"``, ``"bottleneck"``, ``"decoder"``, ``"skip"`` or ``"head"``.
    level
        How often the resolution was halved.
    channels
        Number of feature maps.
    stride
        Image pixels from one position to the next, per spatial axis.
    offset
        Input pixel on which position 0 lies, per spatial axis.
    shape
        Spatial shape at the probe size.
    gate
        Whether its maps only weight others, from which they were made; so do those of attention.
    """

    name: str
    module: str | None
    call: int
    argument: int | None
    kind: str
    role: str
    level: int
    channels: int
    stride: tuple[float, ...]
    offset: tuple[float, ...]
    shape: tuple[int, ...]
    gate: bool = False

    @property
    def stage(self) -> str:
        """Role and level, such as ``"encoder 0"``; one of bottleneck and head is enough."""
        return stage_name(self.role, self.level)


def stage_name(role: str, level: int) -> str:
    """Name of all network layers of one role and level; of some roles there is one level only."""
    return role if role in _ALONE else f"{role} {level}"


def stages_in_words(layers: Sequence[NetworkLayer]) -> str:
    """One line about the roles of network layers, such as ``"47: encoder 0 to 3, …"``."""
    levels: dict[str, list[int]] = {}
    for layer in layers:
        levels.setdefault(layer.role, []).append(layer.level)
    parts = []
    for role, found in levels.items():
        low, high = min(found), max(found)
        several = role not in _ALONE and low < high
        parts.append(f"{role} {low}–{high}" if several else stage_name(role, low))
    return f"{len(layers)}: {', '.join(parts)}"


def select_layers(
    layers: Sequence[NetworkLayer], wanted: str | Iterable[str]
) -> tuple[NetworkLayer, ...]:
    """Layers for a preset, a name, a module's path, or a list of those.

    Parameters
    ----------
    layers
        All layers of a network, in order of execution.
    wanted
        ``"bottleneck"``: the tensor that leaves the bottleneck; ``"levels"``: the tensor that
        leaves every stage but the head; ``"all"``; or names. Gates are passed over where a stage
        has other network layers. A name that stands in the network wins over a preset.

    Returns
    -------
    tuple of NetworkLayer
        In order of execution, each once.

    Raises
    ------
    LayerError
        If a name is unknown, a path names several calls, or nothing was asked for.
    """
    names = names_in(wanted)
    if not names:
        raise LayerError("No network layer was asked for; give a name, several, or a preset.")
    chosen = {layer.name for name in names for layer in _select_one(layers, name)}
    if not chosen:
        raise LayerError(
            f"The network has no layers for {' and '.join(map(repr, names))}: nothing lies before "
            f"its head. Ask by name: {', '.join(repr(layer.name) for layer in layers[:6])}."
        )
    return tuple(layer for layer in layers if layer.name in chosen)


def names_in(wanted: str | Iterable[str]) -> list[str]:
    """Names and presets that are asked for, one by one.

    Raises
    ------
    LayerError
        If it is something else.
    """
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(names, Iterable):
        names = list(names)
        if all(isinstance(name, str) for name in names):
            return names
    raise LayerError(
        f"The network layers asked for are {wanted!r}; expected a preset ({', '.join(PRESETS)}), a "
        "name from Network.layers, a module's path, or a list of those."
    )


def unknown_layer(what: str, name: object, known: Iterable[str]) -> UnknownLayer:
    """The error of asking an answer for a network layer that it has nothing of.

    Parameters
    ----------
    what
        The answer, as a sentence begins with it.
    name
        What was asked for.
    known
        Names of the network layers that it has.
    """
    names = list(known)
    some = ", ".join(map(repr, names[:6])) + (", …" if names[6:] else ".")
    return UnknownLayer(f"{what} has no network layer {name!r}; it has {some}")


def _select_one(layers: Sequence[NetworkLayer], name: str) -> Sequence[NetworkLayer]:
    named = [layer for layer in layers if layer.name == name]
    if named:
        return named
    if name == "all":
        return layers
    if name == "levels":
        return _last_of_stages(layers, ("encoder", "bottleneck", "decoder"))
    if name == "bottleneck":
        return _last_of_stages(layers, ("bottleneck",))
    called = [layer for layer in layers if layer.module == name]
    if len(called) > 1:
        names = ", ".join(repr(layer.name) for layer in called)
        raise LayerError(
            f"Module {name!r} is called {len(called)} times; ask for one call by name: {names}."
        )
    if not called:
        some = ", ".join(repr(layer.name) for layer in layers[:6])
        raise LayerError(
            f"There is no network layer {name!r}. Expected a preset ({', '.join(PRESETS)}), a "
            f"module's path, or one of the {len(layers)} names in Network.layers: {some}, …"
        )
    return called


def _last_of_stages(
    layers: Sequence[NetworkLayer], roles: tuple[str, ...]
) -> Sequence[NetworkLayer]:
    last: dict[str, NetworkLayer] = {}
    for layer in layers:
        if layer.role in roles and (not layer.gate or last.get(layer.stage, layer).gate):
            last[layer.stage] = layer
    return list(last.values())
