"""The command that asks one question about one image."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImageError
from . import results
from .asking import RegionChoice, Target, class_of, with_channels
from .console import fail, progress_bar, write, write_json
from .methods import MethodChoice
from .option_groups import with_groups
from .options import ImageChoice, Memory, NetworkChoice

if TYPE_CHECKING:
    from ..explain.explanation import Explanation
    from ..networks.network import Network
    from ..store.images import ReadImage

_OUTPUT = "Output"
_SIZE = "Size"
_MOST_DRAWN = 2**24
"""Pixels of the largest image of which a figure is drawn, which holds every map as a whole."""

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


@with_groups
def explain(
    image: ImageChoice,
    network: NetworkChoice,
    region: RegionChoice,
    method: MethodChoice,
    target: Target = "predicted",
    layers: Layers = None,
    large: Large = False,
    memory: Memory = None,
    out: Out = None,
    figure: Figure = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a network segments a region as it does: a heatmap per network layer."""
    if large:
        _check_large(region, method, out)
    read = image.read(large=large)
    opened = network.open()
    read = with_channels(read, opened, image.channel_order)
    question = _Question(opened, read, region, method, target, layers or ["levels"], memory)
    name = image.image.name
    if large and out is not None:
        explanation = question.answer_large(out, name, figure)
        written = [out] if figure is None else [out, figure]
    else:
        explanation = question.answer()
        written = results.save(explanation, opened, out=out, figure=figure, image_name=name)
    if as_json:
        write_json(results.as_json(explanation, written))
        return
    results.show(explanation, opened, name)
    for path in written:
        write(f"wrote {path}")


def _check_large(region: RegionChoice, method: MethodChoice, out: Path | None) -> None:
    """Raise BadParameter for what is not computed tile by tile."""
    if out is None:
        raise typer.BadParameter("--large needs --out NAME.sgc.zarr, into which it computes.")
    if not method.is_plain:
        raise typer.BadParameter(
            "--large computes Seg-Grad-CAM with heatmaps of their whole extent. "
            "Leave --method, --option and --truncate out, or ask about a part of the image."
        )
    if region.is_weighted:
        raise typer.BadParameter(
            "--large asks about regions whose pixels all count alike. "
            "Leave --against and --border out, or ask about a part of the image."
        )


@dataclass(frozen=True)
class _Question:
    """What the words ask, of an image that was opened."""

    network: "Network"
    image: "ReadImage"
    region: RegionChoice
    method: MethodChoice
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
            region = self.region.read(network)
            how = self.method.arguments(network)
            return explainer.explain(region, target, self.layers, progress=progress, **how)

    def answer_large(self, out: Path, image_name: str, figure: Path | None) -> "Explanation":
        """Ask an image that stays on disk; Ctrl-C ends the command and says how to go on."""
        from ..explain.explanation import open_explanation
        from ..explain.large import explain_large

        if figure is not None:
            self._check_drawable()
        network, target = self.network, class_of(self.network, self.target)
        region = self.region.read(network, large=True)
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
                    **self.method.score_arguments(network),
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
