"""The shipped networks on their samples: every network layer against float64."""

import numpy as np
import pytest

import napari_seggradcam as sgc


@pytest.mark.parametrize("name", ["nuclei", "streets"])
@pytest.mark.parametrize("region", ["drawn", "pixel", "everywhere"])
def test_every_layer_equals_the_float64_oracle(name, region, oracle) -> None:
    sample = sgc.open_sample(name)
    network = sgc.open_network(sample.network_path, device="cpu")
    rows, columns = np.nonzero(sample.region)
    # A window in which no rectifier's input is within rounding of zero, and no two of the values
    # that a pooling compares: single and double precision would decide differently there.
    window = tuple(
        slice(start, start + 128)
        for start in (
            int(np.clip(at.mean() - 66, 0, size - 128))
            for at, size in zip((rows, columns), sample.region.shape, strict=True)
        )
    )
    image = sample.image[window]
    image = np.moveaxis(image, -1, 0) if sample.axes == "YXC" else image
    mask = {
        "drawn": sample.region[window],
        "pixel": np.zeros((128, 128), bool),
        "everywhere": np.ones((128, 128), bool),
    }[region]
    if region == "pixel":
        mask[61, 67] = True
    target = sgc.Explainer(network, image).explain(mask).target
    truths = oracle(network, image, mask.astype(float), target)
    explanation = sgc.explain(network, image, mask, target=target, layers="all")
    assert explanation.layers == tuple(truths)
    assert len(truths) == 67
    for layer in explanation.layers:
        assert max(truths[layer].errors(explanation[layer])) <= 1e-5, layer
