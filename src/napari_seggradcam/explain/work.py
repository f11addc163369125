"""What a long computation has done so far, on disk, so that it can be gone on with."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Work:
    """A folder with a journal of the steps that are done, and with arrays.

    Parameters
    ----------
    folder
        Where an earlier process may have worked on the same.

    Attributes
    ----------
    done : dict of dict
        What was noted of every step, by its name.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._journal = folder / "journal.jsonl"
        self.done: dict[str, dict[str, Any]] = {}
        text = self._journal.read_bytes() if self._journal.exists() else b""
        # A last line without an end was being written when the process was killed.
        whole = [line for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
        for line in whole:
            entry = json.loads(line)
            self.done[entry.pop("step")] = entry
        self._journal.write_bytes(b"".join(whole))

    def note(self, step: str, **facts: Any) -> None:
        """Note that a step is done, and what came of it in JSON types."""
        self.done[step] = facts
        with self._journal.open("ab") as file:
            file.write(json.dumps({"step": step, **facts}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def save(self, name: str, array: NDArray[Any]) -> None:
        """Keep a small array; it is there as a whole or not at all."""
        partial = self._folder / f"{name}.partial"
        with partial.open("wb") as file:
            np.save(file, array)
        partial.replace(self._folder / f"{name}.npy")

    def load(self, name: str) -> NDArray[Any]:
        """What `save` has kept."""
        return np.asarray(np.load(self._folder / f"{name}.npy"))

    def large_array(self, name: str, shape: tuple[int, ...], chunk: tuple[int, ...]) -> Any:
        """A zarr array of small whole numbers, zeros where nothing was written."""
        import zarr  # which takes half a second

        path = self._folder / f"{name}.zarr"
        if path.exists():
            return zarr.open_array(path, mode="r+")
        return zarr.create_array(path, shape=shape, chunks=chunk, dtype="uint16")
