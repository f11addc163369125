"""Commands that look at a network: its layers, and what kind of network it is."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .console import table, write_json, write_rich
from .options import (
    ChannelNames,
    Channels,
    Classes,
    Device,
    Factory,
    Json,
    Kwargs,
    NetworkArgument,
    NetworkAxes,
    NetworkChoice,
    Output,
    Patch,
    Trust,
    Values,
    Weights,
)

if TYPE_CHECKING:
    from rich.tree import Tree

    from ..networks.layers import NetworkLayer
    from ..networks.network import Network


def layers(
    network: NetworkArgument,
    factory: Factory = None,
    kwargs: Kwargs = None,
    axes: NetworkAxes = None,
    channels: Channels = None,
    classes: Classes = None,
    trust: Trust = False,
    device: Device = "auto",
    output: Output = None,
    weights: Weights = None,
    patch: Patch = None,
    as_json: Json = False,
) -> None:
    """List a network's layers, stage by stage: the names that `explain --layers` takes."""
    choice = NetworkChoice(
        network,
        factory,
        kwargs,
        axes,
        channels,
        classes,
        trust,
        device,
        precision=None,
        output=output,
        weights=weights,
        patch=patch,
    )
    opened = choice.open()
    if as_json:
        write_json([{**asdict(layer), "stage": layer.stage} for layer in opened.layers])
    else:
        write_rich(_tree(opened))


def open_(
    network: NetworkArgument,
    factory: Factory = None,
    kwargs: Kwargs = None,
    axes: NetworkAxes = None,
    channels: Channels = None,
    channel_names: ChannelNames = None,
    classes: Classes = None,
    trust: Trust = False,
    device: Device = "auto",
    output: Output = None,
    weights: Weights = None,
    patch: Patch = None,
    normalisation: Values = None,
    as_json: Json = False,
) -> None:
    """Check that a network file opens, and show what is in it."""
    choice = NetworkChoice(
        network,
        factory,
        kwargs,
        axes,
        channels,
        classes,
        trust,
        device,
        precision=None,
        output=output,
        weights=weights,
        patch=patch,
        normalisation=normalisation,
        channel_names=channel_names,
    )
    opened = choice.open()
    card = _card(opened)
    if as_json:
        write_json(card)
    else:
        rows = [
            (name, _words(value)) for name, value in card.items() if value not in (None, {}, [])
        ]
        write_rich(table(("network", opened.name), rows))


def _tree(network: "Network") -> "Tree":
    from rich.tree import Tree

    tree = Tree(f"[bold]{network.name}[/bold]  {network.architecture}")
    stages: dict[str, Tree] = {}
    for layer in network.layers:
        if layer.stage not in stages:
            stages[layer.stage] = tree.add(f"[bold]{layer.stage}[/bold]")
        stages[layer.stage].add(_line(layer))
    return tree


def _line(layer: "NetworkLayer") -> str:
    shape = " × ".join(str(n) for n in layer.shape)
    stride = " × ".join(f"{step:g}" for step in layer.stride)
    where = "" if layer.module is None else f"  [dim]{layer.module}[/dim]"
    return f"{layer.name}  {layer.channels} channels, {shape}, stride {stride}{where}"


def _card(network: "Network") -> dict[str, Any]:
    """Everything that tells one network from another; JSON types only."""
    from ..explain.reach import reach_of
    from ..networks.layers import stages_in_words
    from ..networks.sliding import sizes_in_words

    normalisation, file = network.normalisation, network.file
    check = None if file is None else file.check
    return {
        "name": network.name,
        "format": None if file is None else file.format,
        "trust": None if file is None else file.trust,
        "architecture": network.architecture,
        "parameters": network.parameters,
        "axes": network.axes,
        "channels": network.channels,
        "channel_names": None if network.channel_names is None else list(network.channel_names),
        "classes": list(network.classes),
        "colours": list(network.colours),
        "normalisation": None if normalisation is None else normalisation.describe(),
        "sizes": sizes_in_words(network.patch, network.rules),
        "step": list(network.step),
        "minimum_size": list(network.minimum_size),
        "patch": None if network.patch is None else list(network.patch),
        "outputs": list(network.outputs) if len(network.outputs) > 1 else None,
        "activation": network.activation,
        "network_layers": stages_in_words(network.layers),
        "skips": [layer.name for layer in network.layers if layer.role == "skip"],
        "reach": reach_of(network).in_words(),
        "check": None if check is None else check.in_words(),
        "notices": [] if file is None else list(file.notices),
        "device": str(network.device),
        "file": None if network.path is None else str(network.path),
        "sha256": network.sha256,
        "provenance": network.provenance,
    }


def _words(value: Any) -> str:
    """A value of the card for people."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
