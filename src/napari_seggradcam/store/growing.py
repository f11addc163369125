"""Explanations that are written part by part, larger than memory, and survive being killed."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExplanationFileError
from .explanations import (
    FORMAT,
    KEY,
    as_json,
    beside,
    cannot_write,
    check_replaceable,
    describe_map,
    replace_with,
)

if TYPE_CHECKING:
    from filelock import BaseFileLock

_PLAN, _LOCK, _WORK = "plan.json", "lock", "work"
_LEFT_BY_A_KILL = "*.partial"
"""Files that zarr was writing when its process was killed; it renames them when they are whole."""

Window = tuple[slice, ...]


@dataclass(frozen=True)
class MapPlan:
    """What is known of the map of one network layer before it is computed.

    Attributes
    ----------
    name : str
        Name of the network layer, unique within the explanation.
    shape : tuple of int
        Spatial shape of the map.
    scale, translate : tuple of float
        Placement in pixels of the image, as in `StoredMap`.
    channels : int
        Number of feature maps: how many weights there are.
    chunk : tuple of int
        Spatial shape of the pieces in which the map is stored.
    """

    name: str
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    channels: int
    chunk: tuple[int, ...]


class GrowingExplanation:
    """An explanation that is written part by part, and can be gone on with after a kill.

    It grows in a hidden folder beside the one that it will be, and is renamed at the end. A kill
    leaves every chunk either as it was before or whole. Which parts are done is the caller's to
    remember, in files of its own under ``folder / "work"``: note a part after its last write.

    Make it with `begin`. One process at a time may write; the hidden folder is let go of by
    `finish`, by `close`, when the object is dropped, and when the process ends.

    Attributes
    ----------
    folder : Path
        The hidden folder.
    resumed : bool
        Whether it was begun by an earlier process.
    """

    def __init__(
        self,
        target: Path,
        folder: Path,
        plans: Sequence[MapPlan],
        lock: "BaseFileLock",
        resumed: bool,
    ) -> None:
        from .omezarr import open_filling  # zarr takes half a second to import

        self.folder = folder
        self.resumed = resumed
        self._target = target
        self._plans = tuple(plans)
        self._lock = lock
        maps, weights, self._region = open_filling(folder, _describe(plans))
        self._maps = {plan.name: array for plan, array in zip(plans, maps, strict=True)}
        self._weights = {plan.name: array for plan, array in zip(plans, weights, strict=True)}

    @classmethod
    def begin(
        cls,
        path: str | Path,
        plans: Sequence[MapPlan],
        region_shape: tuple[int, ...],
        region_chunk: tuple[int, ...],
        fingerprint: dict[str, Any],
    ) -> "GrowingExplanation":
        """Begin an explanation, or go on with the one that was begun at `path`.

        Parameters
        ----------
        path : path-like
            The folder that will be made, by convention ``*.sgc.zarr``.
        plans : sequence of MapPlan
            In order of execution.
        region_shape, region_chunk : tuple of int
            Shape of the image, and of the pieces in which the region is stored.
        fingerprint : dict
            What the values depend on; JSON types only. What was begun with another fingerprint or
            other plans is thrown away.

        Raises
        ------
        ExplanationFileError
            If `path` or the hidden folder is something else, can't be written, or if another
            process is writing there.
        """
        target = Path(path)
        check_replaceable(target)
        folder = target.with_name(f".{target.name}.partial")
        plan = as_json(
            {
                "format": FORMAT,
                "maps": [asdict(one) for one in plans],
                "region": {"shape": region_shape, "chunk": region_chunk},
                "fingerprint": fingerprint,
            },
            "fingerprint",
        )
        with _told(target):
            resumed = folder.exists()
            if resumed:
                lock = _take(folder)
                if _plan_of(folder) != plan:
                    lock.release(force=True)
                    _throw_away(folder)
                    resumed = False
            if not resumed:
                _make(folder, plan, plans, tuple(region_shape), tuple(region_chunk))
                lock = _take(folder)
            return cls(target, folder, plans, lock, resumed)

    def write_map(self, name: str, window: Window, signed: NDArray[np.float32]) -> None:
        """Write a part of a map: the signed map, and the heatmap, which is its positive part.

        Parameters
        ----------
        name : str
            The network layer.
        window : tuple of slice
            Which part, one slice per spatial axis. One that cuts a chunk costs reading the chunk.
        signed : ndarray of float32
            The values; of the window's shape.

        Raises
        ------
        ExplanationFileError
            If the window is not of the shape of `signed`, or if it can't be written.
        """
        array = self._maps[name]
        whole = _checked(window, array.shape[1:], signed.shape, name)
        values = np.asarray(signed, np.float32)
        with _told(self._target):
            array[(0, *whole)] = np.maximum(values, 0)
            array[(1, *whole)] = values

    def write_weights(self, name: str, weights: NDArray[np.float32]) -> None:
        """Write the weights of a network layer, one per feature map.

        Raises
        ------
        ExplanationFileError
            If it is not the number that was planned, or if they can't be written.
        """
        array = self._weights[name]
        if weights.shape != array.shape:
            raise ExplanationFileError(
                f"The weights of {name!r} have shape {weights.shape}; expected {array.shape}, one "
                "for each feature map that was planned."
            )
        with _told(self._target):
            array[...] = np.asarray(weights, np.float32)

    def write_region(self, window: Window, mask: NDArray[np.bool_]) -> None:
        """Write a part of the region, as `write_map` does; what is outside it is written as well.

        Parameters
        ----------
        window : tuple of slice
            Which part.
        mask : ndarray of bool
            Of the window's shape.
        """
        array = self._region
        whole = _checked(window, array.shape, mask.shape, "region")
        with _told(self._target):
            array[whole] = np.asarray(mask, bool).astype(np.uint8)

    def finish(self, record: dict[str, Any], attributes: dict[str, dict[str, Any]]) -> Path:
        """Make it an explanation, and move it to where it belongs.

        Every map is read once more, for its largest values.

        Parameters
        ----------
        record : dict
            How the explanation was made; JSON types only.
        attributes : dict of dict
            What else is known, by name of the network layer; as in `StoredMap`.

        Returns
        -------
        Path
            The folder. An explanation that was there is replaced.

        Raises
        ------
        ExplanationFileError
            If a part was never written, or if the folder can't be written; nothing is lost then,
            and `begin` goes on with it.
        """
        from .omezarr import finish_filled

        description = {
            **_describe(self._plans, attributes),
            "record": as_json(record, "record"),
            "pixel_size": [1.0] * len(self._region.shape),
        }
        check_replaceable(self._target)
        with _told(self._target):
            try:
                finish_filled(self.folder, KEY, description)
            except (ValueError, RuntimeError) as error:
                raise ExplanationFileError(
                    f"The explanation {self._target} is not complete: {error}. Write what is "
                    f"missing; what was written is still in {self.folder}."
                ) from error
            for part in ("maps", "labels"):
                for left in (self.folder / part).rglob(_LEFT_BY_A_KILL):
                    left.unlink()
            self.close()
            replace_with(self._target, self.folder)
            # Not before: until it is renamed, a kill must leave what `begin` needs to go on.
            _clean(self._target)
        return self._target

    def close(self) -> None:
        """Let go of the hidden folder, and leave it for a later `begin`."""
        self._lock.release(force=True)


def _describe(
    plans: Sequence[MapPlan], attributes: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Describe the maps in the form of the root group's attributes; there is no image."""
    entries = [
        describe_map(number, p.name, p.scale, p.translate, (attributes or {}).get(p.name, {}))
        for number, p in enumerate(plans)
    ]
    return {"format": FORMAT, "maps": entries, "units": None, "image_channels": None}


