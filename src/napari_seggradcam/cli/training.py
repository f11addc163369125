"""The command that trains a network."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import fail, progress_bar, table, write, write_json, write_rich
from .options import Device, Json, names_in

if TYPE_CHECKING:
    from ..training.options import TrainingOptions
    from ..training.trainer import TrainingResult

_DATA = "Data"
_NETWORK = "Network"
_COURSE = "Course"


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="nuclei or streets (what the demo networks learn from), a folder with images and "
        "masks inside, or the root of Cityscapes.",
    ),
]
Out = Annotated[Path, typer.Option(metavar="NAME.safetensors", help="The file to write.")]
RecipeName = Annotated[
    Literal["nuclei", "streets"] | None,
    typer.Option(help="Settings to start from; default: those of SOURCE, if it has any."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a training was interrupted.")]
Seed = Annotated[int | None, typer.Option(help="Decides on everything random.")]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps.", rich_help_panel=_COURSE)]
BatchSize = Annotated[int | None, typer.Option(help="Crops per step.", rich_help_panel=_COURSE)]
Crop = Annotated[
    int | None, typer.Option(help="Side of a crop in pixels.", rich_help_panel=_COURSE)
]
LearningRate = Annotated[
    float | None, typer.Option(help="The largest one.", rich_help_panel=_COURSE)
]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        help="Steps between validations; each writes a checkpoint.", rich_help_panel=_COURSE
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that prepare data.", rich_help_panel=_COURSE)
]
Depth = Annotated[
    int | None, typer.Option(help="Levels below the first.", rich_help_panel=_NETWORK)
]
BaseWidth = Annotated[
    int | None, typer.Option(help="Channels of the first level.", rich_help_panel=_NETWORK)
]
NormalisationName = Annotated[
    Literal["percentile", "zero-mean-unit-variance", "mean-std"] | None,
    typer.Option(help="What is done to images first.", rich_help_panel=_NETWORK),
]
FolderClasses = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="Class names of a folder, with commas.", rich_help_panel=_DATA
    ),
]
Instances = Annotated[
    bool, typer.Option("--instances", help="Masks number objects.", rich_help_panel=_DATA)
]
FolderAxes = Annotated[
    str | None, typer.Option(help="Axes of a folder's images.", rich_help_panel=_DATA)
]
CityscapesLabels = Annotated[
    Literal["groups", "classes"] | None,
    typer.Option(help="Of Cityscapes: 7 groups (default) or 19.", rich_help_panel=_DATA),
]


def train(
    source: Source,
    out: Out,
    recipe: RecipeName = None,
    resume: Resume = False,
    seed: Seed = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    crop: Crop = None,
    learning_rate: LearningRate = None,
    validate_every: ValidateEvery = None,
    workers: Workers = None,
    device: Device = "auto",
    depth: Depth = None,
    base_width: BaseWidth = None,
    normalisation: NormalisationName = None,
    classes: FolderClasses = None,
    instances: Instances = False,
    axes: FolderAxes = None,
    labels: CityscapesLabels = None,
    as_json: Json = False,
) -> None:
    """Train a U-Net; Ctrl-C stops it so that --resume goes on."""
    changes = {
        "seed": seed,
        "steps": steps,
        "batch_size": batch_size,
        "crop": crop,
        "learning_rate": learning_rate,
        "validate_every": validate_every,
        "num_workers": workers,
        "depth": depth,
        "base_width": base_width,
        "normalisation": normalisation,
    }
    of_source: dict[str, Any] = {
        "classes": None if classes is None else names_in(classes),
        "instances": instances,
        "axes": axes,
        "labels": labels,
    }
    options = _options(recipe, source, changes, device)
    _report(_train(source, of_source, options, out, resume), as_json)


def _train(
    source: str, of_source: dict[str, Any], options: "TrainingOptions", out: Path, resume: bool
) -> "TrainingResult":
    """Train with a bar on stderr; Ctrl-C ends the command and says how to go on."""
    from ..training.checkpoint import TrainingFiles
    from ..training.opening import open_source
    from ..training.trainer import train as run

    training = open_source(source, "train", **of_source)
    validation = open_source(source, "validation", **of_source)
    try:
        with progress_bar("Training") as progress:
            return run(training, validation, options, out, resume=resume, progress=progress)
    except KeyboardInterrupt:
        checkpoint = TrainingFiles.of(out).checkpoint
        if not checkpoint.exists():
            fail("Stopped before the first step; nothing was written.")
        fail(
            f"Stopped; {checkpoint} keeps what was learnt so far. "
            "Go on with the same command and --resume."
        )


def _options(
    recipe: str | None, source: str, changes: dict[str, Any], device: str
) -> "TrainingOptions":
    """Settings of a recipe, or the defaults, with what the command line says otherwise."""
    from ..training.options import TrainingOptions
    from ..training.recipes import RECIPES

    chosen = recipe or source
    options = RECIPES[chosen].options if chosen in RECIPES else TrainingOptions()
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(options, device=device, **given)


def _report(result: "TrainingResult", as_json: bool) -> None:
    best = max(result.history, key=lambda entry: entry["mean_iou"])
    if as_json:
        write_json(
            {
                "network": str(result.network.path),
                "best_score": result.best_score,
                "best_step": int(best["step"]),
                "history": list(result.history),
            }
        )
        return
    per_class = [
        (name, f"{best[f'iou {name}']:.3f}")
        for name in result.network.classes
        if f"iou {name}" in best
    ]
    write_rich(table(("class", "IoU on validation"), per_class))
    write(f"mean IoU {result.best_score:.3f} at step {int(best['step'])}")
    write(f"wrote {result.network.path}")
