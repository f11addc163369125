"""The command that asks one question about one image."""

from pathlib import Path
from typing import Annotated

import typer

from . import results
from .asking import RegionChoice, class_of
from .console import progress_bar, write, write_json
from .options import (
    Channels,
    Classes,
    Device,
    Factory,
    ImageArgument,
    ImageAxes,
    Kwargs,
    NetworkAxes,
    NetworkChoice,
    NetworkOption,
    Precision,
    Trust,
)

_REGION = "Region (one of these)"
_OUTPUT = "Output"

Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK", help="Mask on the image's grid, not 0 inside.", rich_help_panel=_REGION
    ),
]
Label = Annotated[
    int | None, typer.Option(help="One label value of --labels.", rich_help_panel=_REGION)
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Label image for --label.", rich_help_panel=_REGION),
]
Pixel = Annotated[
    str | None,
    typer.Option(metavar="Y,X", help="One pixel, counted from 0.", rich_help_panel=_REGION),
]
Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="The whole image.", rich_help_panel=_REGION)
]
Predicted = Annotated[
    str | None,
    typer.Option(metavar="CLASS", help="All pixels predicted as CLASS.", rich_help_panel=_REGION),
]
Target = Annotated[
    str, typer.Option(metavar="CLASS", help="Class asked about: name, index or predicted.")
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="levels, all, bottleneck or the name of a network layer; may be repeated. "
        "Default: levels.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="NAME.sgc.zarr", help="Save the explanation.", rich_help_panel=_OUTPUT),
]
Figure = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME.png", help="Save a figure of all heatmaps.", rich_help_panel=_OUTPUT
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Write the result as JSON.", rich_help_panel=_OUTPUT)
]


def explain(
    image: ImageArgument,
    network: NetworkOption,
    region: Mask = None,
    label: Label = None,
    labels: Labels = None,
    pixel: Pixel = None,
    everywhere: Everywhere = False,
    predicted: Predicted = None,
    target: Target = "predicted",
    layers: Layers = None,
    axes: ImageAxes = None,
    factory: Factory = None,
    kwargs: Kwargs = None,
    network_axes: NetworkAxes = None,
    channels: Channels = None,
    classes: Classes = None,
    trust: Trust = False,
    device: Device = "auto",
    precision: Precision = "float32",
    out: Out = None,
    figure: Figure = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a network segments a region as it does: a heatmap per network layer."""
    asked = RegionChoice(region, label, labels, pixel, everywhere, predicted)
    choice = NetworkChoice(
        network, factory, kwargs, network_axes, channels, classes, trust, device, precision
    )
    from ..explain.explainer import Explainer
    from ..store.images import read_image

    read = read_image(image, axes)
    opened = choice.open()
    explainer = Explainer(opened, read.array, read.axes)
    with progress_bar("Explaining") as progress:
        explanation = explainer.explain(
            asked.region(opened), class_of(opened, target), layers or "levels", progress=progress
        )
    written = results.save(explanation, opened, out=out, figure=figure, image_name=image.name)
    if as_json:
        write_json(results.as_json(explanation, written))
        return
    results.show(explanation, opened, image.name)
    for path in written:
        write(f"wrote {path}")
