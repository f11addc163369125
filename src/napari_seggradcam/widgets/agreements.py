"""Which network files may run Python code, because a person has agreed to it.

A small JSON file in the user's data folder has their sha256. A file that has changed has
another one, and is asked about again.
"""

from __future__ import annotations

import json
from pathlib import Path

from .network_source import data_folder


def is_agreed(sha256: str) -> bool:
    """Whether somebody agreed to a file, and to remember it."""
    return sha256 in _stored()


def remember(sha256: str) -> None:
    """Do not ask about this file again; a list that can't be written is left."""
    digests = sorted({*_stored(), sha256})
    try:
        _list_file().parent.mkdir(parents=True, exist_ok=True)
        _list_file().write_text(json.dumps(digests, indent=1), encoding="utf-8")
    except OSError:
        return


def _stored() -> list[str]:
    """Digests; none where nothing was stored or the list can't be read."""
    try:
        stored = json.loads(_list_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [item for item in stored if isinstance(item, str)] if isinstance(stored, list) else []


def _list_file() -> Path:
    return data_folder() / "trusted-networks.json"
