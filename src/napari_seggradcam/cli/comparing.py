"""Commands that compare answers: network layers with each other, and weights over the image."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .asking import RegionChoice, Target, class_of, with_channels
from .console import progress_bar, table, write, write_json, write_rich
from .explaining import Layers
from .option_groups import with_groups
from .options import ImageChoice, Json, Memory, NetworkChoice, sizes_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..explain.comparison.atlas import Atlas
    from ..explain.comparison.layer_facts import LayerFacts
    from ..explain.comparison.layers import LayerComparison
    from ..explain.explainer import Explainer
    from ..networks.network import Network

Table = Annotated[
    Path | None, typer.Option(metavar="NAME.csv", help="Save all numbers as a table.")
]
Layer = Annotated[str, typer.Option(metavar="NAME", help="The network layer.")]
Grid = Annotated[
    str | None,
    typer.Option(
        metavar="CELLS", help="Cells per axis, such as 32,32. Default: 32, of a volume 8."
    ),
]
Clusters = Annotated[
    str,
    typer.Option(
        metavar="NUMBER", help="Number of clusters, none, or silhouette: the best one of 2 to 10."
    ),
]
Colours = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME.png",
        help="Save the cells' colours on the image's grid: .png, or .tif and .npy.",
    ),
]
ClusterLabels = Annotated[
    Path | None,
    typer.Option(
        metavar="LABELS", help="Save the clusters on the image's grid: .tif, .png or .npy."
    ),
]


@with_groups
def compare(
    image: ImageChoice,
    network: NetworkChoice,
    region: RegionChoice,
    target: Target = "predicted",
    layers: Layers = None,
    memory: Memory = None,
    out: Table = None,
    as_json: Json = False,
) -> None:
    """Compare what network layers say about a region, and recommend some of them."""
    if out is not None and out.suffix.lower() != ".csv":
        raise typer.BadParameter(f"--out {str(out)!r}: the table is saved as NAME.csv.")
    from ..explain.comparison.layers import compare_layers

    opened, explainer = _explainer(image, network, memory)
    asked, about = region.read(opened), class_of(opened, target)
    with progress_bar("Comparing") as progress:
        found = compare_layers(explainer, asked, about, layers or "all", progress=progress)
    written = []
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        found.to_frame().to_csv(out)
        written.append(out)
    if as_json:
        write_json(_comparison_as_json(found, written))
        return
    _show_comparison(found, image.image.name)
    for path in written:
        write(f"wrote {path}")


@with_groups
def atlas(
    image: ImageChoice,
    network: NetworkChoice,
    target: Target = "predicted",
    layer: Layer = "bottleneck",
    grid: Grid = None,
    clusters: Clusters = "silhouette",
    memory: Memory = None,
    out: Colours = None,
    labels: ClusterLabels = None,
    as_json: Json = False,
) -> None:
    """Map which channels speak for a class where: weights of every cell of a grid."""
    count = _count(clusters)
    if labels is not None and count is None:
        raise typer.BadParameter("--labels saves clusters, and --clusters none makes none.")
    from ..explain.comparison.atlas import weight_atlas

    opened, explainer = _explainer(image, network, memory)
    if grid is None:
        usual = 32 if opened.ndim == 2 else 8
        cells = [min(usual, size) for size in explainer.image_shape]
    else:
        cells = sizes_in("--grid", grid)
    about = class_of(opened, target)
    with progress_bar("Mapping") as progress:
        found = weight_atlas(explainer, about, layer, cells, clusters=count, progress=progress)
    written = _save_atlas(found, opened.axes.replace("C", ""), out, labels)
    if as_json:
        write_json(_atlas_as_json(found, written))
        return
    _show_atlas(found, image.image.name)
    for path in written:
        write(f"wrote {path}")


def _explainer(
    image: ImageChoice, network: NetworkChoice, memory: int | None
) -> tuple["Network", "Explainer"]:
    """The network, and what answers questions about the image."""
    read = image.read()
    opened = network.open()
    read = with_channels(read, opened, image.channel_order)
    from ..explain.explainer import Explainer

    return opened, Explainer(
        opened, read.array, read.axes, channel_names=read.channel_names, memory=memory
    )


def _show_comparison(found: "LayerComparison", image_name: str) -> None:
    write(f"Network layers compared: why “{found.class_name}” in this region? {image_name}")
    write(f"logit score {found.score:.4g} · other region: {found.other_region}")
    columns = ("network layer", "shape", "share", "mask", "logits", "edges", "other", "inside", "")
    write_rich(table(columns, [_row(row) for row in found]))
    if found.cut:
        passes = ", ".join(f"{one.name} {one.share:.1%}" for one in found.cut)
        write(f"Of the score passes: {passes}; left over {found.residual:.1%}.")
    else:
        write(f"Shares do not add up to the score. {found.no_cut}")
    if not found.recommended:
        write("No network layer is recommended; --json says why of each.")
    for row in found.recommended:
        write(f"Look at {row.name}: {row.why}.")


def _row(row: "LayerFacts") -> tuple[str, ...]:
    numbers = (row.mask_echo, row.logit_echo, row.edge_echo, row.blindness)
    return (
        row.name,
        " × ".join(map(str, row.resolution)),
        _number(row.share, ".1%"),
        *(_number(one, ".2f") for one in numbers),
        _number(row.inside, ".0%"),
        "recommended" if row.recommended else "zero" if row.empty is not None else "",
    )


def _number(value: float, how: str) -> str:
    return "-" if math.isnan(value) else format(value, how)


def _comparison_as_json(found: "LayerComparison", written: list[Path]) -> dict[str, Any]:
    return {
        "score": found.score,
        "target": found.target,
        "class": found.class_name,
        "other_region": found.other_region,
        "layers": [_plain(asdict(row)) for row in found],
        "cut": [_plain(asdict(one)) for one in found.cut],
        "residual": _plain(found.residual),
        "no_cut": found.no_cut,
        "recommended": [row.name for row in found.recommended],
        "written": [str(path) for path in written],
    }


def _plain(value: Any) -> Any:
    """A value in JSON types; what is no number is null, which NaN is not in JSON."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _count(clusters: str) -> int | str | None:
    if clusters in ("silhouette", "none"):
        return None if clusters == "none" else clusters
    if not clusters.isdecimal() or int(clusters) < 1:
        raise typer.BadParameter(
            f"--clusters {clusters!r}: expected a whole number from 1, silhouette or none."
        )
    return int(clusters)


