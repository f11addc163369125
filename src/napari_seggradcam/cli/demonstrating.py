"""The demo: a sample, a region, the network that fits and its heatmaps, made in this run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import results
from .console import note, progress_bar, write, write_json
from .options import Device, Json
from .screen import why_no_window

_DEFAULT_OUT = Path("seggradcam-demo")


def demo(
    sample: Annotated[
        Literal["nuclei", "streets"],
        typer.Option(help="A real fluorescence image, or a generated street."),
    ] = "nuclei",
    label: Annotated[
        int | None, typer.Option(help="Which object is the region; default: a clear one.")
    ] = None,
    no_window: Annotated[
        bool, typer.Option("--no-window", help="Only write figure and results.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for figure and results; without a window seggradcam-demo by default.",
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show an image, a region and its heatmaps in napari, or write them where no screen is."""
    reason = None if no_window else why_no_window()
    if reason is not None:
        note(reason)
        note(f"Without a window the figure and the results go to {out or _DEFAULT_OUT}.")
    window = reason is None and not no_window
    if out is not None or not window:
        _write(sample, label, out or _DEFAULT_OUT, device, as_json)
    if window:
        from .window import show

        show(sample, label)


def _write(sample: str, label: int | None, out: Path, device: str, as_json: bool) -> None:
    """Explain the sample's region and write the result."""
    from ..explain.explainer import explain
    from ..explain.regions import sets
    from ..networks.opening import open_network
    from ..scenes.samples import open_sample

    opened = open_sample(sample, label)
    network = open_network(opened.network_path, device=device)
    with progress_bar("Explaining") as progress:
        explanation = explain(
            network,
            opened.image,
            sets.label(opened.instances, opened.region_label),
            axes=opened.axes,
            layers="levels",
            progress=progress,
        )
    name = f"{sample}-label-{opened.region_label}"
    title = f"{opened.title}, object {opened.region_label}"
    written = results.save(
        explanation,
        network,
        out=out / f"{name}.sgc.zarr",
        figure=out / f"{name}.png",
        image_name=title,
    )
    if as_json:
        write_json(results.as_json(explanation, written))
        return
    results.show(explanation, network, title)
    for path in written:
        write(f"wrote {path}")
