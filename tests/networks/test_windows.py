"""Windows of an image against the same part of the whole image, prepared at once."""

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_seggradcam.errors import Cancelled, ImageError, OptionError, ShapeError
from napari_seggradcam.networks import windows
from napari_seggradcam.networks.images import channels_first, normalised, pad
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import (
    MeanStd,
    Normalisation,
    Percentile,
    PercentileClip,
    ZeroMeanUnitVariance,
)
from napari_seggradcam.networks.normalisation_steps import (
    Clip,
    PerChannel,
    Sigmoid,
    Softmax,
    Steps,
)
from napari_seggradcam.networks.sizes import AxisRule
from napari_seggradcam.networks.unet import UNet
from napari_seggradcam.networks.windows import WindowedImage

RANDOM = np.random.default_rng(4)
PLAIN = AxisRule(base=16, step=8, minimum=8, output_stride=1, margin=0)
UNPADDED = AxisRule(base=60, step=4, minimum=44, output_stride=1, margin=40)
STREAMED = ZeroMeanUnitVariance()
TYPES = ("bool", "uint8", "uint16", "int16", "float32", "float64")


def normalisations(channels: int) -> list[Normalisation | None]:
    fixed = MeanStd(tuple(range(channels)), (0.3,) * channels, 255.0)
    clipped = Steps((PercentileClip(0.5, 99.5), Clip((-150.0,)), ZeroMeanUnitVariance(eps=1e-6)))
    mixed = PerChannel((clipped, *[Percentile(joint=True)] * (channels - 1)))
    shares = Steps((Percentile(joint=True, eps=1e-6), Sigmoid(), Softmax()))
    plain = [None, Percentile(), Percentile(5, 90), ZeroMeanUnitVariance(), fixed]
    return [*plain, clipped, mixed, shares]


class Recorder:
    """An array that remembers what was read of it."""

    def __init__(self, array: np.ndarray, chunks: tuple[int, ...] | None = None):
        self.shape, self.dtype, self._array = array.shape, array.dtype, array
        if chunks is not None:
            self.chunks = chunks
        self.read: list[tuple[slice, ...]] = []

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        self.read.append(index)
        return self._array[index]

    @property
    def largest(self) -> int:
        return max(self._array[index].size for index in self.read)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, str, str, int, AxisRule, Any, tuple[slice, ...]]:
    network_axes = draw(st.sampled_from(["CYX", "CZYX"]))
    axes = "".join(draw(st.permutations(network_axes)))
    channels = draw(st.integers(1, 3))
    if channels == 1 and draw(st.booleans()):
        axes = axes.replace("C", "")
    sizes = {letter: draw(st.integers(1, 14)) for letter in "ZYX"} | {"C": channels}
    dtype, seed = draw(st.sampled_from(TYPES)), draw(st.integers(0, 99))
    values = np.random.default_rng(seed).normal(0, 200, [sizes[letter] for letter in axes])
    image = np.abs(values).astype(dtype) if dtype.startswith("u") else values.astype(dtype)
    rule = draw(st.sampled_from([PLAIN, UNPADDED]))
    normalisation = draw(st.sampled_from(normalisations(channels)))
    box = []
    for letter in network_axes[1:]:
        start = draw(st.integers(0, rule.fit(sizes[letter]) - 1))
        box.append(slice(start, draw(st.integers(start + 1, rule.fit(sizes[letter])))))
    return image, axes, network_axes, channels, rule, normalisation, tuple(box)


