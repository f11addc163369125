"""Options that several commands share, and what they stand for."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import OptionError
from .collecting import lasting

if TYPE_CHECKING:
    from ..networks.network import Network
    from ..store.images import ReadImage

DEMO_NETWORKS = ("nuclei", "streets")

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def bytes_in(text: str) -> int:
    """Number of bytes that a text such as 2GiB, 500MB or 4096 means.

    Raises
    ------
    typer.BadParameter
        If it means none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?((?:[kmg]i?)?)b?", text.lower())
    number = 0 if found is None else int(float(found[1]) * _UNITS[found[2]])
    if number <= 0:
        raise typer.BadParameter(f"{text!r} is no size; expected one such as 2GiB or 500MB.")
    return number


Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
NetworkArgument = Annotated[
    str, typer.Argument(metavar="NETWORK", help="Network file or folder, or nuclei or streets.")
]
NetworkOption = Annotated[
    str,
    typer.Option("--network", metavar="FILE", help="Network file or folder, or nuclei or streets."),
]
Factory = Annotated[
    str | None,
    typer.Option(
        metavar="PACKAGE.MODULE:NAME", help="Builds the module that a state dict belongs to."
    ),
]
Kwargs = Annotated[
    str | None, typer.Option(metavar="JSON", help="Keyword arguments for --factory.")
]
NetworkAxes = Annotated[
    str | None,
    typer.Option("--network-axes", metavar="AXES", help="Axes the network takes: CYX or CZYX."),
]
Channels = Annotated[int | None, typer.Option(help="Channels of the image the network takes.")]
ChannelNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Names of these channels, separated by commas; images that name theirs are matched.",
    ),
]
Classes = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Class names, separated by commas.")
]
Values = Annotated[
    str | None,
    typer.Option(
        "--normalisation",
        metavar="JSON",
        help='How raw values are normalised, such as {"kind": "percentile"}, where the file does '
        "not say.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--network-output", metavar="NAME", help="Which of several outputs of the network."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which of the weights that a folder or package has."),
]
Patch = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS",
        help="Explain on patches, such as 256,256; of a network of one size, that size.",
    ),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Open a file although that runs Python code from it.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str | None, typer.Option(help="float32, float64 or bfloat16.")]
ImageArgument = Annotated[
    Path,
    typer.Argument(metavar="IMAGE", help="A .tif, .png, .jpg or .npy file, or OME-Zarr folder."),
]
ImageAxes = Annotated[
    str | None,
    typer.Option("--axes", metavar="AXES", help="Axes of the image, where they are not clear."),
]
ChannelOrder = Annotated[
    str | None,
    typer.Option(
        metavar="CHANNELS",
        help="Channels of the image in the order of the network's: names or numbers from 0, "
        "separated by commas. Default: by name where both name theirs, else as they are.",
    ),
]


Memory = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=bytes_in,
        help="Memory for feature maps, such as 2GiB. Default: a quarter of what is free; "
        "of a large image 1 GiB.",
        rich_help_panel="Size",
    ),
]


@dataclass(frozen=True)
class ImageChoice:
    """The image that the options describe.

    Parameters
    ----------
    image
        Its file or folder.
    axes
        One letter an axis; None: what the file says.
    channel_order
        Names and numbers of channels, separated by commas; None: what names tell.
    """

    image: ImageArgument
    axes: ImageAxes = None
    channel_order: ChannelOrder = None

    def read(self, *, large: bool = False) -> "ReadImage":
        """Read it, or open it where it is large.

        Raises
        ------
        ImageError
            If it can't be read.
        """
        from ..store.images import open_image, read_image

        return (open_image if large else read_image)(self.image, self.axes)


@dataclass(frozen=True)
class NetworkChoice:
    """The network that the options describe.

    Parameters
    ----------
    network
        Path of a file, or the name of a demo network.
    factory, network_axes, channels, trust, device, output, weights
        As for `networks.opening.open_network`.
    kwargs
        A JSON object.
    classes, channel_names
        Names, separated by commas.
    precision
        As for `networks.network.Network.at_precision`; None: the one that it has.
    normalisation
        A normalisation as JSON, as `networks.normalisation.normalisation_from_dict` takes it.
    patch
        Pixels per spatial axis, separated by commas.
    """

    network: NetworkOption
    factory: Factory = None
    kwargs: Kwargs = None
    network_axes: NetworkAxes = None
    channels: Channels = None
    classes: Classes = None
    trust: Trust = False
    device: Device = "auto"
    precision: Precision = "float32"
    output: Output = None
    weights: Weights = None
    normalisation: Values = None
    channel_names: ChannelNames = None
    patch: Patch = None

    def open(self) -> "Network":
        """Open it.

        Raises
        ------
        OptionError
            If an option has no meaning.
        NetworkError
            If the precision needs a copy of the network and it can't be copied.
        NetworkFileError, UntrustedNetwork
            As for `networks.opening.open_network`.
        """
        with lasting():
            return self._open()

    def _open(self) -> "Network":
        from ..networks.normalisation import normalisation_from_dict
        from ..networks.opening import open_network

        network = open_network(
            _network_path(self.network),
            factory=self.factory,
            kwargs=_json_object("--kwargs", self.kwargs, '{"depth": 4}'),
            normalisation=normalisation_from_dict(
                _json_object("--normalisation", self.normalisation, '{"kind": "percentile"}')
            ),
            axes=self.network_axes,
            channels=self.channels,
            channel_names=None if self.channel_names is None else names_in(self.channel_names),
            classes=None if self.classes is None else names_in(self.classes),
            trust=self.trust,
            device=self.device,
            output=self.output,
            weights=self.weights,
            patch=None if self.patch is None else sizes_in("--patch", self.patch),
        )
        return network if self.precision is None else network.at_precision(self.precision)


def names_in(text: str) -> list[str]:
    """Names that are separated by commas."""
    return [name.strip() for name in text.split(",")]


def sizes_in(option: str, text: str) -> list[int]:
    """Whole numbers that are separated by commas, one per spatial axis.

    Raises
    ------
    OptionError
        If they are not.
    """
    sizes = text.split(",")
    if not all(size.strip().isdecimal() for size in sizes):
        raise OptionError(
            f"{option} {text!r} is no size; expected whole numbers with commas, such as 256,256."
        )
    return [int(size) for size in sizes]


def _network_path(name: str) -> Path:
    if name not in DEMO_NETWORKS:
        return Path(name)
    from ..scenes.samples import DATA

    return DATA / f"{name}.safetensors"


def _json_object(option: str, text: str | None, example: str) -> dict[str, Any] | None:
    """What an option says in JSON; None where it was not given."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise OptionError(f"{option} {text!r} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise OptionError(f"{option} {text!r} is not a JSON object, such as '{example}'.")
    return value
