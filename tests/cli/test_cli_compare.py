"""`seggradcam compare` and `seggradcam atlas`: the numbers of the API, and what they write."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.io import imread
from typer.testing import Result

import napari_seggradcam as sgc

Call = Callable[..., Result]


def test_compare_gives_the_numbers_of_the_api(
    call: Call, files: SimpleNamespace, explainer: sgc.Explainer, tmp_path: Path
) -> None:
    words = (
        "compare", files.image, "--network", files.network, "--label", 7, "--labels", files.labels,
        "--target", "nucleus", "--layers", "levels", "--out", tmp_path / "new" / "t.csv",
    )  # fmt: skip
    done = call(*words, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    expected = sgc.compare_layers(explainer, tifffile.imread(files.labels) == 7, 1, "levels")
    assert result["score"] == pytest.approx(expected.score)
    assert result["recommended"] == [row.name for row in expected.recommended]
    assert [one["name"] for one in result["cut"]] == [one.name for one in expected.cut]
    assert sum(one["share"] for one in result["cut"]) + result["residual"] == pytest.approx(1)
    for row, layer in zip(expected, result["layers"], strict=True):
        assert layer["name"] == row.name
        assert layer["share"] == pytest.approx(row.share, rel=1e-4)
        assert layer["why"] == row.why
    saved = pd.read_csv(tmp_path / "new" / "t.csv", index_col="name")
    assert tuple(saved.index) == tuple(row.name for row in expected)
    assert "mask_echo" in saved.columns

    shown = call(*words).stdout
    for row in expected:
        assert row.name in shown
    assert "Of the score passes: " in shown
    for row in expected.recommended:
        assert f"Look at {row.name}: " in shown
    assert f"wrote {tmp_path / 'new' / 't.csv'}" in shown


def test_numbers_that_are_none_are_null(call: Call, files: SimpleNamespace) -> None:
    """Everywhere leaves no other region, and so no correlation with one."""
    words = ("compare", files.image, "--network", files.network, "--everywhere")
    done = call(*words, "--layers", "bottleneck", "--json")
    assert done.exit_code == 0, done.stderr
    (layer,) = json.loads(done.stdout, parse_constant=pytest.fail)["layers"]
    assert layer["blindness"] is None
    assert " - " in call(*words, "--layers", "bottleneck").stdout


@pytest.mark.parametrize("command", ["compare", "atlas"])
def test_what_does_not_exist_is_told(call: Call, files: SimpleNamespace, command: str) -> None:
    region = ["--everywhere"] if command == "compare" else []
    done = call(command, files.image, "--network", files.network, "--target", "cell", *region)
    assert done.exit_code == 1
    assert "classes are" in done.stderr
    assert done.stderr.count("\n") == 1


def test_compare_needs_a_region(call: Call, files: SimpleNamespace) -> None:
    assert call("compare", files.image, "--network", files.network).exit_code == 2


def test_atlas_gives_the_cells_of_the_api(
    call: Call, files: SimpleNamespace, explainer: sgc.Explainer, tmp_path: Path
) -> None:
    colours, labels = tmp_path / "c.png", tmp_path / "l.tif"
    words = (
        "atlas", files.image, "--network", files.network, "--target", 1, "--grid", "5,8",
        "--clusters", 3, "--out", colours, "--labels", labels,
    )  # fmt: skip
    done = call(*words, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    expected = sgc.weight_atlas(explainer, 1, grid=(5, 8), clusters=3)
    assert expected.clusters is not None
    assert (result["layer"], result["grid"]) == (expected.layer.name, [5, 8])
    assert result["clusters"] == expected.clusters.tolist()
    assert sum(result["cells"].values()) == result["cells_with_weights"] == 40
    drawn, clusters = imread(colours), tifffile.imread(labels)
    assert drawn.shape == (48, 64, 3)
    assert clusters.shape == (48, 64)
    for index in np.ndindex(5, 8):
        cell = expected.cell(*index)
        assert (clusters[cell] == expected.clusters[index]).all()
        assert (drawn[cell] == np.round(255 * expected.colours[index])).all()
    shown = call(*words).stdout
    assert "5 × 8 cells, 40 with weights" in shown
    assert f"wrote {colours}" in shown


def test_an_atlas_without_clusters(call: Call, files: SimpleNamespace) -> None:
    words = ("atlas", files.image, "--network", files.network, "--clusters", "none")
    result = json.loads(call(*words, "--grid", "2,2", "--json").stdout)
    assert result["clusters"] is None
    assert result["cells"] == {}
    shown = call(*words, "--grid", "2,2").stdout
    assert "cluster" not in shown


def test_an_atlas_of_a_volume(call: Call, tmp_path: Path) -> None:
    module = sgc.UNet(ndim=3, depth=1, base_width=4)
    path = sgc.Network.from_module(module, axes="CZYX", name="3D").save(tmp_path / "n.safetensors")
    np.save(tmp_path / "v.npy", np.random.default_rng(0).random((10, 12, 16), np.float32))
    done = call(
        "atlas", tmp_path / "v.npy", "--network", path, "--clusters", 2, "--target", 1,
        "--grid", "2,2,2", "--out", tmp_path / "c.tif", "--labels", tmp_path / "l.npy",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert tifffile.imread(tmp_path / "c.tif").shape == (10, 12, 16, 3)
    assert np.load(tmp_path / "l.npy").shape == (10, 12, 16)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--clusters", "many"), 2, "silhouette or none"),
        (("--clusters", "0"), 2, "from 1"),
        (("--clusters", "none", "--labels", "l.tif"), 2, "makes none"),
        (("--grid", "4;4"), 1, "no size"),
        (("--grid", "4"), 1, "does not fit"),
        (("--layer", "levels"), 1, "layer"),
    ],
)
def test_wrong_words_of_an_atlas(
    call: Call, files: SimpleNamespace, words: tuple[str, ...], status: int, said: str
) -> None:
    done = call("atlas", files.image, "--network", files.network, *words)
    assert done.exit_code == status
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_a_table_is_saved_as_csv_and_as_nothing_else(
    call: Call, files: SimpleNamespace, tmp_path: Path
) -> None:
    words = ("compare", files.image, "--network", files.network, "--everywhere")
    done = call(*words, "--out", tmp_path / "t.xlsx")
    assert done.exit_code == 2
    assert "NAME.csv" in done.stderr
    assert not (tmp_path / "t.xlsx").exists()
