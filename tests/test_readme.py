"""What README and documentation tell people to type exists and works."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from napari_seggradcam.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, text: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, list[str]]]:
    """Every command of a shell block: the page that it is on, and its words."""
    found = []
    for page in PAGES:
        for block in blocks("sh", page.read_text(encoding="utf-8")):
            joined = block.replace("\\\n", " ").replace("&&", "\n")
            lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
            found += [(page.name, words) for words in lines if words]
    return found


def programs(name: str) -> list[tuple[str, list[str]]]:
    return [(page, words[1:]) for page, words in commands() if Path(words[0]).name == name]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (test_command,) = (block for block in blocks("sh", README) if "tox" in block)
    last_line = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1]
    assert last_line == test_command.strip()


def test_the_first_command_sets_up_and_runs_the_demo_in_one_line() -> None:
    first = blocks("sh", README)[0].strip()
    assert "\n" not in first
    assert first.endswith("seggradcam demo")


def test_every_seggradcam_command_exists_with_its_options() -> None:
    known: Any = typer.main.get_command(app)
    used = programs("seggradcam")
    assert {words[0] for page, words in used if page == "command-line.md"} == set(known.commands)
    for page, words in used:
        if words[0].startswith("-"):
            continue
        assert words[0] in known.commands, f"{page}: seggradcam {words[0]}"
        options = {name for p in known.commands[words[0]].params for name in p.opts}
        for word in words[1:]:
            if re.match(r"--?[a-z]", word) and word != "--help":
                assert word.partition("=")[0] in options, f"{page}: {' '.join(words)}"


def test_every_script_exists() -> None:
    scripts = [words[0] for _, words in commands() if words[0].startswith("scripts/")]
    assert scripts
    for script in scripts:
        assert (ROOT / script).is_file()
        assert (ROOT / script).stat().st_mode & 0o100


def test_every_extra_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(project["project"]["optional-dependencies"])
    used = {name for _, words in commands() for word in words for name in _extras(word)}
    assert used
    assert used <= extras


def _extras(word: str) -> list[str]:
    found = re.fullmatch(r"\.\[([\w,]+)\]", word)
    return found[1].split(",") if found else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_and_picture_exists(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            path = page.parent / target.partition("#")[0]
            # The tutorial's page is made from a script, docs/hooks/tutorial.py.
            assert path.exists() or path.with_suffix(".py").exists(), f"{page.name}: {target}"


def test_the_scripting_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks("python", README)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "bottleneck" in capsys.readouterr().out
    assert (tmp_path / "nucleus.sgc.zarr").is_dir()
