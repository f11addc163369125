"""Channels on the command line: by name, as somebody says, by position, or a clear refusal."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import Result

import napari_seggradcam as sgc

Call = Callable[..., Result]

IMAGE = np.random.default_rng(1).integers(0, 4000, (3, 40, 48), np.uint16)
NAMES = ["GFP", "RFP", "dapi"]


@pytest.fixture(scope="module")
def stained(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A network of two stains, and images of three."""
    folder = tmp_path_factory.mktemp("stained")
    torch.manual_seed(2)
    network = sgc.Network.from_module(
        sgc.UNet(in_channels=2, depth=1, base_width=4), channels=2, channel_names=("DAPI", "G-FP")
    )
    plain = {"photometric": "minisblack"}
    named = {"axes": "CYX", "Channel": {"Name": NAMES}}
    tifffile.imwrite(folder / "named.ome.tif", IMAGE, metadata=named, **plain)
    two = {"axes": "CYX", "Channel": {"Name": ["Cy3", "Cy5"]}}
    tifffile.imwrite(folder / "others.ome.tif", IMAGE[:2], metadata=two, **plain)
    np.save(folder / "unnamed.npy", IMAGE)
    return SimpleNamespace(
        folder=folder, path=network.save(folder / "n.safetensors"), network=network
    )


@pytest.mark.parametrize(
    ("image", "words", "order"),
    [
        ("named.ome.tif", (), [2, 0]),
        ("named.ome.tif", ("--channel-order", "RFP, g f p"), [1, 0]),
        ("named.ome.tif", ("--channel-order", "1,DAPI"), [1, 2]),
        ("named.ome.tif", ("--channel-names", "rfp,dapi"), [1, 2]),
        ("unnamed.npy", ("--channel-order", "2,1"), [2, 1]),
        ("others.ome.tif", (), [0, 1]),
    ],
)
def test_the_network_gets_its_channels(
    call: Call,
    stained: SimpleNamespace,
    tmp_path: Path,
    image: str,
    words: tuple[str, ...],
    order: list[int],
) -> None:
    logits = tmp_path / "logits.npy"
    done = call(
        "predict", stained.folder / image, "--network", stained.path, *words,
        "--out", tmp_path / "labels.npy", "--logits", logits,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(np.load(logits), stained.network.predict(IMAGE[order]))


def test_it_is_said_how_channels_were_found(
    call: Call, stained: SimpleNamespace, tmp_path: Path
) -> None:
    words = ("--network", stained.path, "--out", tmp_path / "labels.npy")
    by_name = call("predict", stained.folder / "named.ome.tif", *words)
    assert "Channels DAPI, G-FP by name." in by_name.stderr
    by_position = call("predict", stained.folder / "others.ome.tif", *words)
    assert "by position: the image has no channel 'DAPI'" in by_position.stderr


@pytest.mark.parametrize(
    ("image", "words", "said"),
    [
        ("named.ome.tif", ("--channel-names", "DAPI,Cy5"),
         "3 channels (GFP, RFP, dapi) and the network takes 2 channels (DAPI, Cy5)"),
        ("unnamed.npy", (), "3 channels and the network takes 2 channels (DAPI, G-FP)"),
        ("named.ome.tif", ("--channel-order", "DAPI"), "the network takes 2"),
        ("named.ome.tif", ("--channel-order", "DAPI,Cy5"), "no channel 'Cy5'"),
        ("unnamed.npy", ("--channel-order", "0,3"), "a number from 0 to 2"),
        ("named.ome.tif", ("--channel-names", "DAPI"), "expected one name for each channel"),
    ],
)  # fmt: skip
def test_what_names_do_not_tell_is_refused(
    call: Call, stained: SimpleNamespace, image: str, words: tuple[str, ...], said: str
) -> None:
    done = call(
        "predict", stained.folder / image, "--network", stained.path, *words, "--out", "labels.npy"
    )
    assert done.exit_code == 1
    assert said in done.stderr


def test_an_order_needs_channels(call: Call, files: SimpleNamespace) -> None:
    words = ("--network", files.network, "--channel-order", "0", "--out", "labels.npy")
    done = call("predict", files.image, *words)
    assert done.exit_code == 1
    assert "which axis is C" in done.stderr


@pytest.mark.parametrize("large", [(), ("--large", "--memory", "2MB")])
def test_explanations_say_which_channels_they_are_of(
    call: Call, stained: SimpleNamespace, tmp_path: Path, large: tuple[str, ...]
) -> None:
    out = tmp_path / "e.sgc.zarr"
    done = call(
        "explain", stained.folder / "named.ome.tif", "--network", stained.path, "--pixel", "9,20",
        "--target", "1", "--layers", "levels", "--out", out, *large,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    saved = sgc.open_explanation(out)
    expected = sgc.explain(
        stained.network, IMAGE[[2, 0]], sgc.pixel(9, 20), target=1, layers="levels"
    )
    for name, heatmap in expected.items():
        largest = np.abs(heatmap.signed).max()
        assert np.abs(saved[name].signed - heatmap.signed).max() <= 1e-5 * largest
    assert saved.record["image"]["channel_names"] == ["dapi", "GFP"]
    assert saved.record["network"]["channel_names"] == ["DAPI", "G-FP"]


def test_the_card_names_them(call: Call, stained: SimpleNamespace) -> None:
    card = json.loads(call("open", stained.path, "--json").stdout)
    assert (card["channels"], card["channel_names"]) == (2, ["DAPI", "G-FP"])
    lines = call("open", stained.path).stdout.splitlines()
    assert any("channel_names" in line and "DAPI, G-FP" in line for line in lines)
