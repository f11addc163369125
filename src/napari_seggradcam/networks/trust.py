"""Whether a network file may do what opening it would do.

Three levels: numbers alone are opened silently, a graph whose operations were looked at is opened
with a line in the log, and Python code runs only if somebody agreed to it.
"""

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import NetworkFileError, UntrustedNetwork
from .formats.contents import Contents

_log = logging.getLogger(__name__)


class Level(enum.Enum):
    """What opening a file amounts to, for people."""

    DATA = "data only"
    SCANNED = "scanned graph"
    CODE = "runs Python code"


@dataclass(frozen=True)
class Needs:
    """What opening a file would run.

    Attributes
    ----------
    level
        How much.
    what
        What would run, in words.
    source
        Code to read before one agrees, by its name.
    """

    level: Level
    what: str = ""
    source: Mapping[str, str] = field(default_factory=dict)


def gate(contents: Contents, needs: Needs, trust: bool | str) -> None:
    """Let a file pass, or raise an error.

    Parameters
    ----------
    contents
        The file.
    needs
        What opening it would run.
    trust
        True, or the sha256 to which somebody agreed: it is the file as it is now.

    Raises
    ------
    UntrustedNetwork
        If it would run Python code that nobody agreed to.
    NetworkFileError
        If it is not the file that somebody agreed to.
    """
    if isinstance(trust, str) and trust != contents.sha256:
        raise NetworkFileError(
            f"{contents.path} has the sha256 {contents.sha256}, not {trust}, which was agreed to; "
            "it has been changed. Look at it again."
        )
    if needs.level is Level.SCANNED:
        _log.info("%s holds a graph that was looked at: %s", contents.path, needs.what)
    if needs.level is Level.CODE and not trust:
        raise UntrustedNetwork(
            f"Opening {contents.path} would run Python code: {needs.what} If you trust where it "
            "comes from, open it with trust=True (--trust); better, ask for a state dict or "
            "safetensors.",
            path=contents.path,
            sha256=contents.sha256,
            what=needs.what,
            source=needs.source,
        )
