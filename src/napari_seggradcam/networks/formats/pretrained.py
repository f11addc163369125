"""Folders of ``save_pretrained``: ``config.json`` and the weights in ``model.safetensors``."""

import json
from pathlib import Path
from typing import Any

from ...errors import NetworkFileError
from .contents import Contents

WEIGHTS = "model.safetensors"
_CONFIG = "config.json"


def folder_of(contents: Contents) -> Path | None:
    """The folder, which may be given by the file of its weights; None where it is no such."""
    folder = contents.path if contents.is_folder else contents.path.absolute().parent
    given = contents.is_folder or contents.path.name == WEIGHTS
    both = all((folder / name).is_file() for name in (WEIGHTS, _CONFIG))
    return folder if given and both else None


def config_of(contents: Contents) -> dict[str, Any]:
    """Content of ``config.json``; empty where there is no such folder, or the file is damaged."""
    folder = folder_of(contents)
    if folder is None:
        return {}
    try:
        config = read_json(folder / _CONFIG)
    except NetworkFileError:
        return {}
    return config


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    NetworkFileError
        If it is none.
    """
    try:
        content = json.loads(Contents(path).read_text())
    except (RecursionError, ValueError) as error:
        raise NetworkFileError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise NetworkFileError(f"{path} holds a {type(content).__name__}; expected an object.")
    return content
