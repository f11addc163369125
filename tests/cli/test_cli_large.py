"""`seggradcam explain --large`: the same answer, into a folder, and gone on with after Ctrl-C."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imread
from typer import BadParameter
from typer.testing import Result

import napari_seggradcam as sgc
from napari_seggradcam.cli import explaining
from napari_seggradcam.cli.options import bytes_in
from napari_seggradcam.explain import large

Call = Callable[..., Result]


@pytest.fixture
def stored(files: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """Image and labels as they lie on disk where they are large."""
    image, labels = tifffile.imread(files.image), tifffile.imread(files.labels)
    tifffile.imwrite(tmp_path / "image.tif", image, tile=(16, 16), compression="zlib")
    zarr.create_array(tmp_path / "labels.zarr", data=labels, chunks=(16, 16))
    np.save(tmp_path / "mask.npy", (labels == 7).astype(float))
    return SimpleNamespace(
        image=tmp_path / "image.tif", labels=tmp_path / "labels.zarr", mask=tmp_path / "mask.npy"
    )


@pytest.mark.parametrize(
    "words",
    [("--label", "7", "--labels", "LABELS"), ("--region", "MASK"), ("--everywhere",)],
    ids=["label", "mask", "everywhere"],
)
def test_the_answer_is_that_of_the_whole(
    call: Call,
    files: SimpleNamespace,
    stored: SimpleNamespace,
    tmp_path: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(*arguments: object) -> None:
        raise AssertionError("the image was read as a whole")

    out, figure = tmp_path / "new" / "e.sgc.zarr", tmp_path / "e.png"
    places = {"LABELS": stored.labels, "MASK": stored.mask}
    with monkeypatch.context() as patch:
        patch.setattr("napari_seggradcam.store.images.read_image", read)
        patch.setattr("napari_seggradcam.store.images.read_labels", read)
        done = call(
            "explain", stored.image, "--network", files.network, "--target", "nucleus",
            *(places.get(word, word) for word in words),
            "--large", "--memory", "2MB", "--out", out, "--figure", figure, "--json",
        )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    network, image = sgc.open_network(files.network), tifffile.imread(files.image)
    labels = tifffile.imread(files.labels)
    region: Any = sgc.everywhere() if words == ("--everywhere",) else labels == 7
    expected = sgc.explain(network, image, region, target=1, layers="levels")
    saved = sgc.open_explanation(out)
    result = json.loads(done.stdout)
    assert saved.layers == expected.layers
    assert "tile" in saved.record["computed"]["on"]
    assert result["written"] == [str(out), str(figure)]
    assert result["region_size"] == np.count_nonzero(saved.region) == expected.region_size
    for name, layer in zip(expected, result["layers"], strict=True):
        largest = np.abs(expected[name].signed).max()
        assert np.abs(saved[name].signed - expected[name].signed).max() <= 1e-5 * largest
        assert layer["max"] == saved[name].heatmap.max()
    assert imread(figure).std() > 0


def test_the_table_says_what_the_file_does(
    call: Call, files: SimpleNamespace, stored: SimpleNamespace, tmp_path: Path
) -> None:
    out = tmp_path / "e.sgc.zarr"
    words = ("explain", stored.image, "--network", files.network, "--pixel", "5,6")
    done = call(*words, "--layers", "bottleneck", "--large", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert f"wrote {out}" in done.stdout
    (heatmap,) = sgc.open_explanation(out).values()
    assert f"{heatmap.heatmap.max():.4g}" in done.stdout


def test_ctrl_c_says_how_to_go_on(
    call: Call,
    files: SimpleNamespace,
    stored: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "e.sgc.zarr"
    words = (
        "explain", stored.image, "--network", files.network, "--everywhere", "--large",
        "--memory", "2MB", "--layers", "bottleneck", "--out", out,
    )  # fmt: skip
    whole = large.explain_large

    def interrupted(*arguments: Any, progress: Any, **options: Any) -> Any:
        def ended(done: int, total: int, what: str) -> None:
            if what == "maps":
                raise KeyboardInterrupt

        return whole(*arguments, progress=ended, **options)

    with monkeypatch.context() as patch:
        patch.setattr(large, "explain_large", interrupted)
        done = call(*words)
    assert done.exit_code == 1
    assert "the same command goes on" in done.stderr
    assert str(out) in done.stderr
    assert not out.exists()
    done = call(*words)
    assert done.exit_code == 0, done.stderr
    assert sgc.open_explanation(out).record["computed"]["resumed"]


def test_wrong_usage_and_figures_that_are_too_large(
    call: Call,
    files: SimpleNamespace,
    stored: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("explain", stored.image, "--network", files.network, "--everywhere")
    done = call(*words, "--large")
    assert done.exit_code == 2
    assert "--large needs --out" in done.stderr
    done = call(*words, "--memory", "much")
    assert done.exit_code == 2
    assert "no size" in done.stderr
    monkeypatch.setattr(explaining, "_MOST_DRAWN", 1000)
    out = tmp_path / "e.sgc.zarr"
    done = call(*words, "--large", "--out", out, "--figure", tmp_path / "e.png")
    assert done.exit_code == 1
    assert "Leave --figure out" in done.stderr
    assert not out.exists()


def test_memory_of_the_ordinary_way(
    call: Call, files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int | None] = []
    make = sgc.Explainer.__init__

    def spy(self: sgc.Explainer, *arguments: Any, memory: int | None, **options: Any) -> None:
        given.append(memory)
        make(self, *arguments, memory=memory, **options)

    monkeypatch.setattr(sgc.Explainer, "__init__", spy)
    words = ("explain", files.image, "--network", files.network, "--pixel", "5,6")
    assert call(*words, "--memory", "3MiB").exit_code == 0
    assert call(*words).exit_code == 0
    assert given == [3 * 2**20, None]


@pytest.mark.parametrize(
    ("text", "number"),
    [("4096", 4096), ("2GiB", 2**31), ("500MB", 5 * 10**8), ("1.5 gi", 3 * 2**29), ("7k", 7000)],
)
def test_sizes(text: str, number: int) -> None:
    assert bytes_in(text) == number


@pytest.mark.parametrize("text", ["", "0", "-3", "2TiB", "GiB", "1e9", "0.1"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(BadParameter, match="no size"):
        bytes_in(text)
