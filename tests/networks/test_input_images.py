"""From arrays with named axes to what a network takes."""

import numpy as np
import pytest

from napari_seggradcam.errors import ImageError, ShapeError
from napari_seggradcam.networks.images import channels_first
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.unet import UNet

RANDOM = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("axes", "network_axes", "order"),
    [
        ("CYX", "CYX", (0, 1, 2)),
        ("YXC", "CYX", (2, 0, 1)),
        ("YCX", "CYX", (1, 0, 2)),
        ("CXY", "CYX", (0, 2, 1)),
        ("CZYX", "CZYX", (0, 1, 2, 3)),
        ("ZYXC", "CZYX", (3, 0, 1, 2)),
        ("ZCYX", "CZYX", (1, 0, 2, 3)),
    ],
)
def test_axes_are_brought_into_order(axes: str, network_axes: str, order: tuple[int, ...]) -> None:
    image = RANDOM.random((3, 4, 5, 6)[: len(axes)])
    channels = image.shape[axes.index("C")]
    values = channels_first(image, axes, network_axes, channels)
    assert values.dtype == np.float32
    assert np.array_equal(values, image.transpose(order).astype(np.float32))


@pytest.mark.parametrize(("shape", "network_axes"), [((4, 5), "CYX"), ((3, 4, 5), "CZYX")])
def test_a_missing_channel_axis_is_one_channel(shape: tuple[int, ...], network_axes: str) -> None:
    image = RANDOM.random(shape)
    for axes in (None, network_axes[1:]):
        assert channels_first(image, axes, network_axes, 1).shape == (1, *shape)


def test_without_axes_channels_come_first() -> None:
    assert channels_first(np.zeros((3, 4, 5)), None, "CYX", 3).shape == (3, 4, 5)
    assert channels_first(np.zeros((2, 3, 4, 5)), None, "CZYX", 2).shape == (2, 3, 4, 5)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "float16", "float64", ">f4"])
def test_kinds_of_numbers_keep_their_values(dtype: str) -> None:
    image = RANDOM.integers(0, 2 if dtype == "bool" else 250, (4, 5)).astype(dtype)
    assert np.array_equal(channels_first(image, "YX", "CYX", 1)[0], image.astype(np.float32))


def test_views_and_lists() -> None:
    image = RANDOM.random((8, 9))[::2, ::-1]
    network = Network.from_module(UNet(depth=1, base_width=2))
    assert np.array_equal(network.predict(image), network.predict(image.tolist()))


def test_colour_image_channel_last_and_first_are_one() -> None:
    network = Network.from_module(UNet(in_channels=3, depth=1, base_width=2), channels=3)
    image = RANDOM.integers(0, 255, (10, 12, 3), np.uint8)
    last, first = network.predict(image, "YXC"), network.predict(image.transpose(2, 0, 1), "CYX")
    assert np.array_equal(last, first)


def test_the_image_is_not_changed() -> None:
    image = np.full((8, 8), 3, np.float32)
    Network.from_module(UNet(depth=1, base_width=2)).predict(image)
    assert (image == 3).all()


@pytest.mark.parametrize(
    ("shape", "axes", "said"),
    [
        ((4, 5, 2), "YXC", r"axes 'YXC'.* has 2 channels and the network takes 3\. Choose"),
        ((4, 5), "YX", "has 1 channel and the network takes 3"),
        ((4, 5, 3), None, "has 4 channels.*name its axes with axes="),
        ((4, 5, 3), "YX", r"shape \(4, 5, 3\) and the axes 'YX'; the network expects"),
        ((4, 5, 3), "YYC", "'YYC'"),
        ((4, 5, 3), "yxc", "'yxc'"),
        ((4, 5, 3), "ZYX", "the axes Y and X once each"),
        ((4,), None, r"shape \(4,\)"),
        ((), None, r"shape \(\)"),
        ((0, 5, 3), "YXC", "no pixels"),
    ],
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], axes: str | None, said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        channels_first(np.zeros(shape), axes, "CYX", 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([np.nan, 1.0], "1 value that"),
        ([np.inf, np.nan], "2 values.*nan_to_num"),
        ([1e300, 0.0], "too large for float32"),
        ([1 + 2j, 0], "complex128; expected real numbers"),
        (["a", "b"], "expected real numbers"),
        ([None, 1], "object"),
    ],
)
def test_values_that_can_not_be_used(values: list[object], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        channels_first(np.array([values]), "YX", "CYX", 1)
