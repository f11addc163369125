"""What opening a network file showed, for the card of the network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """Whether an opened network computes what its file says it should.

    Attributes
    ----------
    what
        What it was compared with, such as ``"the package's own test output"``.
    difference
        Largest absolute difference of the outputs.
    """

    what: str
    difference: float

    def in_words(self) -> str:
        """One line for people."""
        return f"{self.what}, difference {self.difference:.1g} at most"


@dataclass(frozen=True)
class NetworkFile:
    """What opening a network file showed.

    Attributes
    ----------
    format
        Its format, for people.
    trust
        What opening it amounts to: ``"data only"``, ``"scanned graph"`` or ``"runs Python code"``.
    architecture
        One line for people; None: what the module says.
    check
        A comparison with what the file says comes out; None: it has nothing to compare with.
    notices
        What a person should know, in sentences.
    values_known
        Whether the file or the caller said how raw values are normalised.
    """

    format: str
    trust: str
    architecture: str | None = None
    check: Check | None = None
    notices: tuple[str, ...] = ()
    values_known: bool = True
