"""Networks of every format on the command line and in Python: the same answers as the module's."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.explain.reach import reach_of
from napari_seggradcam.networks.layers import stages_in_words
from network_files import WRITERS, NetworkOnDisk, network_on_disk
from opened_networks import as_module, assert_same_maps, image_of

SIZE = (32, 48)

Call = Callable[..., Result]


@pytest.fixture(params=WRITERS)
def on_disk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NetworkOnDisk:
    return network_on_disk(request.param, tmp_path_factory.getbasetemp())


def test_card_and_heatmaps(on_disk: NetworkOnDisk, call: Call, tmp_path: Path) -> None:
    network = on_disk.opened()
    expected = as_module(network, on_disk.module)

    done = call("open", on_disk.path, *on_disk.words, "--device", "cpu", "--json")
    assert done.exit_code == 0, done.stderr
    card = json.loads(done.stdout)
    assert (card["format"], card["trust"]) == (on_disk.format, on_disk.trust)
    assert card["network_layers"] == stages_in_words(expected.layers)
    assert card["skips"] == [layer.name for layer in expected.layers if layer.role == "skip"]
    assert card["reach"] == reach_of(expected).in_words()
    assert (card["check"] is not None) == on_disk.checked
    assert network.file is not None
    logits, maps = on_disk.tolerance
    if network.file.check is not None:
        assert network.file.check.difference <= logits

    image = image_of(network.channels, SIZE)
    region = np.zeros(SIZE, np.uint8)
    region[8:16, 12:24] = 1
    assert np.abs(network.predict(image) - expected.predict(image)).max() <= logits
    mine, theirs = (
        sgc.explain(n, image, region > 0, axes="CYX", target=1, layers="all")
        for n in (network, expected)
    )
    assert_same_maps(mine, theirs, maps)

    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "region.npy", region)
    # Every network layer more would be written, which takes longer than all the rest.
    done = call(
        "explain", tmp_path / "image.npy", "--axes", "CYX", "--region", tmp_path / "region.npy",
        "--network", on_disk.path, *on_disk.words, "--device", "cpu", "--target", 1,
        "--layers", "bottleneck", "--out", tmp_path / "e.sgc.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    saved = sgc.open_explanation(tmp_path / "e.sgc.zarr")
    asked = sgc.explain(network, image, region > 0, axes="CYX", target=1, layers="bottleneck")
    assert saved.layers == asked.layers
    assert_same_maps(saved, asked, 0)
