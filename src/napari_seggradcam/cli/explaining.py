"""The command that asks one question about one image."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImageError
from . import results
from .asking import RegionChoice, class_of, with_channels
from .console import fail, progress_bar, write, write_json
from .options import (
    ChannelNames,
    ChannelOrder,
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
    Output,
    Patch,
    Precision,
    Trust,
    Values,
    Weights,
    bytes_in,
)

if TYPE_CHECKING:
    from ..explain.explanation import Explanation
    from ..networks.network import Network
    from ..store.images import ReadImage

_REGION = "Region (one of these)"
_OUTPUT = "Output"
_SIZE = "Size"
_MOST_DRAWN = 2**24
"""Pixels of the largest image of which a figure is drawn, which holds every map as a whole."""

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
Large = Annotated[
    bool,
    typer.Option(
        "--large",
        help="The image does not fit in memory: compute it tile by tile, straight into --out. "
        "Ended halfway, the same command goes on.",
        rich_help_panel=_SIZE,
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=bytes_in,
        help="Memory for feature maps, such as 2GiB. Default: a quarter of what is free; "
        "with --large 1 GiB.",
        rich_help_panel=_SIZE,
    ),
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
    channel_order: ChannelOrder = None,
    factory: Factory = None,
    kwargs: Kwargs = None,
    network_axes: NetworkAxes = None,
    channels: Channels = None,
    channel_names: ChannelNames = None,
    classes: Classes = None,
    trust: Trust = False,
    output: Output = None,
    weights: Weights = None,
    patch: Patch = None,
    normalisation: Values = None,
    device: Device = "auto",
    precision: Precision = "float32",
    large: Large = False,
    memory: Memory = None,
    out: Out = None,
    figure: Figure = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a network segments a region as it does: a heatmap per network layer."""
    asked = RegionChoice(region, label, labels, pixel, everywhere, predicted)
    choice = NetworkChoice(
        network,
        factory,
        kwargs,
        network_axes,
        channels,
        classes,
        trust,
        device,
        precision,
        output,
        weights,
        normalisation,
        channel_names,
        patch,
    )
    if large and out is None:
        raise typer.BadParameter("--large needs --out NAME.sgc.zarr, into which it computes.")
    from ..store.images import open_image, read_image

    read = (open_image if large else read_image)(image, axes)
    opened = choice.open()
    read = with_channels(read, opened, channel_order)
    question = _Question(opened, read, asked, target, layers or ["levels"], memory)
    if large and out is not None:
        explanation = question.answer_large(out, image.name, figure)
        written = [out] if figure is None else [out, figure]
    else:
        explanation = question.answer()
        written = results.save(explanation, opened, out=out, figure=figure, image_name=image.name)
    if as_json:
        write_json(results.as_json(explanation, written))
        return
    results.show(explanation, opened, image.name)
    for path in written:
        write(f"wrote {path}")


@dataclass(frozen=True)
class _Question:
    """What the words ask, of an image that was opened."""

    network: "Network"
    image: "ReadImage"
    region: RegionChoice
    target: str
    layers: list[str]
    memory: int | None

    def answer(self) -> "Explanation":
        """Ask an image that is in memory."""
        from ..explain.explainer import Explainer

        network, target = self.network, class_of(self.network, self.target)
        explainer = Explainer(
            network,
            self.image.array,
            self.image.axes,
            channel_names=self.image.channel_names,
            memory=self.memory,
        )
        with progress_bar("Explaining") as progress:
            region = self.region.region(network)
            return explainer.explain(region, target, self.layers, progress=progress)

    def answer_large(self, out: Path, image_name: str, figure: Path | None) -> "Explanation":
        """Ask an image that stays on disk; Ctrl-C ends the command and says how to go on."""
        from ..explain.explanation import open_explanation
        from ..explain.large import explain_large

        if figure is not None:
            self._check_drawable()
        network, target = self.network, class_of(self.network, self.target)
        region = self.region.region(network, large=True)
        try:
            with progress_bar("Explaining") as progress:
                found = explain_large(
                    network,
                    self.image.array,
                    region,
                    out,
                    axes=self.image.axes,
                    channel_names=self.image.channel_names,
                    target=target,
                    layers=self.layers,
                    memory=self.memory,
                    progress=progress,
                )
        except KeyboardInterrupt:
            fail(f"Stopped. What was computed is kept beside {out}; the same command goes on.")
        if figure is not None:
            import numpy as np

            whole = replace(open_explanation(out), image=np.asarray(self.image.array))
            results.save(whole, network, out=None, figure=figure, image_name=image_name)
        return found

    def _check_drawable(self) -> None:
        shape = self.image.array.shape
        if math.prod(shape) > _MOST_DRAWN:
            raise ImageError(
                f"A figure of an image of shape {shape} would hold every heatmap in memory as a "
                f"whole; expected {_MOST_DRAWN:,} values or fewer. Leave --figure out and open "
                "the explanation in napari, which reads what it shows."
            )
