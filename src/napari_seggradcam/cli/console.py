"""What every command says, and where: results on stdout, progress and errors on stderr."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from typer.core import TyperGroup

from ..errors import SegGradCamError

Progress = Callable[[int, int, str], None]


class Program(TyperGroup):
    """The group of all commands: errors that the rooms raise on purpose end in one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a SegGradCamError becomes a line on stderr and exit status 1."""
        try:
            return super().invoke(ctx)
        except SegGradCamError as error:
            fail(str(error))


def fail(message: str) -> NoReturn:
    """Say in one line why the command failed, and end it with exit status 1."""
    typer.echo(f"seggradcam: {' '.join(message.split())}", err=True)
    raise typer.Exit(1)


def note(message: str) -> None:
    """Say something beside the result, on stderr."""
    typer.echo(message, err=True)


def write(message: str) -> None:
    """Write a line of the result."""
    typer.echo(message)


def write_json(value: Any) -> None:
    """Write the result for a script."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_rich(thing: Any) -> None:
    """Write a table or tree; as wide as it needs where nobody's window cuts it off."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(thing)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Table:
    """Table of text, its first column never broken."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, no_wrap=number == 0, justify="left")
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on stderr while something computes; on a terminal only.

    Yields
    ------
    callable
        Takes steps done, steps in all and a short text; may be called from any thread.
    """
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", style="dim"),
        console=Console(stderr=True),
        transient=True,
    )
    bar.disable = not bar.console.is_terminal
    with bar:
        task = bar.add_task(what, total=None, text="")

        def report(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield report