def _on_image(atlas: "Atlas", values: "NDArray[Any]") -> "NDArray[Any]":
    """Values of cells at all of their pixels, (*image, …)."""
    import numpy as np

    drawn = np.zeros((*atlas.image_shape, *values.shape[len(atlas.grid) :]), values.dtype)
    for index in np.ndindex(*atlas.grid):
        drawn[atlas.cell(*index)] = values[index]
    return drawn


def _save_atlas(atlas: "Atlas", axes: str, colours: Path | None, labels: Path | None) -> list[Path]:
    import numpy as np

    from ..store.images import write_image

    written = []
    if colours is not None:
        drawn = _on_image(atlas, np.round(255 * atlas.colours).astype(np.uint8))
        written.append(write_image(colours, drawn, f"{axes}S"))
    if labels is not None and atlas.clusters is not None:
        written.append(write_image(labels, _on_image(atlas, _small(atlas.clusters)), axes))
    return written


def _small(labels: "NDArray[np.intp]") -> "NDArray[Any]":
    return labels.astype("uint8" if labels.max(initial=0) < 256 else "uint16")


def _cells_of(atlas: "Atlas") -> dict[int, int]:
    """Number of cells by cluster."""
    if atlas.clusters is None:
        return {}
    import numpy as np

    values, counts = np.unique(atlas.clusters[atlas.there], return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def _show_atlas(atlas: "Atlas", image_name: str) -> None:
    cells = " × ".join(map(str, atlas.grid))
    there = int(atlas.there.sum())
    write(f"Weights for “{atlas.class_name}” all over {image_name}")
    write(
        f"{atlas.layer.name}, {atlas.layer.channels} channels · {cells} cells, {there:,} with "
        f"weights · colours have {sum(atlas.variance):.1%} of the variance of directions"
    )
    counts = _cells_of(atlas)
    if atlas.silhouettes:
        best = max(atlas.silhouettes, key=lambda number: atlas.silhouettes[number])
        write(f"{best} clusters have the highest mean silhouette, {atlas.silhouettes[best]:.2f}.")
    if counts:
        rows = [(str(k), f"{n:,}", f"{n / there:.1%}") for k, n in counts.items()]
        write_rich(table(("cluster", "cells", "share"), rows))


def _atlas_as_json(atlas: "Atlas", written: list[Path]) -> dict[str, Any]:
    return {
        "layer": atlas.layer.name,
        "channels": atlas.layer.channels,
        "target": atlas.target,
        "class": atlas.class_name,
        "grid": list(atlas.grid),
        "scale": list(atlas.scale),
        "translate": list(atlas.translate),
        "cells_with_weights": int(atlas.there.sum()),
        "variance": [float(share) for share in atlas.variance],
        "clusters": None if atlas.clusters is None else atlas.clusters.tolist(),
        "cells": {str(cluster): count for cluster, count in _cells_of(atlas).items()},
        "silhouettes": {str(number): value for number, value in atlas.silhouettes.items()},
        "written": [str(path) for path in written],
    }
