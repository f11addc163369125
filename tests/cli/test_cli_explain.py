"""`seggradcam explain`: the same maps as the API, every region, every mistake told."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from skimage.io import imread
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.store.explanations import StoredMap
from napari_seggradcam.store.overlay import overlay

Call = Callable[..., Result]


def test_the_saved_explanation_is_that_of_the_api(
    call: Call, files: SimpleNamespace, tmp_path: Path
) -> None:
    out, figure = tmp_path / "e.sgc.zarr", tmp_path / "e.png"
    done = call(
        "explain", files.image, "--network", files.network, "--label", 7, "--labels", files.labels,
        "--target", "nucleus", "--out", out, "--figure", figure,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    image, labels = tifffile.imread(files.image), tifffile.imread(files.labels)
    network = sgc.open_network(files.network)
    expected = sgc.explain(
        network, image, sgc.label(labels, 7), axes="YX", target=1, layers="levels"
    )
    saved = sgc.open_explanation(out)
    assert saved.layers == expected.layers
    assert saved.score == expected.score
    for name in expected:
        np.testing.assert_array_equal(saved[name].signed, expected[name].signed)
        assert name in done.stdout
    np.testing.assert_array_equal(saved.region, labels == 7)
    np.testing.assert_array_equal(saved.image, image)
    assert imread(figure).std() > 0
    assert f"wrote {out}" in done.stdout
    assert f"wrote {figure}" in done.stdout


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (("--pixel", "5,6"), 1),
        (("--everywhere",), 48 * 64),
        (("--region", "LABELS"), 8 * 14 + 10 * 20),
        (("--label", "3", "--labels", "LABELS"), 8 * 14),
    ],
)
def test_every_kind_of_region(
    call: Call, files: SimpleNamespace, words: tuple[str, ...], size: int
) -> None:
    region = [str(files.labels) if word == "LABELS" else word for word in words]
    done = call(
        "explain", files.image, "--network", files.network, *region,
        "--target", "0", "--layers", "bottleneck", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["region_size"] == size
    assert (result["target"], result["class"]) == (0, "background")
    assert [layer["role"] for layer in result["layers"]] == ["bottleneck"]
    assert result["written"] == []


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_the_precision_that_was_asked_for(
    call: Call, files: SimpleNamespace, tmp_path: Path, precision: str
) -> None:
    out = tmp_path / "e.sgc.zarr"
    done = call(
        "explain", files.image, "--network", files.network, "--pixel", "5,6", "--out", out,
        "--target", 1, "--layers", "bottleneck", "--precision", precision,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    network = sgc.open_network(files.network).at_precision(precision)
    image = tifffile.imread(files.image)
    expected = sgc.explain(network, image, sgc.pixel(5, 6), axes="YX", target=1)
    saved = sgc.open_explanation(out)
    assert saved.record["computed"]["precision"] == precision
    assert saved.score == expected.score
    for name in expected:  # a file holds single precision
        signed, weights = expected[name].signed, expected[name].weights
        np.testing.assert_array_equal(saved[name].signed, signed.astype(np.float32))
        np.testing.assert_array_equal(saved[name].weights, weights.astype(np.float32))


def test_the_predicted_class_as_region(call: Call, files: SimpleNamespace) -> None:
    prediction = sgc.open_network(files.network).predict(tifffile.imread(files.image)).argmax(0)
    index = int(np.bincount(prediction.ravel()).argmax())
    name = ("background", "nucleus")[index]
    for word in (name, str(index)):
        done = call(
            "explain", files.image, "--network", files.network, "--predicted", word, "--json",
            "--layers", "bottleneck",
        )  # fmt: skip
        result = json.loads(done.stdout)
        assert result["region_size"] == (prediction == index).sum()
        assert result["class"] == name


def test_network_layers_by_name(call: Call, files: SimpleNamespace) -> None:
    names = [layer["name"] for layer in json.loads(call("layers", files.network, "--json").stdout)]
    wanted = [names[5], names[1]]
    done = call(
        "explain", files.image, "--network", files.network, "--everywhere", "--json",
        "--layers", wanted[0], "--layers", wanted[1],
    )  # fmt: skip
    assert [layer["name"] for layer in json.loads(done.stdout)["layers"]] == wanted[::-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pixel", "5,700"), "outside the image"),
        (("--pixel", "5,x"), "whole numbers"),
        (("--label", "5", "--labels", "LABELS"), "has no pixel"),
        (("--region", "missing.tif"), "no image file missing.tif"),
        (("--everywhere", "--target", "cell"), "classes are 0 (background), 1 (nucleus)"),
        (("--everywhere", "--target", "5"), "no class 5"),
        (("--everywhere", "--target", "-1"), "no class -1"),
        (("--predicted", "cell"), "no class 'cell'"),
        (("--predicted", "predicted"), "name or index"),
        (("--everywhere", "--layers", "top"), "no network layer 'top'"),
        (("--everywhere", "--axes", "ZYX"), "do not fit"),
        (("--everywhere", "--channels", "3"), "the network takes 3"),
        (("--everywhere", "--precision", "half"), "expected one of float32, float64, bfloat16"),
        (("--everywhere", "--kwargs", "{"), "not JSON"),
        (("--everywhere", "--kwargs", "[1]"), "not a JSON object"),
    ],
)
def test_what_can_not_be_asked_is_told_in_a_line(
    call: Call, files: SimpleNamespace, words: tuple[str, ...], said: str
) -> None:
    region = [str(files.labels) if word == "LABELS" else word for word in words]
    done = call("explain", files.image, "--network", files.network, *region)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.startswith("seggradcam: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [(), ("--everywhere", "--pixel", "1,1"), ("--label", "3"), ("--everywhere", "--labels", "x")],
)
def test_no_region_or_two_is_bad_usage(
    call: Call, files: SimpleNamespace, words: tuple[str, ...]
) -> None:
    done = call("explain", files.image, "--network", files.network, *words)
    assert done.exit_code == 2
    assert done.stdout == ""


def test_images_and_networks_that_do_not_work_are_told(
    call: Call, files: SimpleNamespace, tmp_path: Path
) -> None:
    def said(image: object, network: object = files.network) -> str:
        done = call("explain", image, "--network", network, "--everywhere")
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "no image file" in said(tmp_path / "missing.tif")
    assert "no network file" in said(files.image, tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("no network at all")
    assert "no network" in said(files.image, tmp_path / "text.safetensors")
    np.save(tmp_path / "nan.npy", np.full((32, 32), np.nan))
    assert "NaN" in said(tmp_path / "nan.npy") or "finite" in said(tmp_path / "nan.npy")
    np.save(tmp_path / "channels.npy", np.zeros((2, 32, 32)))
    assert "channel" in said(tmp_path / "channels.npy")


def test_what_lies_at_out_is_not_overwritten(
    call: Call, files: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = call(
        "explain", files.image, "--network", files.network, "--everywhere", "--out", tmp_path
    )
    assert done.exit_code == 1
    assert "not overwritten" in done.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_volume(call: Call, tmp_path: Path) -> None:
    module = sgc.UNet(ndim=3, depth=1, base_width=4)
    path = sgc.Network.from_module(module, axes="CZYX", name="3D").save(tmp_path / "n.safetensors")
    volume = np.random.default_rng(0).normal(size=(10, 17, 16)).astype(np.float32)
    np.save(tmp_path / "volume.npy", volume)
    done = call(
        "explain", tmp_path / "volume.npy", "--network", path, "--pixel", "4,5,6",
        "--out", tmp_path / "e.sgc.zarr", "--figure", tmp_path / "e.png",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    saved = sgc.open_explanation(tmp_path / "e.sgc.zarr")
    expected = sgc.explain(
        sgc.open_network(path), volume, sgc.pixel(4, 5, 6), axes="ZYX", layers="levels"
    )
    for name in expected:
        np.testing.assert_array_equal(saved[name].signed, expected[name].signed)
        assert saved[name].scale == expected[name].scale
        assert saved[name].translate == expected[name].translate


def test_figures_place_maps_as_resized_does(files: SimpleNamespace) -> None:
    image = tifffile.imread(files.image)
    explanation = sgc.explain(
        sgc.open_network(files.network), image, sgc.everywhere(), axes="YX", layers="levels"
    )
    for heatmap in explanation.values():
        place = heatmap.scale, heatmap.translate
        signed = StoredMap(heatmap.name, heatmap.signed, heatmap.signed, heatmap.weights, *place)
        expected = heatmap.resized(signed=True)
        np.testing.assert_allclose(
            overlay(signed, image.shape), expected, atol=1e-5 * np.abs(expected).max()
        )


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((48, 64), np.uint8), "no pixel"),
        (np.ones((20, 20), np.uint8), "shape (20, 20)"),
        (np.arange(48 * 64 * 3).reshape(48, 64, 3), "not a mask"),
    ],
)
def test_masks_that_are_no_region_are_told(
    call: Call, files: SimpleNamespace, tmp_path: Path, mask: NDArray[Any], said: str
) -> None:
    np.save(tmp_path / "mask.npy", mask)
    done = call(
        "explain", files.image, "--network", files.network, "--region", tmp_path / "mask.npy"
    )
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_tiny_image_is_explained(call: Call, files: SimpleNamespace, tmp_path: Path) -> None:
    np.save(tmp_path / "tiny.npy", np.ones((1, 2)))
    done = call(
        "explain", tmp_path / "tiny.npy", "--network", files.network, "--everywhere", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["region_size"] == 2
