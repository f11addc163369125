"""A computation that was ended goes on, whatever ended it, and gives the same to the last bit."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_crops import network_of
from test_large import IMAGE, balanced, counts, far_apart, in_parts, values

import napari_seggradcam as sgc
from architectures import SqueezeExcitation
from napari_seggradcam.networks.normalisation import Percentile
from progress import CancelAfter

OUT = "e.sgc.zarr"
PARTIAL = ".e.sgc.zarr.partial"
PIXELS = 40**2


def ask(network: sgc.Network, out: Path, **changes: Any) -> sgc.Explanation:
    """A question of which every step depends on the one before."""
    options: dict[str, Any] = {"image": IMAGE, "region": sgc.predicted(1) - far_apart()}
    options |= {"pixels": PIXELS, "layers": "levels", **changes}
    image, region, pixels = (options.pop(name) for name in ("image", "region", "pixels"))
    return in_parts(network, image, region, out, pixels, **options)


@pytest.fixture(scope="module")
def network() -> sgc.Network:
    return balanced("dense")


@pytest.fixture(scope="module")
def undisturbed(network: sgc.Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / OUT
    crops, tiles = counts(ask(network, out))
    assert min(crops, tiles) > 3
    return out


def files(folder: Path) -> dict[str, bytes]:
    """Every file, but for the one that has the record, where the seconds are."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path != folder / "zarr.json"
    }


def steps_of(network: sgc.Network, out: Path) -> list[str]:
    steps: list[str] = []
    ask(network, out, progress=lambda done, total, what: steps.append(f"{what} {done}"))
    return steps


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes on which the network ran."""
    found: list[tuple[int, ...]] = []
    run = sgc.Network.run

    def spy(self: sgc.Network, tensor: torch.Tensor, *args: Any) -> torch.Tensor:
        found.append(tuple(tensor.shape[2:]))
        return run(self, tensor, *args)

    monkeypatch.setattr(sgc.Network, "run", spy)
    return found


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from test_large import *
from test_large_resumed import ask

def killed(end):
    if os.fork():
        return os.wait()[1]
    end(lambda *anything: os.kill(os.getpid(), signal.SIGKILL))
    os._exit(1)

def after(number, out):
    def end(kill):
        steps = []
        def progress(*step):
            steps.append(step)
            if len(steps) == number:
                kill()
        ask(balanced("dense"), Path(out), progress=progress)
    return end

def within(home, name, out):
    def end(kill):
        setattr(home, name, kill)
        ask(balanced("dense"), Path(out))
    return end

from napari_seggradcam.explain.work import Work
from napari_seggradcam.store.growing import GrowingExplanation
folder = Path({folder!r})
for number in {numbers!r}:
    print(killed(after(number, folder / str(number) / {out!r})))
print(killed(within(Work, "note", folder / "note" / {out!r})))
print(killed(within(GrowingExplanation, "write_map", folder / "write_map" / {out!r})))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has neither fork nor SIGKILL")
def test_a_killed_process_is_gone_on_with(
    network: sgc.Network, undisturbed: Path, tmp_path: Path, passes: list[tuple[int, ...]]
) -> None:
    """Among crops and among tiles, while a step was being noted, and while a map was written."""
    steps = steps_of(network, tmp_path / "first")
    whole = len(passes)
    numbers = [steps.index("weights 2") + 1, len(steps) - 1]
    code = KILLED.format(
        paths=[str(Path(__file__).parent), str(Path(__file__).parent.parent)],
        folder=str(tmp_path),
        numbers=numbers,
        out=OUT,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["9"] * 4, done.stderr
    done_before = {str(number): number for number in numbers}
    first_map = next(n for n, step in enumerate(steps) if step.startswith("maps"))
    done_before |= {"note": 0, "write_map": first_map}
    for name, already in done_before.items():
        folder = tmp_path / name
        assert [path.name for path in folder.iterdir()] == [PARTIAL]
        passes.clear()
        again = ask(network, folder / OUT)
        assert again.record["computed"]["resumed"]
        assert len(passes) == whole - already, name
        assert files(folder / OUT) == files(undisturbed)
        assert [path.name for path in folder.iterdir()] == [OUT]


class Ended(Exception):
    """Something that nobody expects."""


@settings(max_examples=5)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_any_ends_one_after_another(
    network: sgc.Network,
    undisturbed: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ends: list[int],
) -> None:
    """Steps that are done are told again at once, so that each end is later than the last."""
    out = tmp_path_factory.mktemp("ends") / OUT
    for end in sorted(ends):
        left = [end]

        def progress(*step: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise Ended

        try:
            ask(network, out, progress=progress)
        except Ended:
            assert not out.exists()
    ask(network, out)
    assert files(out) == files(undisturbed)


@pytest.fixture(scope="module")
def opportunities(network: sgc.Network, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How often a computation asks whether it is cancelled."""
    never = CancelAfter(10**9)
    ask(network, tmp_path_factory.mktemp("asked") / OUT, cancel=never)
    return never.asked


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 1])
def test_cancelled(
    network: sgc.Network, undisturbed: Path, tmp_path: Path, opportunities: int, share: float
) -> None:
    cancel = CancelAfter(round(share * (opportunities - 1)))
    with pytest.raises(sgc.Cancelled):
        ask(network, tmp_path / OUT, cancel=cancel)
    begun = share > 0  # at the first opportunity nothing had been looked at
    assert [path.name for path in tmp_path.iterdir()] == ([PARTIAL] if begun else [])
    found = ask(network, tmp_path / OUT, cancel=lambda: False)
    assert found.record["computed"]["resumed"] == begun
    assert files(tmp_path / OUT) == files(undisturbed)


