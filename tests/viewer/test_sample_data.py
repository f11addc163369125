"""Sample data as napari opens them."""

from collections.abc import Callable

import numpy as np
import pytest
from napari.layers import Layer

from napari_seggradcam.scenes.samples import open_sample
from napari_seggradcam.viewer import sample_data


@pytest.mark.parametrize("open_layers", [sample_data.nuclei, sample_data.streets])
def test_sample_is_an_image_with_its_region_and_network(open_layers: Callable) -> None:
    name = open_layers.__name__
    sample = open_sample(name)
    image, region = (Layer.create(*layer) for layer in open_layers())
    np.testing.assert_array_equal(image.data, sample.image)
    np.testing.assert_array_equal(region.data > 0, sample.region)
    assert image.rgb == (sample.axes == "YXC")
    assert image.extent.world.tolist() == region.extent.world.tolist()
    for layer in (image, region):
        assert layer.metadata["napari_seggradcam"]["network"] == name
        assert layer.metadata["napari_seggradcam"]["sample"] == name
