"""What the words of `explain` mean: which region, which class."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import RegionError, TargetError

if TYPE_CHECKING:
    from ..explain.regions import Region
    from ..networks.network import Network


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
        from ..explain import regions
        from ..store import images

        if self.mask is not None:
            mask: Any = images.open_mask(self.mask) if large else images.read_labels(self.mask) != 0
            return regions.as_region(mask)
        if self.label is not None and self.labels is not None:
            labels = (images.open_labels if large else images.read_labels)(self.labels)
            return regions.label(labels, self.label)
        if self.pixel is not None:
            return regions.pixel(*_index(self.pixel))
        if self.predicted is not None:
            index = class_of(network, self.predicted)
            if isinstance(index, str):
                raise TargetError("--predicted needs the name or index of a class.")
            return regions.predicted(index)
        return regions.everywhere()


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


def _index(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise RegionError(
            f"--pixel {text!r} is no pixel; expected whole numbers with commas, such as 120,64."
        ) from error
