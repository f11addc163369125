"""What is said of a region that can't be drawn."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_seggradcam.errors import RegionError
from napari_seggradcam.viewer.inputs import plan_input
from napari_seggradcam.widgets.region_source import RegionChoice, Source


@pytest.mark.parametrize(
    ("pixel", "said"),
    [
        (None, "No pixel is chosen. Ctrl-click"),
        ((8, 0), r"The pixel \(8, 0\) is not on this image of shape \(8, 9\)"),
        ((1, 2, 3), r"The pixel \(1, 2, 3\) is not on this image"),
    ],
)
def test_a_pixel_that_is_not_there_is_told(pixel: tuple[int, ...] | None, said: str) -> None:
    viewer = ViewerModel()
    plan = plan_input(viewer.add_image(np.zeros((8, 9))), viewer.dims, 2, 1)
    with pytest.raises(RegionError, match=said):
        RegionChoice(Source("pixel", pixel=pixel)).draw(plan, viewer.dims, None)


def test_a_pixel_is_a_region() -> None:
    viewer = ViewerModel()
    plan = plan_input(viewer.add_image(np.zeros((8, 9))), viewer.dims, 2, 1)
    mask = RegionChoice(Source("pixel", pixel=(7, 3))).draw(plan, viewer.dims, None)
    assert np.argwhere(mask).tolist() == [[7, 3]]
