"""Saved explanations in napari."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.settings import get_settings
from npe2 import PluginManager

from napari_seggradcam.explain.explanation import Explanation, open_explanation
from napari_seggradcam.store.explanations import write_explanation
from napari_seggradcam.viewer import reader
from napari_seggradcam.viewer.heatmaps import heatmap_layer, region_layer
from napari_seggradcam.viewer.inputs import plan_input
from napari_seggradcam.viewer.placement import layer_grid
from napari_seggradcam.viewer.reader import get_reader, prefer_reader

from .conftest import LAYERS, MakeExplanation

SHAPE = (16, 24)


@pytest.fixture
def explanation(make_explanation: MakeExplanation) -> Explanation:
    return make_explanation(SHAPE)


@pytest.fixture
def saved(explanation: Explanation, tmp_path: Path) -> Path:
    return explanation.save(tmp_path / "mine.sgc.zarr")


def read(path: Path) -> list[Layer]:
    found = get_reader(str(path))
    assert found is not None
    return [Layer.create(*layer) for layer in found(str(path))]


def test_saved_explanation_opens_as_image_heatmaps_and_region(
    saved: Path, explanation: Explanation
) -> None:
    image, *heatmaps, region = read(saved)
    assert image.name == "mine"
    assert [layer.name for layer in heatmaps] == [f"nucleus · {name}" for name in LAYERS]
    assert [layer.visible for layer in heatmaps] == [False, True, False]
    np.testing.assert_array_equal(region.data > 0, explanation.region)
    for layer, heatmap in zip(heatmaps, explanation.values(), strict=True):
        np.testing.assert_array_equal(layer.data, heatmap.heatmap)
        np.testing.assert_allclose(layer.scale, heatmap.scale)
        np.testing.assert_allclose(layer.translate, heatmap.translate)
        assert layer.metadata["napari_seggradcam"]["network_layer"] == heatmap.name
        np.testing.assert_allclose(outline(layer), outline(image))


def outline(layer: Layer) -> np.ndarray:
    """Outer edges of the first and last pixel in world coordinates."""
    shape = np.array(layer.data.shape)
    return layer_grid(layer).to_world([(-0.5, -0.5), shape - 0.5])


def test_pixel_size_and_units_come_back(tmp_path: Path, explanation: Explanation) -> None:
    path = write_explanation(
        tmp_path / "mine.sgc.zarr",
        explanation.stored_maps(),
        explanation.region,
        explanation.image,
        explanation.record,
        pixel_size=(0.5, 2.0),
        units=("micrometer", "micrometer"),
    )
    image, *heatmaps, region = read(path)
    for layer in (*heatmaps, region):
        np.testing.assert_allclose(outline(layer), outline(image))
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    np.testing.assert_allclose(image.scale, (0.5, 2.0))


@pytest.mark.parametrize(
    ("shape", "rgb", "ndim"),
    [((*SHAPE, 3), True, 2), ((5, *SHAPE), False, 3), ((*SHAPE, 5), False, 3)],
)
def test_channels_of_the_image(
    tmp_path: Path, explanation: Explanation, shape: tuple[int, ...], rgb: bool, ndim: int
) -> None:
    path = write_explanation(
        tmp_path / "mine.sgc.zarr",
        explanation.stored_maps(),
        explanation.region,
        np.zeros(shape, np.uint8),
        explanation.record,
    )
    image = read(path)[0]
    assert isinstance(image, Image)
    assert (image.rgb, image.ndim) == (rgb, ndim)
    np.testing.assert_array_equal(image.extent.data[1][-2:], (15, 23))


def test_without_the_image(tmp_path: Path, explanation: Explanation) -> None:
    path = write_explanation(
        tmp_path / "mine.sgc.zarr",
        explanation.stored_maps(),
        explanation.region,
        None,
        explanation.record,
    )
    assert len(read(path)) == len(LAYERS) + 1


def test_nothing_else_is_claimed(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sgc.zarr"
    other.mkdir()
    renamed = tmp_path / "mine.zarr"
    for path in (other, renamed, tmp_path / "missing.sgc.zarr", tmp_path / "image.tif"):
        assert get_reader(str(path)) is None
    assert get_reader([str(saved), str(other)]) is None
    assert get_reader([]) is None
    several = get_reader([str(saved), str(saved)])
    assert several is not None
    assert len(several([str(saved), str(saved)])) == 2 * (len(LAYERS) + 2)


def test_dropped_folder_opens_without_a_question(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PluginManager.instance().discover()
    plugins = get_settings().plugins
    monkeypatch.setattr(plugins, "extension2reader", {"*.tif": "other"})
    prefer_reader()
    viewer = ViewerModel()
    viewer.open(str(saved), plugin=None)
    assert len(viewer.layers) == len(LAYERS) + 2
    assert plugins.extension2reader["*.tif"] == "other"


def test_choice_of_another_reader_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = get_settings().plugins
    monkeypatch.setattr(plugins, "extension2reader", {})
    prefer_reader()
    (pattern,) = plugins.extension2reader
    monkeypatch.setattr(plugins, "extension2reader", {pattern: "other"})
    prefer_reader()
    assert plugins.extension2reader == {pattern: "other"}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arrays on disk that are read, one entry for each reading."""
    import zarr

    found: list[str] = []
    get = zarr.Array.__getitem__

    def counted(self: zarr.Array, selection: object) -> object:
        found.append(self.path)
        return get(self, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    return found


def test_a_large_explanation_is_read_where_it_is_looked_at(
    saved: Path, explanation: Explanation, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LAZY_ABOVE", 1000)
    viewer = ViewerModel()
    found = get_reader(str(saved))
    assert found is not None
    data = found(str(saved))
    assert reads == []
    for layer_data in data:
        viewer.add_layer(Layer.create(*layer_data))
    image, *heatmaps, region = viewer.layers
    # napari reads what it shows; of the hidden heatmaps, and of signed maps and weights, nothing.
    shown = {"image/0", "image/labels/region/0", "maps/01-bottleneck-relu-2/0"}
    assert set(reads) <= shown
    for layer, heatmap in zip(heatmaps, explanation.values(), strict=True):
        assert not isinstance(layer.data, np.ndarray)
        assert layer.contrast_limits == [0.0, heatmap.heatmap.max()]
        assert set(reads) <= shown
    for layer, heatmap in zip(heatmaps, explanation.values(), strict=True):
        layer.visible = True
        np.testing.assert_array_equal(np.asarray(layer.data), heatmap.heatmap)
    np.testing.assert_array_equal(np.asarray(region.data), explanation.region)
    assert region.dtype == np.uint8
    assert region.get_value((3, 4), world=True) == 1
    assert image.data.shape == SHAPE


def test_a_small_explanation_is_read_at_once(saved: Path) -> None:
    assert all(isinstance(layer.data, np.ndarray) for layer in read(saved))


def test_a_lazy_explanation_gives_the_layers_of_one_in_memory(
    saved: Path, explanation: Explanation, reads: list[str]
) -> None:
    lazy = open_explanation(saved, lazy=True)
    viewer = ViewerModel()
    image = Image(np.asarray(lazy.image))
    plan = plan_input(image, viewer.dims, 2, 1)
    for name, heatmap in explanation.items():
        reads.clear()
        layer = heatmap_layer(lazy, name, plan, "run")
        # What the layer shows, once, and nothing to find its limits.
        assert sum(path.startswith("maps/") for path in reads) == 1
        np.testing.assert_array_equal(np.asarray(layer.data), heatmap.heatmap)
        assert layer.contrast_limits == [0.0, heatmap.heatmap.max()]
        viewer.add_layer(layer)
    outline = region_layer(lazy, plan, "run")
    viewer.add_layer(outline)
    np.testing.assert_array_equal(outline.data, explanation.region)
