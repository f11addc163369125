"""What happens in the thread when a network is opened; the first place that needs torch.

Returns plain values for the GUI thread, because tracing a network for its layers
takes up to seconds and must not be done there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LayerError, MissingPackage
from .network import Card
from .network_layers import OWN, PRESETS, LayerRow
from .network_source import NetworkSource

if TYPE_CHECKING:
    from ..explain.methods.described import MethodFacts

_STEPS = 4
_SCANNED = "It was scanned first: it only computes, and runs no Python code."


@dataclass(frozen=True, eq=False)
class OpenedNetwork:
    """A network, ready to be asked, with everything that the dock shows of it.

    Attributes
    ----------
    network : napari_seggradcam.Network
        The network, layers already traced.
    source : NetworkSource
        Where it came from.
    card : Card
        For the network section.
    layers : tuple of LayerRow
        For the tree.
    presets : dict of str to tuple of str
        Names of the network layers behind each preset.
    outputs : tuple of str
        Names of its outputs.
    values_known : bool
        Whether the file or a person said how values are normalised.
    methods : tuple of MethodFacts
        The methods that there are.
    devices : tuple of str
        What this machine has.
    best_device : str
        What "auto" means.
    """

    network: Any
    source: NetworkSource
    card: Card
    layers: tuple[LayerRow, ...]
    presets: dict[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    values_known: bool
    methods: tuple[MethodFacts, ...]
    devices: tuple[str, ...]
    best_device: str


def open_source(
    source: NetworkSource,
    device: str,
    progress: Callable[[int, int, str], None],
    cancel: Callable[[], bool],
) -> OpenedNetwork:
    """Open a network and trace its layers.

    Parameters
    ----------
    source : NetworkSource
        The file and its options.
    device : str
        "auto" or a torch device.
    progress, cancel : callable
        As :class:`~.job.Job` passes them.

    Raises
    ------
    MissingPackage
        If torch can't be imported.
    NetworkFileError, UntrustedNetwork, OptionError, NetworkError
        If the file can't be opened or the network can't be traced.
    """
    progress(0, _STEPS, "Loading torch")
    opening = import_torch_room()
    progress(1, _STEPS, "Reading the file")
    options = dict(source.options)
    if options.get("normalisation") is not None:
        from ..networks.normalisation import normalisation_from_dict

        options["normalisation"] = normalisation_from_dict(options["normalisation"])
    network = opening.open_network(
        source.path, trust=source.trust or False, device=device, **options
    )
    progress(2, _STEPS, "Finding network layers")
    rows = tuple(
        LayerRow(
            layer.name,
            layer.stage,
            layer.channels,
            tuple(layer.shape),
            tuple(layer.stride),
            layer.module,
        )
        for layer in network.layers
    )
    words = [word for _text, word in PRESETS if word != OWN]
    presets = {word: _names(network, word) for word in words}
    from ..explain.methods.described import described_methods

    devices, best = opening.available_devices(), opening.best_device()
    known = network.file is None or network.file.values_known
    progress(3, _STEPS, "Measuring how far it sees")
    card = describe(network)
    return OpenedNetwork(
        network,
        source,
        card,
        rows,
        presets,
        network.outputs,
        known,
        described_methods(),
        devices,
        best,
    )


def _names(network: Any, preset: str) -> tuple[str, ...]:
    """Names of a preset's network layers; none where a network has no such layers."""
    try:
        return tuple(layer.name for layer in network.select_layers(preset))
    except LayerError:
        return ()


def describe(network: Any) -> Card:
    """Return what the card shows of a network."""
    from ..explain.reach import reach_of
    from ..networks.layers import stages_in_words
    from ..networks.sliding import sizes_in_words

    file, normalisation = network.file, network.normalisation
    return Card(
        architecture=network.architecture,
        parameters=network.parameters,
        classes=tuple(network.classes),
        colours=tuple(network.colours),
        channels=network.channels,
        channel_names=network.channel_names,
        ndim=network.ndim,
        sizes=sizes_in_words(network.patch, network.rules),
        normalisation="as they are" if normalisation is None else normalisation.describe(),
        layers=stages_in_words(network.layers),
        reach=reach_of(network).in_words(),
        format="" if file is None else f"{file.format}, {file.trust}",
        check="" if file is None or file.check is None else file.check.in_words(),
        notices=_notices(file),
        path=str(Path(network.path) if network.path else ""),
        sha256=network.sha256 or "",
    )


def _notices(file: Any) -> tuple[str, ...]:
    """What a person should know of a file, in sentences."""
    if file is None:
        return ()
    from ..networks.trust import Level

    scanned = (_SCANNED,) if file.trust == Level.SCANNED.value else ()
    return (*scanned, *file.notices)


def import_torch_room() -> Any:
    """Import the module that opens networks, and with it torch.

    Raises
    ------
    MissingPackage
        With a remedy: on Windows torch can fail to load its libraries after Qt has
        loaded its own, which shows as an OSError without a hint.
    """
    try:
        from ..networks import opening
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"PyTorch can't be imported ({error}). Install it with: pip install torch"
        ) from error
    except (ImportError, OSError) as error:
        raise MissingPackage(
            f"PyTorch is installed and can't be loaded ({error}). On Windows install the"
            " Visual C++ Redistributable, or start napari by"
            ' python -c "import torch, napari; napari.Viewer(); napari.run()".'
        ) from error
    return opening
