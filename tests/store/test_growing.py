"""Explanations written part by part: the same folder, through kills, and read without memory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from napari_seggradcam.errors import ExplanationFileError
from napari_seggradcam.store.explanations import (
    StoredMap,
    is_explanation,
    read_explanation,
    write_explanation,
)
from napari_seggradcam.store.growing import GrowingExplanation, MapPlan

CHUNK = 8
RECORD = {"score": 2.5, "question": {"class": "nucleus"}}
Window = tuple[slice, ...]


def plans(ndim: int = 2) -> list[MapPlan]:
    shapes = {"encoder 0": ((20,) * ndim, 1.0), "bottleneck": ((5,) * ndim, 4.0)}
    return [
        MapPlan(name, shape, (s,) * ndim, ((s - 1) / 2,) * ndim, 6, (CHUNK,) * ndim)
        for name, (shape, s) in shapes.items()
    ]


def attributes(ndim: int = 2) -> dict[str, dict[str, object]]:
    return {plan.name: {"layer": {"level": n}, "empty": None} for n, plan in enumerate(plans(ndim))}


def content(ndim: int = 2) -> tuple[list[StoredMap], NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    maps = []
    for plan in plans(ndim):
        signed = rng.normal(size=plan.shape).astype(np.float32)
        weights = rng.normal(size=plan.channels).astype(np.float32)
        more = attributes(ndim)[plan.name]
        heatmap = np.maximum(signed, 0)
        maps.append(
            StoredMap(plan.name, signed, heatmap, weights, plan.scale, plan.translate, more)
        )
    region = np.zeros((20,) * ndim, bool)
    region[(slice(3, 11),) * ndim] = True
    return maps, region


def windows(shape: tuple[int, ...]) -> Iterator[Window]:
    for corner in np.ndindex(*(-(-n // CHUNK) for n in shape)):
        yield tuple(slice(i * CHUNK, (i + 1) * CHUNK) for i in corner)


def begin(path: Path, ndim: int = 2, network: str = "a") -> GrowingExplanation:
    chunk = (CHUNK,) * ndim
    return GrowingExplanation.begin(path, plans(ndim), (20,) * ndim, chunk, {"network": network})


def fill(growing: GrowingExplanation, ndim: int = 2) -> None:
    maps, region = content(ndim)
    for one in maps:
        for window in windows(one.signed.shape):
            growing.write_map(one.name, window, one.signed[window])
        growing.write_weights(one.name, one.weights)
    for window in windows(region.shape):
        growing.write_region(window, region[window])


def files(folder: Path) -> dict[str, object]:
    """Metadata as they are, and what every other file holds; the pieces may be cut differently."""
    found: dict[str, object] = {}
    for path in folder.rglob("zarr.json"):
        metadata = json.loads(path.read_text())
        metadata.pop("chunk_grid", None)
        found[str(path.relative_to(folder))] = metadata
    for place, array in arrays(zarr.open_group(folder, mode="r")):
        found[place] = array[...].tolist()
    return found


def arrays(group: zarr.Group, place: str = "") -> Iterator[tuple[str, zarr.Array]]:
    for name, member in group.members():
        if isinstance(member, zarr.Group):
            yield from arrays(member, f"{place}{name}/")
        else:
            yield f"{place}{name}", member


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_folder_is_the_one_that_is_written_at_once(tmp_path: Path, ndim: int) -> None:
    growing = begin(tmp_path / "grown.sgc.zarr", ndim)
    assert not growing.resumed
    (growing.folder / "work" / "done").write_text("all")
    fill(growing, ndim)
    grown = growing.finish(RECORD, attributes(ndim))
    maps, region = content(ndim)
    whole = write_explanation(tmp_path / "whole.sgc.zarr", maps, region, None, RECORD)
    assert files(grown) == files(whole)
    assert sorted(path.name for path in grown.iterdir()) == sorted(p.name for p in whole.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == [grown.name, whole.name]


def test_it_opens_with_ome_zarrs_own_reader(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    growing = begin(tmp_path / "e.sgc.zarr")
    fill(growing)
    path = growing.finish(RECORD, attributes())
    for number, one in enumerate(content()[0]):
        place = json.loads((path / "OME/zarr.json").read_text())["attributes"]["ome"]["series"]
        (node,) = Reader(parse_url(path / place[number]))()
        np.testing.assert_array_equal(np.asarray(node.data[0]), [one.heatmap, one.signed])
        low, high = node.metadata["contrast_limits"][0]
        assert (low, high) == (0.0, one.heatmap.max())
        size = float(np.abs(one.signed).max())
        assert list(node.metadata["contrast_limits"][1]) == [-size, size]


def test_what_was_dropped_midway_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "e.sgc.zarr"
    maps, _ = content()
    first, *others = windows(maps[0].signed.shape)
    growing = begin(path)
    growing.write_map(maps[0].name, first, maps[0].signed[first])
    (growing.folder / "work" / "done").write_text("1")
    stray = growing.folder / "maps" / "00-encoder-0" / "0" / "c" / "0" / "0" / "0.ab.partial"
    stray.write_text("what zarr leaves when it is killed while it writes")
    del growing

    again = begin(path)
    assert again.resumed
    assert not is_explanation(path)
    assert not is_explanation(again.folder)
    assert (again.folder / "work" / "done").read_text() == "1"
    for window in others:
        again.write_map(maps[0].name, window, maps[0].signed[window])
    with pytest.raises(ExplanationFileError, match=r"not complete: .* lacks 2 of its chunks"):
        again.finish(RECORD, attributes())
    rest = begin(path)  # the same process may go on without letting go
    assert rest.resumed
    for window in windows(maps[1].signed.shape):
        rest.write_map(maps[1].name, window, maps[1].signed[window])
    _, region = content()
    for one in maps:
        rest.write_weights(one.name, one.weights)
    for window in windows(region.shape):
        rest.write_region(window, region[window])
    stored = read_explanation(rest.finish(RECORD, attributes()))
    for one, old in zip(stored.maps, maps, strict=True):
        np.testing.assert_array_equal(one.signed, old.signed)
    assert not list(path.rglob("*.partial"))


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_growing import *
maps, region = content()
growing = begin(Path({path!r}))
window = next(windows(region.shape))
growing.write_map("encoder 0", window, maps[0].signed[window])
print("ready", flush=True)
while True:
    growing.write_map("encoder 0", window, maps[0].signed[window])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_whole_chunks_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "e.sgc.zarr"
    code = KILLED.format(tests=str(Path(__file__).parent), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(ExplanationFileError, match="Another process is writing"):
        begin(path)
    with pytest.raises(ExplanationFileError, match="Another process is writing"):
        begin(path, network="b")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    growing = begin(path)
    assert growing.resumed
    maps, _ = content()
    window = next(windows(maps[0].signed.shape))
    array = zarr.open_array(growing.folder / "maps/00-encoder-0/0", mode="r")
    np.testing.assert_array_equal(array[(1, *window)], maps[0].signed[window])
    fill(growing)
    assert read_explanation(growing.finish(RECORD, attributes())).record == RECORD
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("change", ["fingerprint", "plans", "region"])
def test_what_was_begun_for_something_else_is_thrown_away(tmp_path: Path, change: str) -> None:
    path = tmp_path / "e.sgc.zarr"
    old = begin(path)
    (old.folder / "work" / "done").write_text("1")
    old.close()
    chunk = (CHUNK, CHUNK)
    new = GrowingExplanation.begin(
        path,
        plans()[:1] if change == "plans" else plans(),
        (24, 20) if change == "region" else (20, 20),
        chunk,
        {"network": "b" if change == "fingerprint" else "a"},
    )
    assert not new.resumed
    assert not (new.folder / "work" / "done").exists()
    assert [p.name for p in tmp_path.iterdir()] == [new.folder.name]


def test_an_explanation_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "e.sgc.zarr"
    maps, region = content()
    write_explanation(path, maps, region, None, {"n": 1})
    growing = begin(path)
    fill(growing)
    assert read_explanation(path).record == {"n": 1}
    growing.finish({"n": 2}, attributes())
    assert read_explanation(path).record == {"n": 2}
    assert not begin(path).resumed


def test_a_finish_that_failed_at_the_end_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.sgc.zarr"
    growing = begin(path)
    fill(growing)
    (growing.folder / "work" / "done").write_text("all")

    def fail(self: Path, target: Path) -> Path:
        raise OSError("device went away")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(ExplanationFileError, match="device went away"):
            growing.finish({"n": 1}, attributes())
    again = begin(path)
    assert again.resumed
    assert (again.folder / "work" / "done").read_text() == "all"
    stored = read_explanation(again.finish({"n": 2}, attributes()))
    assert stored.record == {"n": 2}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_things_are_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "results"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(ExplanationFileError, match="not overwritten"):
        begin(foreign)
    hidden = tmp_path / ".e.sgc.zarr.partial"
    hidden.mkdir()
    (hidden / "thesis.txt").write_text("more years")
    with pytest.raises(ExplanationFileError, match="in the way"):
        begin(tmp_path / "e.sgc.zarr")
    assert [p.name for p in foreign.iterdir()] == [p.name for p in hidden.iterdir()]
    assert len(list(tmp_path.iterdir())) == 2


def test_parts_of_another_shape_are_refused(tmp_path: Path) -> None:
    growing = begin(tmp_path / "e.sgc.zarr")
    values = np.zeros((CHUNK, CHUNK), np.float32)
    for window in [(slice(0, 4), slice(0, 8)), (slice(0, 16), slice(0, 8)), (slice(0, 8),)]:
        with pytest.raises(ExplanationFileError, match="expected a window in"):
            growing.write_map("encoder 0", window, values)
    with pytest.raises(ExplanationFileError, match="expected a window in"):
        growing.write_region((slice(1, 8), slice(0, 8)), values > 0)
    with pytest.raises(ExplanationFileError, match=r"shape \(5,\); expected \(6,\)"):
        growing.write_weights("encoder 0", np.zeros(5, np.float32))
    with pytest.raises(ExplanationFileError, match="fingerprint can't be written as JSON"):
        GrowingExplanation.begin(tmp_path / "f", plans(), (20, 20), (8, 8), {"x": np.zeros(1)})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arrays that are read, one entry for each reading."""
    found: list[str] = []
    get = zarr.Array.__getitem__

    def counted(self: zarr.Array, selection: object) -> object:
        found.append(self.path)
        return get(self, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    return found


@pytest.mark.parametrize("channels", [None, "none", "first", "last"])
def test_opening_lazily_reads_nothing(
    tmp_path: Path, reads: list[str], channels: str | None
) -> None:
    maps, region = content()
    shapes = {"none": (20, 20), "first": (3, 20, 20), "last": (20, 20, 3)}
    image = None if channels is None else np.random.default_rng(1).random(shapes[channels])
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, image, RECORD)
    reads.clear()
    stored = read_explanation(path, lazy=True)
    sizes = [one.nbytes for m in maps for one in (m.signed, m.heatmap, m.weights)]
    assert stored.nbytes == sum(sizes) + region.nbytes + (0 if image is None else image.nbytes)
    assert [one.top for one in stored.maps] == [float(one.heatmap.max()) for one in maps]
    assert reads == []
    for one, old in zip(stored.maps, maps, strict=True):
        for part in ("signed", "heatmap", "weights"):
            assert not isinstance(getattr(one, part), np.ndarray)
            np.testing.assert_array_equal(np.asarray(getattr(one, part)), getattr(old, part))
    np.testing.assert_array_equal(np.asarray(stored.region), region)
    assert stored.region.dtype == bool
    if image is None:
        assert stored.image is None
    else:
        assert stored.image is not None
        np.testing.assert_array_equal(np.asarray(stored.image), image)
    assert reads


