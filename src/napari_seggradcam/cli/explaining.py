"""The command that asks one question about one image."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RegionError, TargetError
from . import results
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
    NetworkOption,
    Trust,
    open_chosen,
)

if TYPE_CHECKING:
    from ..explain.regions import Region
    from ..networks.network import Network

_REGION = "Region (one of these)"
_OUTPUT = "Output"


def explain(
    image: ImageArgument,
    network: NetworkOption,
    region: Annotated[
        Path | None,
        typer.Option(
            metavar="MASK", help="Mask on the image's grid, not 0 inside.", rich_help_panel=_REGION
        ),
    ] = None,
    label: Annotated[
        int | None,
        typer.Option(help="One label value of --labels.", rich_help_panel=_REGION),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Label image for --label.", rich_help_panel=_REGION),
    ] = None,
    pixel: Annotated[
        str | None,
        typer.Option(metavar="Y,X", help="One pixel, counted from 0.", rich_help_panel=_REGION),
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="The whole image.", rich_help_panel=_REGION)
    ] = False,
    predicted: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="All pixels predicted as CLASS.", rich_help_panel=_REGION
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(metavar="CLASS", help="Class asked about: name, index or predicted."),
    ] = "predicted",
    layers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="levels, all, bottleneck or the name of a network layer; may be repeated. "
            "Default: levels.",
        ),
    ] = None,
    axes: ImageAxes = None,
    factory: Factory = None,
    kwargs: Kwargs = None,
    network_axes: NetworkAxes = None,
    channels: Channels = None,
    classes: Classes = None,
    trust: Trust = False,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME.sgc.zarr", help="Save the explanation.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME.png", help="Save a figure of all heatmaps.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the result as JSON.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Explain why a network segments a region as it does: a heatmap per network layer."""
    _one_region(region, label, labels, pixel, everywhere, predicted)
    from ..store.images import read_image

    read = read_image(image, axes)
    opened = open_chosen(
        network,
        factory=factory,
        kwargs=kwargs,
        axes=network_axes,
        channels=channels,
        classes=classes,
        trust=trust,
        device=device,
    )
    asked = _region(opened, region, label, labels, pixel, predicted)
    from ..explain.explainer import explain as ask

    with progress_bar("Explaining") as progress:
        explanation = ask(
            opened,
            read.array,
            asked,
            axes=read.axes,
            target=class_of(opened, target),
            layers=layers or "levels",
            progress=progress,
        )
    written = results.save(
        explanation, opened, read.array, out=out, figure=figure, image_name=image.name
    )
    if as_json:
        write_json(results.as_json(explanation, written))
        return
    results.show(explanation, opened, image.name)
    for path in written:
        write(f"wrote {path}")


def class_of(network: "Network", text: str) -> int | str:
    """Class that a word on the command line means: a name, an index, or "predicted".

    Raises
    ------
    TargetError
        If the network has no such class.
    """
    if text == "predicted":
        return text
    if text not in network.classes and text.lstrip("-").isdigit():
        return network.class_index(int(text))
    return network.class_index(text)


def _one_region(
    region: Path | None,
    label: int | None,
    labels: Path | None,
    pixel: str | None,
    everywhere: bool,
    predicted: str | None,
) -> None:
    """Refuse a call that says no region, or more than one."""
    given = {
        "--region": region is not None,
        "--label": label is not None,
        "--pixel": pixel is not None,
        "--everywhere": everywhere,
        "--predicted": predicted is not None,
    }
    named = [name for name, is_given in given.items() if is_given]
    if len(named) != 1:
        said = f"got {' and '.join(named)}" if named else "got none"
        raise typer.BadParameter(f"{said}; expected exactly one of {', '.join(given)}.")
    if (label is None) != (labels is None):
        raise typer.BadParameter("--label and --labels belong together: a value, and the file.")


def _region(
    network: "Network",
    region: Path | None,
    label: int | None,
    labels: Path | None,
    pixel: str | None,
    predicted: str | None,
) -> "Region":
    """Region that the options describe; everywhere where none does."""
    from ..explain import regions
    from ..store.images import read_labels

    if region is not None:
        return regions.as_region(read_labels(region) != 0)
    if label is not None and labels is not None:
        return regions.label(read_labels(labels), label)
    if pixel is not None:
        return regions.pixel(*_index(pixel))
    if predicted is not None:
        index = class_of(network, predicted)
        if isinstance(index, str):
            raise TargetError("--predicted needs the name or index of a class.")
        return regions.predicted(index)
    return regions.everywhere()


def _index(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise RegionError(
            f"--pixel {text!r} is no pixel; expected whole numbers with commas, such as 120,64."
        ) from error