def another_image() -> np.ndarray:
    image = IMAGE.copy()
    image[40, 50] += 0.5
    return image


def another_network() -> sgc.Network:
    network = balanced("dense")
    with torch.no_grad():
        network.module.deep.weight[0, 0, 0, 0] += 0.5
    return network


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "image": lambda: {"image": another_image()},
    "region": lambda: {"region": sgc.predicted(1) - far_apart() - sgc.pixel(0, 8)},
    "network": lambda: {"network": another_network()},
    "target": lambda: {"target": 1},
    "layers": lambda: {"layers": "bottleneck"},
    "memory": lambda: {"pixels": 44**2},
    "precision": lambda: {"network": balanced("dense").at_precision("float64")},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_computed_anew(network: sgc.Network, change: str, tmp_path: Path) -> None:
    def ended(done: int, total: int, what: str) -> None:
        if (what, done) == ("maps", total - 1):
            raise Ended

    with pytest.raises(Ended):
        ask(network, tmp_path / OUT, progress=ended)
    changes = {"network": network, **CHANGES[change]()}
    found = ask(out=tmp_path / OUT, **changes)
    assert not found.record["computed"]["resumed"]
    assert [path.name for path in tmp_path.iterdir()] == [OUT]
    fresh = ask(out=tmp_path / "fresh.sgc.zarr", **changes)
    assert values(found) == values(fresh)


def test_an_explanation_is_there_until_the_next_is_whole(
    network: sgc.Network, undisturbed: Path, tmp_path: Path
) -> None:
    before = values(ask(network, tmp_path / OUT, layers="bottleneck"))

    def ended(done: int, total: int, what: str) -> None:
        if what == "maps":
            assert values(sgc.open_explanation(tmp_path / OUT)) == before
            raise Ended

    with pytest.raises(Ended):
        ask(network, tmp_path / OUT, progress=ended)
    ask(network, tmp_path / OUT)
    assert files(tmp_path / OUT) == files(undisturbed)


def holed() -> np.ndarray:
    image = IMAGE.copy()
    image[60, 80] = np.nan
    return image


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "empty": ({"region": np.zeros(IMAGE.shape, bool)}, sgc.RegionError, "has no pixel"),
    "never predicted": ({"region": sgc.predicted(7)}, sgc.RegionError, "has no pixel"),
    "no such label": (
        {"region": sgc.label(np.ones(IMAGE.shape, int), 2)},
        sgc.RegionError,
        "label 2",
    ),
    "another shape": ({"region": np.ones((70, 91), bool)}, sgc.RegionError, r"\(70, 91\)"),
    "outside": ({"region": sgc.pixel(70, 0)}, sgc.RegionError, "lies outside"),
    "contrast": (
        {"region": sgc.contrast(sgc.pixel(1, 1), sgc.pixel(2, 2))},
        sgc.RegionError,
        r"tile by tile takes sets of pixels.*Expected one whose pixels all count alike",
    ),
    "no mask": ({"region": np.full(IMAGE.shape, 2)}, sgc.RegionError, "other than 0 and 1"),
    "not finite": ({"image": holed()}, sgc.ImageError, "1 value that"),
    "axes": ({"axes": "ZYX"}, sgc.ShapeError, "the axes 'ZYX'"),
    "channels": ({"image": np.zeros((70, 90, 3)), "axes": "YXC"}, sgc.ShapeError, "3 channels"),
    "class": ({"target": 2}, sgc.TargetError, "2"),
    "network layer": ({"layers": "decoder 9"}, sgc.LayerError, "decoder 9"),
    "score": ({"score": "softmax"}, sgc.OptionError, "score"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_disturbs_nothing(
    network: sgc.Network, undisturbed: Path, tmp_path: Path, wrong: str
) -> None:
    changes, kind, words = WRONG[wrong]
    for _ in range(2):
        with pytest.raises(kind, match=words):
            ask(network, tmp_path / OUT, **changes)
        assert not (tmp_path / OUT).exists()
    assert not ask(network, tmp_path / OUT).record["computed"]["resumed"]
    assert files(tmp_path / OUT) == files(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == [OUT]


def test_values_that_are_not_finite_are_found_by_the_statistics(tmp_path: Path) -> None:
    module = network_of("dense").module
    network = sgc.Network.from_module(module, normalisation=Percentile())
    with pytest.raises(sgc.ImageError, match="1 value that"):
        ask(network, tmp_path / OUT, image=holed())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["a file", "a folder"])
def test_something_else_is_left_alone(network: sgc.Network, tmp_path: Path, there: str) -> None:
    out = tmp_path / "results"
    thesis = out if there == "a file" else out / "thesis.txt"
    thesis.parent.mkdir(exist_ok=True)
    thesis.write_text("years of work")
    with pytest.raises(sgc.ExplanationFileError, match="results"):
        ask(network, out)
    assert thesis.read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("name", ["aligned corners", "squeeze and excitation"])
def test_networks_that_see_everything_are_refused(name: str, tmp_path: Path) -> None:
    if name == "aligned corners":
        network, says = network_of(name), "align_corners=True"
    else:
        network = sgc.Network.from_module(SqueezeExcitation())
        says = "sees the whole image at once"
    with pytest.raises(sgc.NetworkError, match=rf"{says}.*use Explainer"):
        sgc.explain_large(network, IMAGE, sgc.pixel(3, 4), tmp_path / OUT, target=1)
    assert list(tmp_path.iterdir()) == []