def _make(
    folder: Path,
    plan: dict[str, Any],
    plans: Sequence[MapPlan],
    region_shape: tuple[int, ...],
    region_chunk: tuple[int, ...],
) -> None:
    """Make the hidden folder, without values; it gets its name when it is complete."""
    from .omezarr import create_empty

    new = beside(folder)
    new.mkdir(parents=True)
    try:
        description = {**_describe(plans), "pixel_size": [1.0] * len(region_shape)}
        create_empty(new, description, plans, region_shape, region_chunk)
        (new / _WORK).mkdir()
        (new / _PLAN).write_text(json.dumps(plan), encoding="utf-8")
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _plan_of(folder: Path) -> Any:
    """Read what a hidden folder was begun with."""
    try:
        return json.loads((folder / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExplanationFileError(
            f"{folder} is in the way: it is not an explanation that was begun and can be gone on "
            "with. Remove it, or choose another name for the explanation."
        ) from error


def _take(folder: Path) -> "BaseFileLock":
    """Keep other processes away from a hidden folder."""
    from filelock import FileLock, Timeout

    _plan_of(folder)
    # One lock for all of this process, whichever thread lets go of it.
    lock = FileLock(folder / _LOCK, timeout=0, thread_local=False, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise ExplanationFileError(
            f"Another process is writing this explanation (its parts are in {folder}). "
            "Wait for it or end it, or choose another name."
        ) from error
    return lock


def _throw_away(folder: Path) -> None:
    """Remove a hidden folder; its name is free at once, also where a kill interrupts that."""
    old = beside(folder)
    folder.rename(old)
    shutil.rmtree(old, ignore_errors=True)


def _clean(folder: Path) -> None:
    """Remove what only a growing explanation needs."""
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    for name in (_PLAN, _LOCK):
        (folder / name).unlink(missing_ok=True)


def _checked(window: Window, shape: tuple[int, ...], given: tuple[int, ...], what: str) -> Window:
    """Refuse a window that is not one of the array, or not of the shape of what was given."""
    bounds = [part.indices(size) for part, size in zip(window, shape, strict=False)]
    expected = tuple(stop - start for start, stop, _ in bounds)
    steps = {step for _, _, step in bounds}
    if len(window) != len(shape) or steps != {1} or expected != tuple(given):
        raise ExplanationFileError(
            f"A part of {what!r} of shape {tuple(given)} was given for {window}; expected a "
            f"window in {shape}, and values of its shape."
        )
    return tuple(slice(start, stop) for start, stop, _ in bounds)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Say what could not be written instead of how the file system or zarr puts it."""
    try:
        yield
    except ExplanationFileError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise cannot_write(target, error) from error
