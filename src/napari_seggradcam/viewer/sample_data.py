"""napari's File > Open Sample: an image, a drawn region and the fitting network."""

from typing import Any

import numpy as np

from ..scenes.samples import open_sample
from .ownership import METADATA_KEY

LayerData = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerData]:
    """Real fluorescence image with one nucleus drawn as the region."""
    return _layers("nuclei")


def streets() -> list[LayerData]:
    """Generated street scene with one object drawn as the region."""
    return _layers("streets")


def _layers(name: str) -> list[LayerData]:
    """Image and region of a sample; the metadata name the network that fits."""
    sample = open_sample(name)
    metadata = {
        METADATA_KEY: {
            "sample": name,
            "network": name,
            "origin": sample.origin,
            "region_label": sample.region_label,
        }
    }
    image = {"name": name, "metadata": metadata, "rgb": sample.axes == "YXC"}
    if not image["rgb"]:
        # A few very bright pixels would leave the rest of the image dark.
        image["contrast_limits"] = tuple(np.percentile(sample.image, (1.0, 99.5)))
    region = {"name": f"{name} · region", "metadata": metadata, "opacity": 0.5}
    return [
        (sample.image, image, "image"),
        (sample.region.astype(np.uint8), region, "labels"),
    ]
