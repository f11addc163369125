"""What can go wrong, as exceptions that a caller can act on.

Every message says what was given, what was expected and what to do.
"""

from collections.abc import Mapping
from pathlib import Path


class SegGradCamError(Exception):
    """Base of every error that this package raises on purpose."""


class RegionError(SegGradCamError, ValueError):
    """The region is empty, lies outside the image or does not fit it."""


class ShapeError(SegGradCamError, ValueError):
    """An array's axes, channels or size do not fit the network."""


class ImageError(SegGradCamError, ValueError):
    """The values of an image can't be used, for example NaN."""


class LayerError(SegGradCamError, ValueError):
    """A network layer was asked for that the network does not have."""


class UnknownLayer(LayerError, KeyError):
    """An answer was asked for a network layer that it has nothing of."""

    # Of KeyError it would be the message in quotation marks.
    __str__ = Exception.__str__


class TargetError(SegGradCamError, ValueError):
    """A class was asked for that the network does not have."""


class OptionError(SegGradCamError, ValueError):
    """A method, score or other option was asked for that does not exist."""


class NetworkError(SegGradCamError, ValueError):
    """The network itself failed while it ran, or can't be explained."""


class OutOfMemory(NetworkError, MemoryError):
    """Memory ran out, and the computation can't be divided further."""


class NetworkFileError(SegGradCamError, OSError):
    """A file is missing or is not a network that can be opened."""


class FactoryNeeded(NetworkFileError):
    """The file has numbers and no architecture; the caller has to name a factory."""


class UntrustedNetwork(SegGradCamError, OSError):
    """Opening the file would run Python code that nobody has agreed to.

    Attributes
    ----------
    path
        The file.
    sha256
        Of the file.
    what
        What would run, in words.
    source
        Code to read, by its name.
    """

    def __init__(
        self, message: str, *, path: Path, sha256: str, what: str, source: Mapping[str, str]
    ):
        super().__init__(message)
        self.path = path
        self.sha256 = sha256
        self.what = what
        self.source = source


class ExplanationFileError(SegGradCamError, OSError):
    """A file is missing or is not a saved explanation."""


class TrainingDataError(SegGradCamError, ValueError):
    """Training data are missing, unpaired or of the wrong kind."""


class MissingPackage(SegGradCamError, ImportError):
    """An optional package is needed; the message has the install command."""


class Cancelled(SegGradCamError):
    """A long call was stopped because its ``cancel`` callable returned True."""
