"""What a computation notes of itself is there for the next process, or is as if never begun."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_seggradcam.explain.work import Work


def test_what_was_noted_is_there_again(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert work.done == {}
    work.note("crop 1", score=0.1 + 0.2)
    work.note("tile 1", positive=["encoder 0"], largest=3)
    work.note("region")
    again = Work(tmp_path)
    assert again.done == work.done
    assert list(again.done) == ["crop 1", "tile 1", "region"]
    assert again.done["crop 1"] == {"score": 0.1 + 0.2}  # to the last bit


@pytest.mark.parametrize("left", range(0, 31, 6))
def test_a_line_that_was_being_written_does_not_count(tmp_path: Path, left: int) -> None:
    Work(tmp_path).note("crop 1", score=1.0)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    line = json.dumps({"step": "crop 2", "score": 2.0}).encode()
    journal.write_bytes(whole + line[:left])
    work = Work(tmp_path)
    assert list(work.done) == ["crop 1"]
    work.note("crop 2", score=3.0)  # begins a line of its own
    assert Work(tmp_path).done == {"crop 1": {"score": 1.0}, "crop 2": {"score": 3.0}}


def test_an_array_is_there_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, array = Work(tmp_path), np.random.default_rng(0).random((2, 5))
    work.save("crop 1", array)
    np.testing.assert_array_equal(Work(tmp_path).load("crop 1"), array)

    def end(*arguments: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", end)
        with pytest.raises(OSError, match="full"):
            work.save("crop 1", array + 1)
    np.testing.assert_array_equal(work.load("crop 1"), array)
    work.save("crop 1", array + 2)
    np.testing.assert_array_equal(work.load("crop 1"), array + 2)
    assert sorted(os.listdir(tmp_path)) == ["crop 1.npy", "journal.jsonl"]


def test_a_large_array_is_zero_where_nothing_was_written(tmp_path: Path) -> None:
    array = Work(tmp_path).large_array("prediction", (9, 7), (4, 4))
    array[2:5, 6:7] = 3
    again = Work(tmp_path).large_array("prediction", (9, 7), (4, 4))
    expected = np.zeros((9, 7), int)
    expected[2:5, 6:7] = 3
    np.testing.assert_array_equal(again[:], expected)
    again[0, 0] = 65_535  # as many classes as can be
    assert array[0, 0] == 65_535
