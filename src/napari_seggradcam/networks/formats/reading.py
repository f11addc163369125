"""What a caller asks of a network file, and what the file told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from ..files import Check
from ..normalisation import Normalisation
from ..trust import Needs
from .contents import Contents


@dataclass(frozen=True)
class Request:
    """What the caller said beside the path.

    Attributes
    ----------
    factory, kwargs
        What builds the module of a state dict.
    weights
        Which of several weights of a folder or package; None: the format's first choice.
    output
        Which of several outputs is explained; None: the format's first choice.
    patch
        Spatial shape of patches; for a network of one size, that size.
    trusted
        Whether Python code from the file may run.
    """

    factory: str | Callable[..., nn.Module] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    output: str | None = None
    patch: Sequence[int] | None = None
    trusted: bool = False


@dataclass
class Reading:
    """A module, and what its file told about it; None where it did not.

    Attributes
    ----------
    module
        In evaluation mode, on the CPU.
    architecture
        One line for people; None: the module's class.
    axes, channels, channel_names, classes, colours, normalisation, name, provenance
        As for `Network`.
    values_known
        Whether ``normalisation`` is what the file says where it is None, too.
    output
        Which of the module's outputs is the logits.
    sizes
        Smallest size and step of every spatial axis that the file declares.
    patch
        Spatial shape of what the network's own inference gives it at a time, where that is part
        of the answer.
    runs_at
        Spatial shape of an image on which it runs, where the file says it or it was tried. It
        counts where the network runs on no other.
    check
        A comparison with what the file says comes out.
    notices
        What a person should know, in sentences.
    source
        What was read, where the path holds several networks: opened by its own path, it gives
        the same one. None: all that the path holds.
    """

    module: nn.Module
    architecture: str | None = None
    axes: str | None = None
    channels: int | None = None
    channel_names: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    colours: Sequence[str] | None = None
    normalisation: Normalisation | None = None
    values_known: bool = False
    name: str | None = None
    output: str | None = None
    sizes: Sequence[tuple[int, int]] | None = None
    patch: Sequence[int] | None = None
    runs_at: Sequence[int] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    check: Check | None = None
    notices: Sequence[str] = ()
    source: Contents | None = None


class Format(Protocol):
    """What every module of this room has."""

    NAME: str

    def recognises(self, contents: Contents) -> bool:
        """Whether it is a file of this format, judged by its content."""

    def needs(self, contents: Contents, request: Request) -> Needs:
        """What opening it would run; nothing is run to find out."""

    def read(self, contents: Contents, request: Request) -> Reading:
        """Open it; what it needs has been agreed to."""
