"""The command that segments an image."""

from pathlib import Path
from typing import Annotated

import typer

from .asking import with_channels
from .console import note, table, write, write_rich
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
)


def predict(
    image: ImageArgument,
    network: NetworkOption,
    out: Annotated[
        Path, typer.Option(metavar="LABELS", help="Class index per pixel: .tif, .png or .npy.")
    ],
    logits: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Logits, one channel a class: .tif or .npy.")
    ] = None,
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
) -> None:
    """Segment an image: the class with the largest logit at every pixel."""
    import numpy as np

    from ..store.images import read_image, write_image

    read = read_image(image, axes)
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
    opened = choice.open()
    read = with_channels(read, opened, channel_order)
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
