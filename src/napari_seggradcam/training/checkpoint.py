"""Files of a training: the network, the checkpoint to go on from, the history."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import OptionError

VERSION = 1


@dataclass(frozen=True)
class TrainingFiles:
    """Where a training writes.

    Parameters
    ----------
    network
        The native file; ``.safetensors`` is appended where it lacks.
    """

    network: Path

    @classmethod
    def of(cls, out: str | Path) -> "TrainingFiles":
        """Files of a training whose network goes to ``out``."""
        out = Path(out).expanduser()
        suffix = ".safetensors"
        return cls(out if out.name.endswith(suffix) else out.with_name(out.name + suffix))

    @property
    def checkpoint(self) -> Path:
        """What an interrupted training goes on from; gone after success."""
        return self.network.with_suffix(".checkpoint.pt")

    @property
    def history(self) -> Path:
        """One line per validation."""
        return self.network.with_suffix(".history.csv")


def write_checkpoint(path: Path, state: dict[str, Any], plan: dict[str, Any]) -> None:
    """Write the state of a training; the file is whole or the old one at any moment.

    Parameters
    ----------
    path
        File to write or replace.
    state
        Tensors and plain values.
    plan
        Settings and data, which must be the same to go on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save({"version": VERSION, "plan": plan, "state": state}, temporary)
    os.replace(temporary, path)


def read_checkpoint(path: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """State of the training that the checkpoint holds.

    Raises
    ------
    OptionError
        If there is no checkpoint, it can't be read, or it belongs to another training; the
        message says which settings differ.
    """
    if not path.is_file():
        raise OptionError(f"There is no {path} to go on from; start without resuming.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version, made_for, state = content["version"], content["plan"], content["state"]
    except Exception as error:  # torch raises several kinds for a damaged file
        raise OptionError(f"{path} is not a checkpoint of a training: {error}") from error
    if version != VERSION:
        raise OptionError(f"{path} has the version {version}; this program reads {VERSION}.")
    different = _differences(made_for, plan)
    if different:
        raise OptionError(
            f"{path} belongs to another training, which differs in {'; '.join(different)}. "
            "Go on with the same settings and data, or start without resuming."
        )
    return dict(state)


def write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Write one line per validation as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def _differences(one: Any, other: Any, name: str = "") -> list[str]:
    """Names of the leaves in which two nested dicts differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            difference
            for key in sorted(one.keys() | other.keys())
            for difference in _differences(one.get(key), other.get(key), f"{name} {key}".strip())
        ]
    return [] if one == other else [f"{name} ({one} there, {other} here)"]
