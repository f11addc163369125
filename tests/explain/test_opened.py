"""Explanations that were opened again, whole and with their values left on disk."""

from pathlib import Path

import numpy as np
import pytest
import zarr

import napari_seggradcam as sgc
from napari_seggradcam.explain.explanation import Explanation, Heatmap, open_explanation
from napari_seggradcam.networks.layers import NetworkLayer
from napari_seggradcam.store.explanations import read_explanation, write_explanation
from napari_seggradcam.store.growing import GrowingExplanation, MapPlan

SHAPE = (16, 24)
RECORD = {"question": {"target": 1, "class": "nucleus"}, "score": 2.5}


def make(image: bool = True) -> Explanation:
    rng = np.random.default_rng(0)
    heatmaps = {}
    for name, stride in {"encoder 0": 1, "bottleneck": 4}.items():
        size = tuple(n // stride for n in SHAPE)
        place = (float(stride),) * 2, ((stride - 1) / 2,) * 2
        layer = NetworkLayer(name, name, 0, None, "relu", "encoder", 0, 2, *place, size)
        signed = rng.standard_normal(size).astype(np.float32)
        heatmaps[name] = Heatmap(layer, signed, np.ones(2, np.float32), *place, SHAPE)
    region = np.zeros(SHAPE, bool)
    region[2:5, 3:7] = True
    picture = rng.random(SHAPE) if image else np.zeros(SHAPE)
    return Explanation(heatmaps, region, picture, 1, "nucleus", 2.5, RECORD)


def test_lazy_is_equal_and_reads_nothing_before_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = make()
    path = explanation.save(tmp_path / "e.sgc.zarr")

    def refuse(self: zarr.Array, selection: object) -> None:
        raise AssertionError(f"{self.path} was read")

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__getitem__", refuse)
        lazy = sgc.open_explanation(path, lazy=True)
        pairs = [
            (of(lazy[name]), of(heatmap))
            for name, heatmap in explanation.items()
            for of in (
                lambda h: h.signed,
                lambda h: h.weights,
                lambda h: h.heatmap,
                lambda h: h.resized(),
                lambda h: h.resized(signed=True),
            )
        ]
        stored = lazy.stored_maps()
        assert lazy.image_shape == SHAPE
        assert lazy.layers == explanation.layers
    for got, expected in [*pairs, (lazy.region, explanation.region)]:
        assert not isinstance(got, np.ndarray)
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(got), expected)
    np.testing.assert_array_equal(np.asarray(lazy.image), explanation.image)
    assert lazy.region_size == explanation.region_size == 12
    assert repr(lazy) == repr(explanation)
    assert [lazy[name].top for name in lazy] == [h.heatmap.max() for h in explanation.values()]
    for one, other in zip(stored, explanation.stored_maps(), strict=True):
        np.testing.assert_array_equal(np.asarray(one.heatmap), other.heatmap)


def test_lazy_is_saved_again_also_over_itself(tmp_path: Path) -> None:
    explanation = make()
    path = explanation.save(tmp_path / "e.sgc.zarr")
    lazy = open_explanation(path, lazy=True)
    for target in (tmp_path / "copy.sgc.zarr", path):
        lazy.save(target)
        copy = open_explanation(target)
        for name, heatmap in explanation.items():
            np.testing.assert_array_equal(copy[name].signed, heatmap.signed)
        np.testing.assert_array_equal(copy.image, explanation.image)
        np.testing.assert_array_equal(copy.region, explanation.region)


@pytest.mark.parametrize("lazy", [False, True])
def test_an_image_that_was_not_stored_is_zero(tmp_path: Path, lazy: bool) -> None:
    explanation = make(image=False)
    path = write_explanation(
        tmp_path / "e.sgc.zarr", explanation.stored_maps(), explanation.region, None, RECORD
    )
    opened = open_explanation(path, lazy)
    assert isinstance(opened.image, np.ndarray) != lazy
    assert opened.image.dtype == np.float64
    np.testing.assert_array_equal(np.asarray(opened.image), np.zeros(SHAPE))


def test_maps_without_what_was_asked_are_told(tmp_path: Path) -> None:
    plan = MapPlan("conv", (4, 4), (1.0, 1.0), (0.0, 0.0), channels=2, chunk=(4, 4))
    whole = (slice(0, 4), slice(0, 4))
    path = tmp_path / "grown.sgc.zarr"
    growing = GrowingExplanation.begin(path, [plan], (4, 4), (4, 4), {})
    growing.write_map("conv", whole, np.ones((4, 4), np.float32))
    growing.write_weights("conv", np.ones(2, np.float32))
    growing.write_region(whole, np.ones((4, 4), bool))
    growing.finish({"score": 1.0}, {"conv": {"empty": None}})
    with pytest.raises(sgc.ExplanationFileError, match=r"'layer'.*read_explanation"):
        open_explanation(path)
    assert read_explanation(path).maps[0].name == "conv"
