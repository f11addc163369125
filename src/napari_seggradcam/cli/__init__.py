"""The program ``seggradcam``: every command, thin over the rooms that do the work.

Results go to stdout, progress and errors to stderr. Exit status 0: done, 1: failed,
2: called wrongly. Nothing here computes; rooms are imported when a command runs, so that
``--help`` is instant.
"""

from typing import Annotated

import typer

from .. import __version__
from .comparing import atlas, compare
from .console import Program, write
from .demonstrating import demo
from .evaluating import evaluate
from .explaining import explain
from .inspecting import layers, open_
from .predicting import predict
from .training import train

app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        write(f"seggradcam {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Why did this network segment this region like that? Seg-Grad-CAM."""


app.command()(demo)
app.command()(explain)
app.command()(compare)
app.command()(atlas)
app.command()(layers)
app.command("open")(open_)
app.command()(train)
app.command()(predict)
app.command()(evaluate)
