"""The program as a whole: help, version, exit status, what goes to which stream."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.main import get_command
from typer.testing import Result

import napari_seggradcam
from napari_seggradcam.cli import app

Call = Callable[..., Result]

COMMANDS = ("demo", "explain", "compare", "atlas", "layers", "open", "train", "predict", "evaluate")


def test_the_commands_are_those() -> None:
    assert tuple(get_command(app).commands) == COMMANDS  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_every_command_has_help(call: Call, command: str, word: str) -> None:
    done = call(command, word)
    assert done.exit_code == 0
    assert "Usage: seggradcam" in done.stdout.replace("root", "seggradcam")
    assert done.stderr == ""


def test_version(call: Call) -> None:
    assert call("--version").stdout == f"seggradcam {napari_seggradcam.__version__}\n"


def test_without_words_the_help_is_shown(call: Call) -> None:
    done = call()
    assert done.exit_code == 2
    assert all(command in done.output for command in COMMANDS)


def test_unknown_words_are_bad_usage(call: Call) -> None:
    assert call("explian").exit_code == 2
    assert call("open", "x", "--nonsense").exit_code == 2


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; sys.argv = ['seggradcam', '--help'];"
        "from napari_seggradcam.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'napari', 'qtpy', 'zarr', 'matplotlib', 'skimage', 'numpy')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
