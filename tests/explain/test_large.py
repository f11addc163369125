"""Images computed tile by tile, against the same question asked of the whole image at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from test_crops import MODULES, assert_same, network_of, on_the_whole

import napari_seggradcam as sgc
from napari_seggradcam.explain.fitting import bytes_per_pixel
from napari_seggradcam.explain.methods.gradient import LayerGradient
from napari_seggradcam.explain.reach import reach_of
from napari_seggradcam.networks import windows
from napari_seggradcam.networks.normalisation import Percentile

SHAPE = (70, 90)
IMAGE = np.random.default_rng(5).random(SHAPE, np.float32)
LOCAL = [name for name in MODULES if name not in ("aligned corners", "BasicUNet")]
STRIP = (32, 1200)
"""Longer than the pieces in which regions are looked at."""


def balanced(name: str, image: np.ndarray = IMAGE) -> sgc.Network:
    """A network that predicts every class somewhere."""
    network = network_of(name)
    bias = dict(network.module.named_parameters())[f"{network.layers[-1].module}.bias"]
    medians = np.median(network.predict(image).reshape(len(network.classes), -1), axis=1)
    with torch.no_grad():
        bias -= torch.from_numpy(medians[-len(bias) :]).to(bias)  # one row is that of class 1
    assert len(np.unique(sgc.Explainer(network, image).prediction)) == len(network.classes)
    return network


def in_parts(
    network: sgc.Network, image: Any, region: Any, out: Path, pixels: int, **options: Any
) -> sgc.Explanation:
    """With memory for so many pixels at once."""
    memory = pixels * bytes_per_pixel(network)
    return sgc.explain_large(network, image, region, out, memory=memory, **options)


def counts(explanation: sgc.Explanation) -> tuple[int, int]:
    """How many crops and tiles there were."""
    crops, _, _, tiles, _ = explanation.record["computed"]["on"].split()
    return int(crops), int(tiles)


def assert_equal(found: sgc.Explanation, ask: Callable[[], sgc.Explanation]) -> None:
    """As in the tests of crops, and all that is said about it is the same."""
    whole = on_the_whole(ask)
    assert_same(found, whole)
    np.testing.assert_array_equal(np.asarray(found.region), whole.explanation.region)
    assert found.target == whole.explanation.target
    for name, heatmap in whole.explanation.items():
        assert found[name].signed.shape == heatmap.signed.shape
        assert (found[name].scale, found[name].translate) == (heatmap.scale, heatmap.translate)
        assert found[name].layer == heatmap.layer
        assert np.asarray(found[name].heatmap).min() >= 0
    for part in ("question", "network", "image"):
        assert found.record[part] == whole.explanation.record[part]


def far_apart(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A corner, and something on the other side that is no box."""
    mask = np.zeros(shape, bool)
    mask[:5, :7] = True
    mask[-20:-8, -30:-12] = np.random.default_rng(1).random((12, 18)) > 0.7
    return mask


