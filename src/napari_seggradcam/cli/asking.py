"""What the words of a question mean: which region, which class, which channels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import OptionError, RegionError, TargetError
from .console import note
from .options import names_in

if TYPE_CHECKING:
    from ..explain.regions.region import Region
    from ..networks.network import Network
    from ..store.images import ReadImage

_REGION = "Region (one of these)"
_WEIGHTED = "Region against another"

Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK", help="Mask on the image's grid, not 0 inside.", rich_help_panel=_REGION
    ),
]
Label = Annotated[
    int | None, typer.Option(help="One label value of --labels.", rich_help_panel=_REGION)
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Label image for --label.", rich_help_panel=_REGION),
]
Pixel = Annotated[
    str | None,
    typer.Option(metavar="Y,X", help="One pixel, counted from 0.", rich_help_panel=_REGION),
]
Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="The whole image.", rich_help_panel=_REGION)
]
Predicted = Annotated[
    str | None,
    typer.Option(metavar="CLASS", help="All pixels predicted as CLASS.", rich_help_panel=_REGION),
]
FalsePositives = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS",
        help="Pixels predicted as CLASS that are not, says --truth.",
        rich_help_panel=_REGION,
    ),
]
FalseNegatives = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS",
        help="Pixels of CLASS, says --truth, that are not predicted as it.",
        rich_help_panel=_REGION,
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Index of the true class at every pixel.", rich_help_panel=_REGION
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK",
        help="Pixels that count -1: why there and not here?",
        rich_help_panel=_WEIGHTED,
    ),
]
Border = Annotated[
    int | None,
    typer.Option(
        metavar="WIDTH",
        help="Of the region its border alone: WIDTH pixels within count 1, as many around -1.",
        rich_help_panel=_WEIGHTED,
    ),
]
Target = Annotated[
    str, typer.Option(metavar="CLASS", help="Class asked about: name, index or predicted.")
]


@dataclass(frozen=True)
class RegionChoice:
    """The region that the options describe; exactly one kind of them may be given.

    Parameters
    ----------
    region
        File that is not 0 inside.
    label, labels
        One value, and the file of the label image.
    pixel
        Indices with commas.
    everywhere
        The whole image.
    predicted, false_positives, false_negatives
        Name or index of a class.
    truth
        File with the true class of every pixel.
    against
        File that is not 0 where pixels count against the score.
    border
        Pixels to either side of the region's border.

    Raises
    ------
    typer.BadParameter
        If none or several are given, or one of those that belong together.
    """

    region: Mask = None
    label: Label = None
    labels: Labels = None
    pixel: Pixel = None
    everywhere: Everywhere = False
    predicted: Predicted = None
    false_positives: FalsePositives = None
    false_negatives: FalseNegatives = None
    truth: Truth = None
    against: Against = None
    border: Border = None

    def __post_init__(self) -> None:
        given = {
            "--region": self.region is not None,
            "--label": self.label is not None,
            "--pixel": self.pixel is not None,
            "--everywhere": self.everywhere,
            "--predicted": self.predicted is not None,
            "--false-positives": self.false_positives is not None,
            "--false-negatives": self.false_negatives is not None,
        }
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            said = f"got {' and '.join(named)}" if named else "got none"
            raise typer.BadParameter(f"{said}; expected exactly one of {', '.join(given)}.")
        if (self.label is None) != (self.labels is None):
            raise typer.BadParameter("--label and --labels belong together: a value, and the file.")
        wants_truth = given["--false-positives"] or given["--false-negatives"]
        if wants_truth != (self.truth is not None):
            raise typer.BadParameter(
                "--truth belongs to --false-positives and --false-negatives: the true classes."
            )
        if self.against is not None and self.border is not None:
            raise typer.BadParameter("got --against and --border; expected one of them at most.")

    @property
    def is_weighted(self) -> bool:
        """Whether some pixels count against the score."""
        return self.against is not None or self.border is not None

    def read(self, network: "Network", *, large: bool = False) -> "Region":
        """Read what has to be read, and return the region.

        Parameters
        ----------
        network
            Knows the classes.
        large
            Whether files are opened and read later, window by window.

        Raises
        ------
        ImageError
            If a file can't be read as a mask.
        RegionError, TargetError
            If the words make no pixel or no class.
        """
        from ..explain.regions.weighted import border, contrast

        chosen = self._set_of_pixels(network, large)
        if self.against is not None:
            return contrast(chosen, _mask(self.against, large))
        return chosen if self.border is None else border(chosen, self.border)

    def _set_of_pixels(self, network: "Network", large: bool) -> "Region":
        from ..explain.regions import sets
        from ..explain.regions.region import as_region

        if self.region is not None:
            return as_region(_mask(self.region, large))
        if self.label is not None and self.labels is not None:
            return sets.label(_labels(self.labels, large), self.label)
        if self.pixel is not None:
            return sets.pixel(*_index(self.pixel))
        if self.predicted is not None:
            return sets.predicted(index_of(network, "--predicted", self.predicted))
        if self.false_positives is not None and self.truth is not None:
            index = index_of(network, "--false-positives", self.false_positives)
            return sets.false_positives(_labels(self.truth, large), index)
        if self.false_negatives is not None and self.truth is not None:
            index = index_of(network, "--false-negatives", self.false_negatives)
            return sets.false_negatives(_labels(self.truth, large), index)
        return sets.everywhere()


def _mask(path: Path, large: bool) -> Any:
    from ..store import images

    return images.open_mask(path) if large else images.read_labels(path) != 0


def _labels(path: Path, large: bool) -> Any:
    from ..store import images

    return (images.open_labels if large else images.read_labels)(path)


def index_of(network: "Network", option: str, text: str) -> int:
    """Class that an option means, by name or index.

    Raises
    ------
    TargetError
        If the network has no such class.
    """
    index = class_of(network, text)
    if isinstance(index, str):
        raise TargetError(f"{option} needs the name or index of a class.")
    return index


def class_of(network: "Network", text: str) -> int | str:
    """Class that a word means: a name, an index, or "predicted".

    Raises
    ------
    TargetError
        If the network has no such class.
    """
    if text == "predicted":
        return text
    if text not in network.classes and text.lstrip("-").isdigit():
        return network.class_index(int(text))
    return network.class_index(text)


def with_channels(image: "ReadImage", network: "Network", order: str | None) -> "ReadImage":
    """The channels of an image that a network takes, in the network's order.

    Parameters
    ----------
    image
        Its values may stay on disk.
    network
        It may name its channels.
    order
        Names and numbers as the option says them; None: what names tell, else all as they are.

    Raises
    ------
    OptionError
        If there are no such channels.
    ShapeError
        If nothing tells which channels the network takes.
    """
    from ..networks.channels import chosen_channels, match_channels

    if "C" not in image.axes:
        if order is not None:
            raise OptionError(
                f"--channel-order {order!r} is for an image with channels, and this one has the "
                f"axes {image.axes}. Leave it out, or say with --axes which axis is C."
            )
        return image
    count, names = image.array.shape[image.axes.index("C")], image.channel_names
    if order is not None:
        chosen = names_in(order)
        return image.with_channels(chosen_channels(chosen, network.channels, names, count))
    found = match_channels(network.channel_names, network.channels, names, count)
    if network.channel_names is not None:
        note(f"Channels {', '.join(network.channel_names)} {found.how}.")
    return image.with_channels(found.indices)


def _index(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise RegionError(
            f"--pixel {text!r} is no pixel; expected whole numbers with commas, such as 120,64."
        ) from error