@given(cases(), st.integers(1, 200))
def test_a_window_is_the_part_of_the_whole(case: tuple[Any, ...], block: int) -> None:
    image, axes, network_axes, channels, rule, normalisation, box = case
    rules = (rule,) * (len(network_axes) - 1)
    values = channels_first(image, axes, network_axes, channels)
    whole = pad(normalised(values, normalisation), rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_BLOCK", block)
        windowed = WindowedImage(image, axes, network_axes, channels, rules, normalisation)
        window = windowed.window(box)
    assert (windowed.shape, windowed.padded_shape) == (whole.shape, whole.padded_shape)
    assert (windowed.before, windowed.after) == (whole.before, whole.after)
    expected = whole.tensor[:, :, *box]
    assert window.dtype == torch.float32
    assert window.shape == expected.shape
    # As bits, because 0 and -0 are equal otherwise.
    assert torch.equal(window.view(torch.int32), expected.contiguous().view(torch.int32))


@pytest.mark.parametrize("kind", ["memmap", "dask", "uneven dask", "zarr"])
@pytest.mark.parametrize("normalisation", normalisations(3), ids=repr)
def test_kinds_of_arrays(kind: str, normalisation: Normalisation | None, tmp_path: Path) -> None:
    image = RANDOM.integers(0, 60_000, (37, 50, 3), np.uint16)
    array: Any
    if kind == "memmap":
        array = np.memmap(tmp_path / "image", np.uint16, "w+", shape=image.shape)
        array[:] = image
    elif kind == "zarr":
        array = zarr.create_array(tmp_path / "image", data=image, chunks=(16, 20, 2))
    else:
        chunks = (16, 20, 3) if kind == "dask" else ((1, 30, 6), (50,), (2, 1))
        array = da.from_array(image, chunks=chunks)
    module = UNet(in_channels=3, depth=2, base_width=2)
    network = Network.from_module(module, channels=3, normalisation=normalisation)
    windowed = WindowedImage(array, "YXC", "CYX", 3, network.rules, normalisation)
    box = (slice(9, 40), slice(30, 52))
    whole = network.prepare(image, "YXC").tensor
    assert torch.equal(windowed.window(box), whole[:, :, *box])


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 40))
def test_wide_borders_are_mirrored_again_and_again(size: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    assert np.array_equal(windows._mirrored(np.arange(-before, size + after), size), expected)


@pytest.mark.parametrize("chunks", [None, (8, 8, 8), (64, 64, 64), (1, 128, 100), (128, 1, 1)])
@pytest.mark.parametrize("normalisation", normalisations(1)[1:], ids=repr)
def test_nothing_large_is_read(
    chunks: tuple[int, ...] | None,
    normalisation: Normalisation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "_BLOCK", 20_000)
    image = RANDOM.random((64, 128, 100), np.float32)
    recorder = Recorder(image, chunks)
    rules = (PLAIN,) * 3
    windowed = WindowedImage(recorder, None, "CZYX", 1, rules, normalisation)
    windowed.fit()
    voxels = sum(image[index].size for index in recorder.read)
    assert voxels == normalisation.passes * image.size
    if normalisation.passes:
        assert recorder.largest <= 20_000
        assert len(recorder.read) <= normalisation.passes * 4 * image.size // 20_000
    recorder.read.clear()
    windowed.fit()
    assert not recorder.read
    windowed.window((slice(10, 20), slice(100, 128), slice(90, 104)))
    assert recorder.largest == 10 * 28 * 10


def test_whole_chunks_are_read() -> None:
    image = np.zeros((96, 200), np.uint8)
    recorder = Recorder(image, (32, 64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_BLOCK", 3 * 32 * 64)
        WindowedImage(recorder, "YX", "CYX", 1, (PLAIN,) * 2, ZeroMeanUnitVariance()).fit()
    assert [(index[0].start % 32, index[1].start % 64) for index in recorder.read] == [(0, 0)] * 6


def windowed(image: Any, normalisation: Normalisation | None = STREAMED) -> WindowedImage:
    return WindowedImage(image, "YX", "CYX", 1, (PLAIN,) * 2, normalisation)


@pytest.mark.parametrize("normalisation", normalisations(1), ids=repr)
def test_statistics_are_taken_over(normalisation: Normalisation | None) -> None:
    image = RANDOM.random((20, 30), np.float32)
    first = windowed(image, normalisation)
    text = json.dumps(first.statistics())
    recorder = Recorder(image)
    second = windowed(recorder, normalisation)
    second.use_statistics(json.loads(text))
    box = (slice(3, 9), slice(0, 32))
    assert torch.equal(second.window(box), first.window(box))
    assert len(recorder.read) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"normalisation": None},
        {"normalisation": {"kind": "percentile", "low": 1.0, "high": 99.8}},
        {"normalisation": {"kind": "gamma"}},
        {"fitted": {"kind": "affine", "shift": [0.0, 0.0], "scale": [1.0, 1.0]}},
        {"fitted": {"kind": "affine", "shift": [0.0], "scale": [float("nan")]}},
        {"fitted": {"kind": "affine", "shift": ["a"], "scale": [1.0]}},
        {"fitted": {"kind": "affine", "shift": [0.0]}},
        {"fitted": {"kind": "percentile"}},
        {"fitted": [1]},
        {"fitted": None},
    ],
    ids=str,
)
def test_statistics_of_something_else(change: dict[str, Any]) -> None:
    image = windowed(RANDOM.random((20, 30)))
    with pytest.raises(OptionError, match=r"those of 1 channels.*fit\(\)"):
        image.use_statistics(image.statistics() | change)


def test_progress_and_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_BLOCK", 30)
    seen: list[tuple[int, int, str]] = []
    windowed(RANDOM.random((5, 30)), Percentile()).fit(lambda *step: seen.append(step))
    assert [step[:2] for step in seen] == [(n, 10) for n in range(1, 11)]
    image = windowed(RANDOM.random((5, 30)))
    with pytest.raises(Cancelled):
        image.fit(cancel=lambda: True)
    image.fit()  # from the beginning


def test_values_that_are_not_finite_are_found_when_they_are_read() -> None:
    image = RANDOM.random((30, 40))
    image[20, 30] = np.nan
    with pytest.raises(ImageError, match="1 value that"):
        windowed(image).fit()
    raw = windowed(image, None)
    raw.window((slice(0, 20), slice(0, 40)))
    with pytest.raises(ImageError, match=r"1 value that.* in its part \[18:22, 0:40\]"):
        raw.window((slice(18, 22), slice(0, 40)))


def test_images_that_do_not_fit() -> None:
    for image, axes, said in (
        (np.zeros((4, 5, 2)), "YXC", "has 2 channels and the network takes 3"),
        (np.zeros((4, 5)), "YXC", r"shape \(4, 5\) and the axes 'YXC'"),
        (np.zeros((0, 5, 3)), "YXC", "no pixels"),
    ):
        with pytest.raises(ShapeError, match=said):
            WindowedImage(image, axes, "CYX", 3, (PLAIN,) * 2, None)
    with pytest.raises(ImageError, match="expected real numbers"):
        WindowedImage(np.zeros((4, 5), complex), "YX", "CYX", 1, (PLAIN,) * 2, None)
    image = windowed(np.zeros((4, 5)), MeanStd((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(ShapeError, match="2 channels and the image has 1"):
        image.fit()


@settings(max_examples=10)
@given(st.integers(1, 60), st.integers(1, 60))
def test_an_unpadded_network(height: int, width: int) -> None:
    """Its margin is mirrored around the image; rules come from the network itself."""
    module = UNet(depth=1, base_width=2, convolution="valid")
    network = Network.from_module(module, normalisation=Percentile())
    image = RANDOM.random((height, width))
    whole = network.prepare(image).tensor
    part = WindowedImage(image, None, "CYX", 1, network.rules, Percentile())
    assert part.before == network.prepare(image).before != (0, 0)
    assert torch.equal(part.window(tuple(slice(0, n) for n in part.padded_shape)), whole)