@pytest.mark.parametrize("name", LOCAL)
def test_every_architecture(name: str, tmp_path: Path) -> None:
    network, mask = network_of(name), far_apart()
    names = [layer.name for layer in network.layers]
    layers = names[:: max(1, len(names) // 5)]
    (axis, _) = reach_of(network).axes
    pixels = (axis.before + axis.after + axis.stride + 24) ** 2 // 2
    found = in_parts(network, IMAGE, mask, tmp_path / "e", pixels, target=1, layers=layers)
    crops, tiles = counts(found)
    assert crops > 1
    assert tiles > 1
    assert_equal(found, lambda: sgc.explain(network, IMAGE, mask, target=1, layers=layers))


def test_a_far_sight(tmp_path: Path) -> None:
    network = network_of("BasicUNet")  # 94 pixels to each side
    image = np.random.default_rng(6).random((32, 700), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[3:30, 100:600:50] = mask[:, -1] = True
    found = in_parts(network, image, mask, tmp_path / "e", 32 * 256, target=0, layers="levels")
    crops, tiles = counts(found)
    assert min(crops, tiles) > 1
    assert_equal(found, lambda: sgc.explain(network, image, mask, target=0, layers="levels"))


def boxes(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[slice, ...]]:
    """Boxes anywhere, often at the borders."""

    def side(size: int) -> st.SearchStrategy[slice]:
        ends = st.tuples(st.integers(0, size - 1), st.integers(1, size))
        inside = ends.filter(lambda e: e[0] < e[1]).map(lambda e: slice(*e))
        edges = [slice(0, 1), slice(size - 1, size), slice(0, size), slice(size // 2, size)]
        return st.one_of(st.sampled_from(edges), inside)

    return st.tuples(*map(side, shape))


@pytest.fixture(scope="module")
def small() -> dict[str, sgc.Network]:
    return {name: network_of(name) for name in ("coarse logits", "dense", "gate")}


@settings(max_examples=8)
@given(data=st.data())
def test_any_box_and_any_size(
    data: st.DataObject, small: dict[str, sgc.Network], tmp_path_factory: pytest.TempPathFactory
) -> None:
    network = small[data.draw(st.sampled_from(sorted(small)))]
    shape = data.draw(st.tuples(st.integers(9, 50), st.integers(9, 50)))
    image = np.random.default_rng(data.draw(st.integers(0, 9))).random(shape, np.float32)
    mask = np.zeros(shape, bool)
    for box in data.draw(st.lists(boxes(shape), min_size=1, max_size=2)):
        mask[box] = True
    pixels = data.draw(st.sampled_from([24**2, 32**2, 40**2, 10**6]))
    target = data.draw(st.integers(0, 1))
    out = tmp_path_factory.mktemp("any") / "e.sgc.zarr"

    def whole() -> sgc.Explanation:
        return sgc.explain(network, image, mask, target=target, layers="levels")

    if not _is_on_output(mask, network, image):  # strided logits end before the image does
        with pytest.raises(sgc.RegionError, match="none of them lies on the network's output"):
            in_parts(network, image, mask, out, pixels, target=target, layers="levels")
        return
    found = in_parts(network, image, mask, out, pixels, target=target, layers="levels")
    assert_equal(found, whole)


def _is_on_output(mask: np.ndarray, network: sgc.Network, image: np.ndarray) -> bool:
    try:
        sgc.explain(network, image, mask)
    except sgc.RegionError:
        return False
    return True


@pytest.mark.parametrize(
    ("shape", "pixels"), [((20, 30, 40), 20 * 24 * 20), ((8, 20, 120), 8 * 20 * 40)], ids=str
)
def test_volume(shape: tuple[int, ...], pixels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = sgc.Network.from_module(sgc.UNet(ndim=3, depth=1, base_width=2), axes="CZYX")
    volume = np.random.default_rng(1).random(shape, np.float32)
    mask = np.zeros(volume.shape, bool)
    mask[2:4, 5:17, 30] = mask[7, :3, 20:26] = mask[-1, -1, -20:] = True
    found = in_parts(network, volume, mask, tmp_path / "e", pixels, target=1, layers="levels")
    assert min(counts(found)) > 1
    assert_equal(found, lambda: sgc.explain(network, volume, mask, target=1, layers="levels"))


LABELS = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) // 40 % 7
REGIONS: dict[str, Any] = {
    "pixel in a corner": sgc.pixel(0, 89),
    "pixel in the middle": sgc.pixel(35, 40),
    "everywhere": sgc.everywhere(),
    "label": sgc.label(LABELS, 3),
    "predicted": sgc.predicted(1),
    "predicted and drawn": sgc.predicted(0) & far_apart(),
    "label or predicted": sgc.label(LABELS, 3) | sgc.predicted(1),
    "all but": sgc.everywhere() - sgc.label(LABELS, 2) - sgc.pixel(3, 4),
    "one of two pixels": sgc.pixel(2, 3) | sgc.pixel(60, 80),
}


@pytest.fixture(scope="module", params=["own, one row", "coarse logits"])
def predicting(request: pytest.FixtureRequest) -> sgc.Network:
    return balanced(request.param)


@pytest.mark.parametrize("region", REGIONS)
def test_every_region(predicting: sgc.Network, region: str, tmp_path: Path) -> None:
    """Its class is the one that is predicted for most of it."""
    found = in_parts(predicting, IMAGE, REGIONS[region], tmp_path / "e", 60**2)
    assert_equal(found, lambda: sgc.explain(predicting, IMAGE, REGIONS[region]))


def test_regions_over_several_pieces(tmp_path: Path) -> None:
    image = np.random.default_rng(3).random(STRIP, np.float32)
    network = balanced("dense", image)
    mask = np.zeros(STRIP, bool)
    mask[4:20, 1000:1040] = mask[:, -3:] = True
    for number, region in enumerate((sgc.predicted(1) - mask, mask)):
        out = tmp_path / f"{number}.sgc.zarr"
        found = in_parts(network, image, region, out, 32 * 200, layers="levels")
        assert min(counts(found)) > 1
        assert_equal(
            found, lambda region=region: sgc.explain(network, image, region, layers="levels")
        )


def kinds_of(array: np.ndarray, folder: Path) -> dict[str, Any]:
    """The same array where arrays of this size lie."""
    mapped = np.memmap(folder / "memmap", array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    chunks = tuple(min(24, size) for size in array.shape)
    return {
        "numpy": array,
        "memmap": mapped,
        "zarr": zarr.create_array(folder / "zarr", data=array, chunks=chunks),
        "dask": da.from_array(array, chunks=(17, -1, -1)[: array.ndim]),
    }


def values(explanation: sgc.Explanation) -> dict[str, bytes]:
    """Every array to the last bit."""
    found = {"region": np.asarray(explanation.region).tobytes()}
    for name, heatmap in explanation.items():
        for part in ("signed", "heatmap", "weights"):
            found[f"{name} {part}"] = np.asarray(getattr(heatmap, part)).tobytes()
    return found


def test_every_kind_of_array(tmp_path: Path) -> None:
    """Channels last, whole numbers, and a normalisation by the whole image's statistics."""
    torch.manual_seed(2)
    image = np.random.default_rng(3).integers(0, 60_000, (*SHAPE, 3), np.uint16)
    module = sgc.UNet(in_channels=3, depth=1, base_width=4)
    network = sgc.Network.from_module(module, channels=3, normalisation=Percentile())
    options: dict[str, Any] = {"axes": "YXC", "target": 1, "layers": "bottleneck"}
    (tmp_path / "image").mkdir()
    (tmp_path / "labels").mkdir()
    images, labels = kinds_of(image, tmp_path / "image"), kinds_of(LABELS, tmp_path / "labels")
    found = {}
    for kind in images:
        region = sgc.label(labels[kind], 3) - far_apart()
        found[kind] = in_parts(network, images[kind], region, tmp_path / kind, 40**2, **options)
        assert values(found[kind]) == values(found["numpy"])
        assert found[kind].record["image"]["dtype"] == "uint16"
    region = sgc.label(LABELS, 3) - far_apart()
    assert_equal(found["zarr"], lambda: sgc.explain(network, image, region, **options))
    assert min(counts(found["zarr"])) > 1


def test_in_double_precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sums behind the weights agree to 1e-10 of what was summed; files are in single."""
    network = network_of("own").at_precision("float64")
    sums: list[tuple[np.ndarray, np.ndarray]] = []
    means = LayerGradient.means

    def spy(self: LayerGradient, *args: Any) -> Any:
        sums.append((self.total.numpy(), self.size.numpy()))
        return means(self, *args)

    monkeypatch.setattr(LayerGradient, "means", spy)
    options: dict[str, Any] = {"target": 1, "layers": "levels"}
    found = in_parts(network, IMAGE, far_apart(), tmp_path / "e", 64**2, **options)
    half = len(found)
    in_sums, sums[:] = sums[:half], []
    whole = on_the_whole(lambda: sgc.explain(network, IMAGE, far_apart(), **options))
    for (parts, _), (expected, size) in zip(in_sums, sums[-half:], strict=True):
        assert np.abs(parts - expected).max() <= 1e-10 * size.max()
    for name, (_, for_signed) in zip(found, whole.summed, strict=True):
        difference = np.abs(found[name].signed - whole.explanation[name].signed).max()
        assert difference <= 3e-7 * for_signed, name
    assert found.score == pytest.approx(whole.explanation.score, rel=1e-10)
    assert found.record["computed"]["precision"] == "float64"


def test_it_opens_lazily_and_tells_its_steps(tmp_path: Path) -> None:
    network, steps = balanced("dense"), []
    path = tmp_path / "new" / "e.sgc.zarr"
    options = {"layers": "levels", "progress": lambda *step: steps.append(step)}
    found = in_parts(network, IMAGE, sgc.predicted(1), path, 32**2, **options)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not any(isinstance(heatmap.signed, np.ndarray) for heatmap in found.values())
    assert values(sgc.open_explanation(path)) == values(found)
    crops, tiles = counts(found)
    words = [what for _, _, what in steps]
    first = words.index("weights")
    assert set(words[:first]) == {"prediction"}
    assert words[first:] == ["weights"] * crops + ["maps"] * tiles
    assert [done for done, _, _ in steps[first:]] == list(range(1, crops + tiles + 1))
    assert {total for _, total, _ in steps[first:]} == {crops + tiles}
    assert [done for done, _, _ in steps[:first]] == list(range(1, first + 1))
    assert {total for _, total, _ in steps[:first]} == {first}


class Recorder:
    """An array that remembers the sizes of what was read of it."""

    def __init__(self, array: np.ndarray):
        self.shape, self.dtype, self._array = array.shape, array.dtype, array
        self.read: list[int] = []

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        part = self._array[index]
        self.read.append(part.size)
        return part


def test_nothing_large_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of image and region; tiles have twice the pixels that crops may have."""
    piece = 600 * 1024  # in which image and region are hashed, whatever the memory
    monkeypatch.setattr(windows, "_BLOCK", piece)
    shape = (600, 2300)
    image = Recorder(np.random.default_rng(3).random(shape, np.float32))
    region = Recorder(np.zeros(shape, bool))
    region._array[200:500, 900:1100] = True
    network = network_of("coarse logits")
    most = 120**2
    found = in_parts(network, image, region, tmp_path / "e", most, target=1)
    crops, tiles = counts(found)
    assert max(image.read) <= piece
    assert max(region.read) <= piece
    small = [size for size in image.read if size <= 2 * most]
    assert len(small) >= crops + tiles
    assert min(crops, tiles) > 4
    assert len(image.read) - len(small) == 3
    assert_equal(found, lambda: sgc.explain(network, image._array, region._array, target=1))
