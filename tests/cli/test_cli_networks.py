"""`seggradcam layers`, `open` and `predict`: what a network is, and what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from monai.networks import nets
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.networks.normalisation import MeanStd
from napari_seggradcam.store.images import read_image

Call = Callable[..., Result]


def test_layers_lists_every_network_layer_once(call: Call, files: SimpleNamespace) -> None:
    network = sgc.open_network(files.network)
    listed = json.loads(call("layers", files.network, "--json").stdout)
    assert [layer["name"] for layer in listed] == [layer.name for layer in network.layers]
    assert [layer["stage"] for layer in listed] == [layer.stage for layer in network.layers]
    tree = call("layers", files.network)
    assert tree.exit_code == 0
    for layer in network.layers:
        assert tree.stdout.count(f"── {layer.name}  ") == 1


def test_open_shows_the_card(call: Call, files: SimpleNamespace) -> None:
    card = json.loads(call("open", files.network, "--json").stdout)
    network = sgc.open_network(files.network)
    assert card["classes"] == ["background", "nucleus"]
    assert card["parameters"] == network.parameters
    assert card["sha256"] == network.sha256
    shown = call("open", files.network).stdout
    for part in ("small", network.architecture, "background, nucleus", f"{network.parameters:,}"):
        assert part in shown


def test_a_state_dict_opens_with_its_factory(call: Call, tmp_path: Path) -> None:
    options = {"spatial_dims": 2, "in_channels": 3, "out_channels": 3}
    options |= {"channels": [2, 4], "strides": [2]}
    torch.save(nets.UNet(**options).state_dict(), tmp_path / "state.pt")
    bare = call("open", tmp_path / "state.pt")
    assert bare.exit_code == 1
    assert "factory" in bare.stderr
    card = call(
        "open", tmp_path / "state.pt", "--factory", "monai.networks.nets:UNet",
        "--kwargs", json.dumps(options),
        "--classes", "sky, road,  car", "--channels", 3, "--network-axes", "CYX", "--json",
    )  # fmt: skip
    assert card.exit_code == 0, card.stderr
    assert json.loads(card.stdout)["classes"] == ["sky", "road", "car"]


def test_values_are_normalised_as_the_words_say(call: Call, tmp_path: Path) -> None:
    path = sgc.Network.from_module(sgc.UNet(depth=1, base_width=4)).save(tmp_path / "n.safetensors")
    words = '{"kind": "mean-std", "mean": [7], "std": [3], "divide": 255}'
    said = call("open", path, "--normalisation", words, "--json")
    assert said.exit_code == 0, said.stderr
    expected = sgc.open_network(path, normalisation=MeanStd((7,), (3,), divide=255))
    assert expected.normalisation is not None
    assert json.loads(said.stdout)["normalisation"] == expected.normalisation.describe()
    image = np.random.default_rng(2).integers(0, 255, (16, 16), np.uint8)
    np.save(tmp_path / "image.npy", image)
    done = call(
        "predict", tmp_path / "image.npy", "--network", path, "--normalisation", words,
        "--out", tmp_path / "labels.npy", "--logits", tmp_path / "logits.npy",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "logits.npy"), expected.predict(image))
    for bad in ('"percentile"', "{", '{"kind": "mean"}', '{"kind": "mean-std", "mean": [1]}'):
        refused = call("open", path, "--normalisation", bad)
        assert refused.exit_code == 1
        assert "ormalisation" in refused.stderr


def test_a_pickled_module_is_not_opened_unless_trusted(call: Call, tmp_path: Path) -> None:
    torch.save(sgc.UNet(depth=1, base_width=4), tmp_path / "module.pt")
    refused = call("open", tmp_path / "module.pt")
    assert refused.exit_code == 1
    assert "trust" in refused.stderr
    opened = call("open", tmp_path / "module.pt", "--trust", "--json")
    assert opened.exit_code == 0, opened.stderr


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_predict_writes_the_class_of_every_pixel(
    call: Call, files: SimpleNamespace, tmp_path: Path, suffix: str
) -> None:
    labels, logits = tmp_path / f"labels.{suffix}", tmp_path / f"logits.{suffix}"
    done = call(
        "predict", files.image, "--network", files.network, "--out", labels, "--logits", logits
    )
    assert done.exit_code == 0, done.stderr
    expected = sgc.open_network(files.network).predict(tifffile.imread(files.image), "YX")
    np.testing.assert_array_equal(read_image(logits).array, expected)
    np.testing.assert_array_equal(read_image(labels).array, expected.argmax(0))
    count = int((expected.argmax(0) == 1).sum())
    assert f"{count:,}" in done.stdout
    assert f"wrote {labels}" in done.stdout


def test_predict_in_double_precision(call: Call, files: SimpleNamespace, tmp_path: Path) -> None:
    logits = tmp_path / "logits.npy"
    done = call(
        "predict", files.image, "--network", files.network, "--out", tmp_path / "labels.npy",
        "--logits", logits, "--precision", "float64",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    network = sgc.open_network(files.network).at_precision("float64")
    np.testing.assert_array_equal(np.load(logits), network.predict(tifffile.imread(files.image)))


def test_a_prediction_that_can_not_be_written_is_told(call: Call, files: SimpleNamespace) -> None:
    done = call("predict", files.image, "--network", files.network, "--out", "labels.docx")
    assert done.exit_code == 1
    assert "ends in .tif" in done.stderr
