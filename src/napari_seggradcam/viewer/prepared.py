"""What a compare mode shows, between the thread that makes it and the viewer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .inputs import ImageInput
from .mosaic import Mosaic
from .stack import Stack

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

Mode = Literal["overlay", "grid", "stack"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a mode shows, ready to be made into layers.

    Attributes
    ----------
    mode : {"overlay", "grid", "stack"}
        Which mode.
    explanation : Explanation
        What is shown.
    image : ImageInput
        The image that was asked about.
    content : Mosaic, Stack or None
        Arrays that had to be made.
    signed : bool
        Whether they are of signed maps.
    """

    mode: Mode
    explanation: "Explanation"
    image: ImageInput
    content: Mosaic | Stack | None
    signed: bool

    def give_back(self) -> None:
        """Leave arrays to what comes after the next (`Mosaic.give_back`); nobody shows them."""
        if isinstance(self.content, Mosaic):
            self.content.give_back()

    def is_like(self, other: "Prepared") -> bool:
        """Whether both are shown by the same napari layers with other data."""
        return (
            self.mode == other.mode
            and type(self.content) is type(other.content)
            and self.image.layers == other.image.layers
            and self.image.grid.shape == other.image.grid.shape
            and tuple(self.explanation) == tuple(other.explanation)
        )
