"""What the words of a question mean: which region, which class, which channels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import OptionError, RegionError, TargetError
from .console import note
from .options import names_in

if TYPE_CHECKING:
    from ..explain.regions.region import Region
    from ..networks.network import Network
    from ..store.images import ReadImage


@dataclass(frozen=True)
class RegionChoice:
    """The region that the options describe; exactly one kind of them may be given.

    Parameters
    ----------
    mask
        File that is not 0 inside.
    label, labels
        One value, and the file of the label image.
    pixel
        Indices with commas.
    everywhere
        The whole image.
    predicted
        Name or index of a class.

    Raises
    ------
    typer.BadParameter
        If none or several are given, or one of label and labels.
    """

    mask: Path | None
    label: int | None
    labels: Path | None
    pixel: str | None
    everywhere: bool
    predicted: str | None

    def __post_init__(self) -> None:
        given = {
            "--region": self.mask is not None,
            "--label": self.label is not None,
            "--pixel": self.pixel is not None,
            "--everywhere": self.everywhere,
            "--predicted": self.predicted is not None,
        }
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            said = f"got {' and '.join(named)}" if named else "got none"
            raise typer.BadParameter(f"{said}; expected exactly one of {', '.join(given)}.")
        if (self.label is None) != (self.labels is None):
            raise typer.BadParameter("--label and --labels belong together: a value, and the file.")

    def region(self, network: "Network", *, large: bool = False) -> "Region":
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
        from ..explain.regions import sets
        from ..explain.regions.region import as_region
        from ..store import images

        if self.mask is not None:
            mask: Any = images.open_mask(self.mask) if large else images.read_labels(self.mask) != 0
            return as_region(mask)
        if self.label is not None and self.labels is not None:
            labels = (images.open_labels if large else images.read_labels)(self.labels)
            return sets.label(labels, self.label)
        if self.pixel is not None:
            return sets.pixel(*_index(self.pixel))
        if self.predicted is not None:
            index = class_of(network, self.predicted)
            if isinstance(index, str):
                raise TargetError("--predicted needs the name or index of a class.")
            return sets.predicted(index)
        return sets.everywhere()


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
