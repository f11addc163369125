"""Where a network can be opened from, and which were opened before.

The list of recently opened networks is a small JSON file in the user's data folder.
It remembers paths and how to read them; what somebody trusted is in :mod:`.agreements`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs

_RECENT = 8


@dataclass(frozen=True)
class NetworkSource:
    """A network file and what must be known to open it.

    Attributes
    ----------
    path : str
        The file.
    title : str
        What the list of networks shows.
    options : dict
        Keyword arguments of ``open_network`` beside ``device`` and ``trust``.
    trust : str
        The sha256 of the file whose code a person agreed to run; empty: nobody did.
    """

    path: str
    title: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    trust: str = ""


def titles(sources: Sequence[NetworkSource]) -> list[str]:
    """What the list of networks shows: of several with one title, their folders as well."""
    shared = Counter(source.title for source in sources)
    return [
        source.title if shared[source.title] == 1 else f"{_folder(source, sources)}/{source.title}"
        for source in sources
    ]


def _folder(source: NetworkSource, sources: Sequence[NetworkSource]) -> str:
    """The folder above a file, nearest to it, by which it differs from those of its title."""
    others = [Path(o.path).parts for o in sources if o.title == source.title and o != source]
    for above, folder in enumerate(reversed(Path(source.path).parts[:-1]), 2):
        if all(len(other) < above or other[-above] != folder for other in others):
            return folder
    return str(Path(source.path).parent)


def demo_networks() -> tuple[NetworkSource, ...]:
    """Return the networks that come with the package."""
    data = Path(str(files("napari_seggradcam") / "scenes" / "data"))
    titles = {"nuclei": "Nuclei (demo)", "streets": "Streets (demo)"}
    return tuple(
        NetworkSource(str(data / f"{name}.safetensors"), title) for name, title in titles.items()
    )


def data_folder() -> Path:
    """Return the folder of the user's data that belongs to this plugin."""
    return Path(platformdirs.user_data_path("napari-seggradcam", appauthor=False))


def recent_networks() -> tuple[NetworkSource, ...]:
    """Return what was opened before and still exists, the latest first.

    Returns
    -------
    tuple of NetworkSource
        Empty where nothing was stored or the list can't be read.
    """
    try:
        stored = json.loads(_list_file().read_text(encoding="utf-8"))
        sources = [NetworkSource(row["path"], row["title"], row["options"]) for row in stored]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(source for source in sources if Path(source.path).exists())


def remember(source: NetworkSource) -> None:
    """Put a network at the head of the list; a list that can't be written is left."""
    if source.path in {demo.path for demo in demo_networks()}:
        return
    others = [other for other in recent_networks() if other.path != source.path]
    rows = [asdict(entry) for entry in (source, *others)[:_RECENT]]
    for row in rows:
        del row["trust"]
    try:
        _list_file().parent.mkdir(parents=True, exist_ok=True)
        _list_file().write_text(json.dumps(rows, indent=1), encoding="utf-8")
    except OSError:
        return


def _list_file() -> Path:
    return data_folder() / "recent-networks.json"
