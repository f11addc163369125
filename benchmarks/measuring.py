"""How contestants are compared: their maps, their time and their memory, and tables of these.

Only captum's maps and those by hand have a sign. torch-cam's are compared after the ReLU, each map
as a share of its range, and pytorch-grad-cam's after what it does to maps: the same, at the size of
the image.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contestants import Maps

# Maps of random weights are small differences of large sums, and peers add a constant to the range.
# Where two values of a max pool or a ReLU's zero are as good as equal, sums in another order may
# decide otherwise: captum was seen 2e-3 away from double precision, from which we were 3e-6.
AGREEMENT = 5e-3


def check(who: str, theirs: Sequence[Maps], mine: Sequence[Maps]) -> None:
    """Compare maps of several questions, and stop the program where they differ.

    Parameters
    ----------
    who
        Whose maps they are: a name among `PEERS`, or who gives signed maps.
    theirs, mine
        Maps by name of the network layer, for every question; mine are signed.
    """
    differences = [
        difference
        for found, expected in zip(theirs, mine, strict=True)
        for difference in _differences(who, found, expected)
    ]
    worst = max(differences)
    if worst > AGREEMENT:
        raise SystemExit(f"The maps of {who} differ from ours by {worst:.1e} of the largest value.")
    print(f"  {who}: {len(differences)} maps differ by {worst:.1e} at most", flush=True)


def _differences(who: str, theirs: Maps, mine: Maps) -> Iterable[float]:
    """Largest difference of every map, as a share of the map's largest value."""
    for name, found in theirs.items():
        expected = mine[name]
        if who == "torch-cam":
            expected, found = _in_range(expected.clip(0)), _in_range(found)
        elif who == "pytorch-grad-cam":
            expected = _as_grad_cam(expected, found.shape)
        yield float(np.abs(expected - found).max() / (np.abs(expected).max() or 1))


def _in_range(values: np.ndarray) -> np.ndarray:
    """From 0 to 1, as torch-cam does, which adds a constant to the range."""
    lowest, span = values.min(), values.max() - values.min()
    return (values - lowest) / (span or 1)


def _as_grad_cam(signed: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What pytorch-grad-cam makes of a map: from 0 to 1, and of the image's size."""
    from pytorch_grad_cam.utils.image import scale_cam_image

    on_image = scale_cam_image(signed.clip(0)[None], shape[::-1])
    return scale_cam_image(on_image)[0]


# ------------------------------------------------------------------------------------ measuring


@dataclass
class Measured:
    """What one contestant needed in one case.

    Attributes
    ----------
    scale
        Figures are multiplied by this, where only a part was run.
    processor, wall
        Seconds of every timed call.
    memory
        Bytes that the resident memory grew to over what it was before, of every weighed call.
    """

    scale: float = 1.0
    processor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def run(self, call: Callable[[], Any], *, timed: bool = True, weighed: bool = True) -> Any:
        """Call, and measure.

        Memory that is free is given back before a call is weighed, so that what it takes is seen;
        taking it again costs time, so that a short call is timed and weighed in different runs.
        """
        gc.collect()
        before = begin_weighing() if weighed else None
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        if timed:
            self.wall.append(self.scale * (time.perf_counter() - wall))
            self.processor.append(self.scale * (time.process_time() - processor))
        if before is not None:
            self.memory.append(resident_peak() - before)
        return result

    @property
    def seconds(self) -> float:
        """Median of processor time."""
        return statistics.median(self.processor)

    @property
    def wall_seconds(self) -> float:
        """Median of time on the clock."""
        return statistics.median(self.wall)


def begin_weighing() -> int | None:
    """Forget the peak so far; bytes that are resident now, or None where that is not allowed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    return None


def resident_peak() -> int:
    """Bytes that were resident at most since `begin_weighing`."""
    return _status("VmHWM")


def _status(entry: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{entry}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {entry}")


# --------------------------------------------------------------------------------------- tables


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def in_seconds(seconds: float) -> str:
    """Seconds with three digits or so."""
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def in_gib(size: float) -> str:
    """Bytes, in GiB."""
    return f"{size / 2**30:.2f} GiB"


def write(path: Path | None, text: str) -> None:
    """Print, and write if asked to."""
    print(text)
    if path:
        path.write_text(text + "\n", encoding="utf-8")
