"""The command that segments an image."""

from pathlib import Path
from typing import Annotated

import typer

from .asking import with_channels
from .console import note, table, write, write_rich
from .option_groups import with_groups
from .options import ImageChoice, NetworkChoice


@with_groups
def predict(
    image: ImageChoice,
    network: NetworkChoice,
    out: Annotated[
        Path, typer.Option(metavar="LABELS", help="Class index per pixel: .tif, .png or .npy.")
    ],
    logits: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Logits, one channel a class: .tif or .npy.")
    ] = None,
) -> None:
    """Segment an image: the class with the largest logit at every pixel."""
    import numpy as np

    from ..store.images import write_image

    read = image.read()
    opened = network.open()
    read = with_channels(read, opened, image.channel_order)
    note("Predicting …")
    values = opened.predict(read.array, read.axes)
    prediction = values.argmax(axis=0).astype(np.uint8 if len(values) <= 256 else np.uint16)
    spatial = opened.axes.replace("C", "")
    written = [write_image(out, prediction, spatial)]
    if logits is not None:
        written.append(write_image(logits, values, opened.axes))
    counts = np.bincount(prediction.ravel(), minlength=len(opened.classes))
    rows = [
        (name, str(index), f"{count:,}", f"{100 * count / prediction.size:.2f} %")
        for index, (name, count) in enumerate(zip(opened.classes, counts, strict=True))
    ]
    write_rich(table(("class", "value", "pixels", "share"), rows))
    for path in written:
        write(f"wrote {path}")
