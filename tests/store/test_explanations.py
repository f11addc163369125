"""Saved explanations: exact round trips, the right metadata, nothing lost or half written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_seggradcam.errors import ExplanationFileError
from napari_seggradcam.store import explanations
from napari_seggradcam.store.explanations import (
    StoredMap,
    is_explanation,
    read_explanation,
    write_explanation,
)


def make_map(name: str, shape: tuple[int, ...], step: float, seed: int = 0) -> StoredMap:
    signed = np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 1e-7
    weights = np.linspace(-1, 1, 5, dtype=np.float32)
    return StoredMap(
        name,
        signed,
        np.maximum(signed, 0),
        weights,
        (step,) * len(shape),
        ((step - 1) / 2,) * len(shape),
        {"role": "encoder", "level": seed, "empty": None},
    )


def parts(ndim: int) -> tuple[list[StoredMap], NDArray[np.bool_]]:
    maps = [
        make_map("encoder 0 relu 2", (16,) * ndim, 1.0, 0),
        make_map("a/b: ü (x)", (4,) * ndim, 4.0, 1),
    ]
    region = np.zeros((16,) * ndim, bool)
    region[(slice(3, 6),) * ndim] = True
    return maps, region


RECORD = {"score": -1.25, "target": 1, "layers": ["a", "b"], "nested": {"none": None, "yes": True}}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("channels", [None, "none", "first", "last"])
def test_round_trip_is_exact(tmp_path: Path, ndim: int, channels: str | None) -> None:
    maps, region = parts(ndim)
    spatial = region.shape
    shape = {"none": spatial, "first": (3, *spatial), "last": (*spatial, 3)}
    image = None
    if channels is not None:
        image = np.random.default_rng(1).integers(0, 65535, shape[channels], dtype=np.uint16)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, image, RECORD)
    stored = read_explanation(path)
    assert stored.record == RECORD
    np.testing.assert_array_equal(stored.region, region)
    assert stored.region.dtype == bool
    if image is None:
        assert stored.image is None
    else:
        assert stored.image is not None
        assert stored.image.dtype == image.dtype
        np.testing.assert_array_equal(stored.image, image)
    for old, new in zip(maps, stored.maps, strict=True):
        for part in ("signed", "heatmap", "weights"):
            assert getattr(new, part).dtype == np.float32
            np.testing.assert_array_equal(getattr(new, part), getattr(old, part))
        assert (new.name, new.scale, new.translate) == (old.name, old.scale, old.translate)
        assert new.attributes == old.attributes


def test_heatmap_is_kept_apart_from_signed(tmp_path: Path) -> None:
    maps, region = parts(2)
    truncated = np.zeros_like(maps[0].heatmap)
    cut = StoredMap(
        "cut", maps[0].signed, truncated, maps[0].weights, (1.0, 1.0), (0.0, 0.0), {"empty": "No."}
    )
    stored = read_explanation(write_explanation(tmp_path / "e.zarr", [cut], region, None, {}))
    assert not stored.maps[0].heatmap.any()
    assert stored.maps[0].signed.any()
    assert stored.maps[0].empty == "No."


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_part_opens_with_ome_zarrs_own_reader(tmp_path: Path, ndim: int) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    maps, region = parts(ndim)
    image = np.arange(region.size, dtype=np.float32).reshape(region.shape)
    size = (2.0, 0.5, 0.25)[-ndim:]
    units = ("micrometer",) * ndim
    path = write_explanation(
        tmp_path / "e.sgc.zarr", maps, region, image, RECORD, pixel_size=size, units=units
    )
    series = json.loads((path / "OME" / "zarr.json").read_text())["attributes"]["ome"]["series"]
    assert len(series) == 3
    for stored, place in zip(maps, series[:2], strict=True):
        (node,) = Reader(parse_url(path / place))()
        (values,) = node.data
        np.testing.assert_array_equal(np.asarray(values), [stored.heatmap, stored.signed])
        assert node.metadata["channel_names"] == ["heatmap", "signed"]
        assert [axis["name"] for axis in node.metadata["axes"]] == ["c", *"zyx"[-ndim:]]
        assert {axis.get("unit") for axis in node.metadata["axes"][1:]} == {"micrometer"}
        ((scale, translation),) = node.metadata["coordinateTransformations"]
        np.testing.assert_allclose(scale["scale"], [1, *np.multiply(stored.scale, size)])
        np.testing.assert_allclose(
            translation["translation"], [0, *np.multiply(stored.translate, size)]
        )
    nodes = list(Reader(parse_url(path / "image"))())
    by_name = {node.zarr.basename(): node for node in nodes}
    np.testing.assert_array_equal(np.asarray(by_name["image"].data[0]), image)
    np.testing.assert_array_equal(np.asarray(by_name["region"].data[0]), region)
    assert read_explanation(path).pixel_size == size
    assert read_explanation(path).units == units


def test_metadata_is_valid_ome_zarr(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    import zarr

    maps, region = parts(2)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, region * 1.0, RECORD)
    root = zarr.open_group(path, mode="r")
    for entry in root.attrs["napari_seggradcam"]["maps"]:
        models.Image.from_zarr(root[entry["path"]])
    models.Image.from_zarr(root["image"])
    models.Labels.from_zarr(root["image/labels"])
    models.ImageLabel.from_zarr(root["image/labels/region"])


def test_the_first_pixel_covers_the_first_pixels_of_the_image(tmp_path: Path) -> None:
    # A map of stride 4 has its first centre between pixels 1 and 2: its edge is the image's.
    maps, region = parts(2)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, RECORD)
    for stored in read_explanation(path).maps:
        for s, t, n in zip(stored.scale, stored.translate, stored.heatmap.shape, strict=True):
            assert t - s / 2 == -0.5
            assert t + s * (n - 0.5) == 15.5


def test_one_of_ours_is_replaced_and_others_are_left(tmp_path: Path) -> None:
    maps, region = parts(2)
    path = tmp_path / "e.sgc.zarr"
    write_explanation(path, maps, region, None, {"n": 1})
    write_explanation(path, maps[:1], region, None, {"n": 2})
    assert read_explanation(path).record == {"n": 2}
    assert len(read_explanation(path).maps) == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name]

    foreign = tmp_path / "results"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(ExplanationFileError, match="not overwritten"):
        write_explanation(foreign, maps, region, None, {})
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ExplanationFileError, match="not overwritten"):
        write_explanation(file, maps, region, None, {})
    assert (foreign / "thesis.txt").read_text() == "years of work"
    assert file.read_text() == "x"


@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    from napari_seggradcam.store import omezarr

    maps, region = parts(2)
    path = tmp_path / "e.sgc.zarr"
    if exists:
        write_explanation(path, maps, region, None, {"n": 1})

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(omezarr, "write_label_metadata", full)
    with pytest.raises(ExplanationFileError, match="No space left"):
        write_explanation(path, maps, region, None, {"n": 2})
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if exists else [])
    if exists:
        assert read_explanation(path).record == {"n": 1}


def test_the_old_one_comes_back_if_the_last_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, region = parts(2)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, {"n": 1})
    rename = Path.rename

    def fail_on_partial(self: Path, target: Path) -> Path:
        if (
            (self / "maps").exists()
            and self != path
            and json.loads((self / "zarr.json").read_text())["attributes"]["napari_seggradcam"][
                "record"
            ]
            == {"n": 2}
        ):
            raise OSError("device went away")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_partial)
    with pytest.raises(ExplanationFileError, match="device went away"):
        write_explanation(path, maps, region, None, {"n": 2})
    monkeypatch.undo()
    assert read_explanation(path).record == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_no_explanation_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExplanationFileError, match=r"There is no .*missing"):
        read_explanation(tmp_path / "missing.sgc.zarr")
    with pytest.raises(ExplanationFileError, match="not a saved explanation"):
        read_explanation(tmp_path)
    other = tmp_path / "other.zarr"
    other.mkdir()
    (other / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(ExplanationFileError, match="not a saved explanation"):
        read_explanation(other)
    assert not is_explanation(other)
    assert not is_explanation(tmp_path / "missing")


def test_a_newer_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, region = parts(2)
    monkeypatch.setattr(explanations, "FORMAT", 9)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, {})
    monkeypatch.undo()
    with pytest.raises(ExplanationFileError, match=r"format 9.*Update"):
        read_explanation(path)


@pytest.mark.parametrize("damage", ["remove", "truncate", "flip"])
def test_damage_is_an_error_not_a_piece_of_zeros(tmp_path: Path, damage: str) -> None:
    maps, region = parts(2)
    path = write_explanation(tmp_path / "e.sgc.zarr", maps, region, None, {})
    assert is_explanation(path)
    chunk = max((path / "maps").glob("00*/0/c/**/0"), key=lambda p: p.is_file())
    values = bytearray(chunk.read_bytes())
    if damage == "remove":
        chunk.unlink()
    elif damage == "truncate":
        chunk.write_bytes(values[: len(values) // 2])
    else:
        values[len(values) // 2] ^= 0xFF
        chunk.write_bytes(values)
    with pytest.raises(ExplanationFileError, match="damaged"):
        read_explanation(path)


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    maps, region = parts(2)
    flat = make_map("3D", (4, 4, 4), 1.0)
    with pytest.raises(ExplanationFileError, match="expected 2 axes"):
        write_explanation(tmp_path / "e", [flat], region, None, {})
    with pytest.raises(ExplanationFileError, match=r"shape \(5, 5\)"):
        write_explanation(tmp_path / "e", maps, region, np.zeros((5, 5)), {})
    with pytest.raises(ExplanationFileError, match="record can't be written as JSON"):
        write_explanation(tmp_path / "e", maps, region, None, {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_room_loads_neither_torch_nor_zarr_at_import() -> None:
    code = (
        "import sys;"
        "from napari_seggradcam.store import explanations, figure, images;"
        "heavy = ('torch', 'zarr', 'ome_zarr', 'matplotlib', 'dask', 'skimage');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
