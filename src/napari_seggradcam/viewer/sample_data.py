"""napari's File > Open Sample: an image, a drawn region and the fitting network."""

from typing import Any

LayerData = tuple[Any, dict[str, Any], str]


def nuclei() -> list[LayerData]:
    """Real fluorescence image with one nucleus drawn as the region."""
    ...


def streets() -> list[LayerData]:
    """Generated street scene with one object drawn as the region."""
    ...
