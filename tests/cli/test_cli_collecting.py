"""Garbage is collected as before, once what lasts has been made."""

import gc
import subprocess
import sys

import pytest

from napari_seggradcam.cli.collecting import lasting

PROGRAM = """
from napari_seggradcam.cli.collecting import lasting

class Noticed:
    def __del__(self):
        print("collected")

with lasting():
    made = Noticed()
    made.itself = made
del made
"""


def test_it_pauses_and_goes_on() -> None:
    assert gc.isenabled()
    with lasting():
        assert not gc.isenabled()
        with lasting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_errors() -> None:
    with pytest.raises(ValueError, match="damaged"), lasting():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_nothing_is_searched_when_the_program_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
