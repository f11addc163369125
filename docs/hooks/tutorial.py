"""The tutorial, run when the pages are built: text, code, and what the code has printed and drawn.

``docs/tutorial.py`` is a script in jupytext's percent format, which editors and Jupyter open as a
notebook. This hook of MkDocs runs it cell by cell and makes a page of Markdown from it, so that
formulas, links and code on that page are treated, and checked, like those of every other page. A
cell that fails ends the build.
"""

import ast
import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SCRIPT = "tutorial.py"
_CELL = re.compile(r"^# %%(?P<kind> \[markdown\])?.*$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A cell of the script: its text without ``# %%``, and the line on which that begins."""

    is_code: bool
    text: str
    line: int


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the tutorial's page and its figures; the script itself is there to be downloaded."""
    from mkdocs.structure.files import File  # what is below runs without MkDocs

    path = Path(config.docs_dir) / SCRIPT
    page, figures = page_of(path)
    stem = path.stem
    files.append(File.generated(config, f"{stem}.md", content=page))
    for name, png in figures.items():
        files.append(File.generated(config, f"images/{stem}/{name}", content=png))
    return files


def page_of(path: Path) -> tuple[str, dict[str, bytes]]:
    """Run a script and give its page in Markdown, and its figures by the name of their file.

    Whatever a cell raises goes on to the caller, with the script's line in its traceback.
    """
    import matplotlib

    matplotlib.use("Agg")
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for cell in cells_of(path.read_text(encoding="utf-8")):
        if not cell.is_code:
            parts.append(re.sub(r"^# ?", "", cell.text, flags=re.MULTILINE).strip())
            continue
        parts.append(f"```python\n{cell.text.strip()}\n```")
        printed, shown = _run(cell, path, namespace)
        if printed.strip():
            parts.append(f"```text\n{printed.rstrip()}\n```")
        if shown:
            parts.append(shown)
        for png in _drawn():
            name = f"{len(figures) + 1}.png"
            figures[name] = png
            parts.append(f"![What the code above has drawn](images/{path.stem}/{name})")
    return "\n\n".join(parts) + "\n", figures


def cells_of(script: str) -> list[Cell]:
    """Cells of a script in percent format; what stands before the first one is left out."""
    marks = list(_CELL.finditer(script))
    ends = [mark.start() for mark in marks[1:]] + [len(script)]
    return [
        Cell(
            mark["kind"] is None,
            script[mark.end() : end],
            script.count("\n", 0, mark.end()) + 1,
        )
        for mark, end in zip(marks, ends, strict=True)
    ]


def _run(cell: Cell, path: Path, namespace: dict[str, Any]) -> tuple[str, str]:
    """What a cell has printed, and the value of its last expression in Markdown."""
    tree = ast.parse("\n" * (cell.line - 1) + cell.text, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(path), "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), namespace)
    return printed.getvalue(), _as_markdown(value)


def _as_markdown(value: Any) -> str:
    """A table as HTML, anything else as Python writes it."""
    if value is None:
        return ""
    if hasattr(value, "to_html"):
        return str(value.to_html(border=0))
    return f"```text\n{value!r}\n```"


def _drawn() -> list[bytes]:
    """The figures that are open, which are closed."""
    from matplotlib import pyplot

    pngs = []
    for number in pyplot.get_fignums():
        buffer = io.BytesIO()
        pyplot.figure(number).savefig(buffer, dpi=100)
        pngs.append(buffer.getvalue())
    pyplot.close("all")
    return pngs