def test_a_heatmap_is_read_without_its_signed_map(tmp_path: Path, reads: list[str]) -> None:
    maps, region = content()
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, RECORD)
    signed = path / "maps" / "00-encoder-0" / "0" / "c" / "1" / "0" / "0"
    signed.write_bytes(b"damaged")
    stored = read_explanation(path, lazy=True)
    np.testing.assert_array_equal(np.asarray(stored.maps[0].heatmap), maps[0].heatmap)
    with pytest.raises(Exception, match=r".+"):
        np.asarray(stored.maps[0].signed)


def test_a_missing_piece_is_found_when_opening_lazily(tmp_path: Path) -> None:
    maps, region = content()
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, RECORD)
    (path / "maps" / "00-encoder-0" / "0" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(ExplanationFileError, match="lacks 1 of its chunks"):
        read_explanation(path, lazy=True)


def test_a_lazy_explanation_is_copied_piece_by_piece(tmp_path: Path, reads: list[str]) -> None:
    growing = begin(tmp_path / "e.sgc.zarr")
    fill(growing)
    stored = read_explanation(growing.finish(RECORD, attributes()), lazy=True)
    reads.clear()
    copy = write_explanation(
        tmp_path / "copy.sgc.zarr", stored.maps, stored.region, stored.region * 1.0, RECORD
    )
    pieces = reads.count("maps/00-encoder-0/0")
    assert pieces > 2 * 9  # two channels of nine chunks, and once more for the largest values
    maps, region = content()
    for one, old in zip(read_explanation(copy).maps, maps, strict=True):
        np.testing.assert_array_equal(one.signed, old.signed)
    np.testing.assert_array_equal(read_explanation(copy).region, region)
