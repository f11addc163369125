"""Which sizes a network takes, found by trying, and how images are brought to them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from monai.networks import nets
from torch import nn

from architectures import Coarse, DoubleConvUNet, Ending, Function, Plain
from napari_seggradcam.errors import NetworkError
from napari_seggradcam.networks.images import pad
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.sizes import AxisRule, find_rules
from napari_seggradcam.networks.unet import UNet

PROBED = AxisRule(base=20, step=4, minimum=8, output_stride=2, margin=4)
RANDOM = np.random.default_rng(0)


def opened(module: nn.Module, axes: str = "CYX") -> Network:
    return Network.from_module(module, axes=axes)


def rule_of(network: Network) -> tuple[object, ...]:
    rules = network.rules
    return (
        network.step,
        network.minimum_size,
        tuple(rule.margin for rule in rules),
        tuple(rule.output_stride for rule in rules),
    )


def predicted_directly(module: nn.Module, image: np.ndarray) -> np.ndarray:
    """The module's own answer for an image (*spatial) of one channel."""
    with torch.no_grad():
        return module.eval()(torch.from_numpy(image)[None, None])[0].numpy()


def image_of(*shape: int) -> np.ndarray:
    return RANDOM.random(shape, np.float32)


@pytest.mark.parametrize(
    ("module", "axes", "expected"),
    [
        (UNet(depth=3, base_width=2), "CYX", ((8, 8), (8, 8), (0, 0), (1, 1))),
        # depth 1: (size - 4) / 2 - 4, twice that, and again - 4; least is one pixel
        (
            UNet(depth=1, base_width=2, convolution="valid"),
            "CYX",
            ((2, 2), (18, 18), (16, 16), (1, 1)),
        ),
        # depth 2: 4 + 2·(4 + 2·4 + 2·... ) in all 40; the bottleneck leaves 1, up 2, and 4 - 4
        (
            UNet(depth=2, base_width=2, convolution="valid"),
            "CYX",
            ((4, 4), (44, 44), (40, 40), (1, 1)),
        ),
        (
            UNet(3, depth=2, base_width=2),
            "CZYX",
            ((4, 4, 4), (4, 4, 4), (0, 0, 0), (1, 1, 1)),
        ),
        (
            UNet(3, depth=2, base_width=2, convolution="valid"),
            "CZYX",
            ((4, 4, 4), (44, 44, 44), (40, 40, 40), (1, 1, 1)),
        ),
        (DoubleConvUNet(), "CYX", ((1, 1), (4, 4), (0, 0), (1, 1))),
        (Plain(), "CYX", ((1, 1), (1, 1), (0, 0), (1, 1))),
        (Coarse(), "CYX", ((4, 4), (4, 4), (0, 0), (4, 4))),
        (nn.Sequential(nn.Conv2d(1, 2, 5)), "CYX", ((1, 1), (5, 5), (4, 4), (1, 1))),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding=3)), "CYX", ((1, 1), (1, 1), (-4, -4), (1, 1))),
        (
            nets.DynUNet(
                3, 1, 2, [3] * 3, [1, (1, 2, 2), 2], [(1, 2, 2), 2], (2, 4, 8), norm_name="batch"
            ),
            "CZYX",
            ((2, 4, 4), (2, 4, 4), (0, 0, 0), (1, 1, 1)),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_rules(module: nn.Module, axes: str, expected: tuple[object, ...]) -> None:
    assert rule_of(opened(module, axes)) == expected


def test_the_original_in_2d_and_3d_without_computing_it() -> None:
    """188 pixels give 4, as the paper's architecture says; a volume of 188³ fits no memory."""
    for ndim, axes in ((2, "CYX"), (3, "CZYX")):
        network = opened(UNet(ndim, depth=4, base_width=8, convolution="valid"), axes)
        assert rule_of(network) == ((16,) * ndim, (188,) * ndim, (184,) * ndim, (1,) * ndim)
        assert network.rules[0].fit(388) == 572
        assert len(network.select_layers("levels")) == 9


def test_minimum_holds_on_all_axes_together() -> None:
    """Instance norm refuses a bottleneck of one position, though 1 × 2 would do."""
    module = nets.BasicUNet(2, 1, 2, (4, 4, 4, 4, 4, 4))
    network = opened(module)
    height, width = network.minimum_size
    predicted_directly(module, image_of(height, width))
    assert network.predict(image_of(3, 3)).shape == (2, 3, 3)


@given(
    base=some.integers(1, 300),
    step=some.sampled_from([1, 2, 4, 16]),
    fewer=some.integers(0, 20),
    margin=some.integers(0, 40),
    size=some.integers(1, 700),
)
def test_fit_is_the_smallest_size_that_suits(
    base: int, step: int, fewer: int, margin: int, size: int
) -> None:
    minimum = max(base - fewer * step, (base - 1) % step + 1)
    rule = AxisRule(base, step, minimum, 1, margin)
    fitted = rule.fit(size)
    assert (fitted - base) % step == 0
    assert fitted >= minimum
    assert fitted - margin >= size
    smaller = fitted - step
    assert smaller < minimum or smaller - margin < size


@given(
    shape=some.tuples(some.integers(1, 40), some.integers(1, 40)),
    margin=some.integers(0, 30),
    step=some.sampled_from([1, 4, 16]),
)
def test_padding_is_numpys_reflection(shape: tuple[int, int], margin: int, step: int) -> None:
    rule = AxisRule(64, step, step, 1, margin)
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    prepared = pad(values, (rule, rule))
    assert prepared.shape == shape
    assert prepared.before == (margin // 2,) * 2
    widths = list(zip(prepared.before, prepared.after, strict=True))
    expected = np.pad(values[0], widths, mode="reflect")
    assert np.array_equal(prepared.tensor[0, 0].numpy(), expected)
    assert all(size == rule.fit(n) for size, n in zip(expected.shape, shape, strict=True))


MODULES = {
    "same": UNet(depth=2, base_width=2),
    "any size": DoubleConvUNet(),
    "batch": nets.BasicUNet(2, 1, 2, (2,) * 6, norm="batch"),
}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_prediction_without_padding_is_the_modules_own(module: nn.Module) -> None:
    image = image_of(32, 48)
    assert np.array_equal(opened(module).predict(image), predicted_directly(module, image))


def test_odd_sizes_are_padded_behind_and_cropped() -> None:
    module = UNet(depth=2, base_width=2)
    for height, width in ((1, 1), (1, 9), (3, 2), (17, 22)):
        image = image_of(height, width)
        behind = [(0, -height % 4), (0, -width % 4)]
        expected = predicted_directly(module, np.pad(image, behind, mode="reflect"))
        assert np.array_equal(opened(module).predict(image), expected[:, :height, :width])


def test_any_size_is_not_padded() -> None:
    module = DoubleConvUNet()
    image = image_of(19, 31)
    assert np.array_equal(opened(module).predict(image), predicted_directly(module, image))


@pytest.mark.parametrize("shape", [(24, 28), (23, 30), (5, 7), (61, 60)])
def test_unpadded_network_sees_the_image_mirrored_at_its_borders(shape: tuple[int, int]) -> None:
    """The overlap-tile strategy of the paper: 20 pixels of context at every side, mirrored."""
    module = UNet(depth=2, base_width=2, convolution="valid")
    image = image_of(*shape)
    to_step = [(20, 20 + -size % 4) for size in shape]
    mirrored = np.pad(image, to_step, mode="reflect")
    expected = predicted_directly(module, mirrored)[:, : shape[0], : shape[1]]
    logits = opened(module).predict(image)
    assert logits.shape == (2, *shape)
    assert np.array_equal(logits, expected)


def test_volume() -> None:
    module = UNet(3, depth=1, base_width=2)
    volume = image_of(5, 8, 9)
    expected = predicted_directly(module, np.pad(volume, [(0, 1), (0, 0), (0, 1)], mode="reflect"))
    assert np.array_equal(opened(module, "CZYX").predict(volume), expected[:, :5, :8, :9])


def test_coarse_logits_are_enlarged_to_the_image() -> None:
    module = Coarse()
    image = image_of(20, 32)
    small = torch.from_numpy(predicted_directly(module, image))[None]
    large = nn.functional.interpolate(small, scale_factor=4, mode="bilinear")[0].numpy()
    network = opened(module)
    assert np.array_equal(network.predict(image), large)
    assert network.predict(image[:17, :30]).shape == (3, 17, 30)


def test_output_that_padding_has_made_larger_is_cut_at_its_centre() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=3))
    image = image_of(9, 12)
    expected = predicted_directly(module, image)[:, 2:-2, 2:-2]
    assert np.array_equal(opened(module).predict(image), expected)


def test_axes_that_differ() -> None:
    def run(shape: tuple[int, ...]) -> tuple[int, ...]:
        if shape[0] % 8 or shape[0] < 16:
            raise NetworkError("no")
        return (shape[0] - 6, -(-shape[1] // 4), shape[2])

    first, second, third = find_rules(run, 3)
    assert (first.step, first.minimum, first.margin, first.output_stride) == (8, 16, 6, 1)
    assert (second.step, second.output_stride, second.margin) == (4, 4, 0)
    assert third.step == 1


def test_trials_are_few() -> None:
    asked = []

    def run(shape: tuple[int, ...]) -> tuple[int, ...]:
        asked.append(shape)
        if any(size % 16 for size in shape):
            raise NetworkError("no")
        return shape

    find_rules(run, 3)
    assert len(asked) == len(set(asked)) < 20


def test_a_network_that_runs_on_nothing_says_what_happened() -> None:
    network = Network.from_module(UNet(in_channels=3, base_width=2, depth=1))
    with pytest.raises(NetworkError, match=r"check axes and.* 3 channels"):
        network.predict(image_of(8, 8))


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (nn.Upsample(scale_factor=2), "resolution or a lower one"),
        (nn.AdaptiveAvgPool2d(8), "grows with the image"),
        (nn.Flatten(), "logits with the axes"),
        (Function(lambda x: x.argmax(1)), "int64"),
        (nn.AvgPool2d(3), "does not grow evenly"),
    ],
    ids=["too fine", "one size", "flat", "classes", "thirds"],
)
def test_outputs_that_are_no_logits(ending: nn.Module, said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        _ = opened(Ending(ending)).rules


class Shy(nn.Module):
    """Can't be copied, or looks at values: has to run for real."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(4))
        self.how = how
        self.grid = torch.ones(1, 2, 1, 1)  # neither a parameter nor a buffer

    def __deepcopy__(self, memo: object) -> nn.Module:
        if self.how == "not copied":
            raise TypeError("no copies")
        twin = Shy(self.how)
        twin.net = self.net if memo is None else __import__("copy").deepcopy(self.net, memo)
        return twin

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "values" and x.max() > 10:
            x = x / 10
        y = self.net(x)
        return y * self.grid if self.how == "other tensors" else y


@pytest.mark.parametrize("how", ["not copied", "values", "other tensors"])
def test_large_trials_run_for_real_where_a_twin_does_not(how: str, monkeypatch) -> None:
    """The answers are the same whether shapes come from the module or from its twin."""
    expected = opened(Shy("plain"))
    monkeypatch.setattr("napari_seggradcam.networks.probing._MANY", {2: 1000})
    network = opened(Shy(how))
    assert network.rules == expected.rules
    assert [layer.shape for layer in network.layers] == [layer.shape for layer in expected.layers]


def test_sizes_that_fail_deep_in_the_network_are_left_out() -> None:
    """The upper level mends odd sizes, the lower one does not: 16 to 19 run, 20 to 23 don't."""

    def run(shape: tuple[int, ...]) -> tuple[int, ...]:
        if any(size // 4 % 2 for size in shape):
            raise NetworkError("sizes differ")
        return shape

    assert [rule.step for rule in find_rules(run, 2)] == [8, 8]


@given(some.integers(1, 80), some.integers(1, 64), some.integers(1, 200))
def test_declared_sizes_are_among_those_that_run(minimum: int, step: int, size: int) -> None:
    rule = PROBED.narrowed(minimum, step)
    fitted = rule.at_least(size)
    assert fitted >= max(size, 8)
    assert (fitted - 20) % 4 == 0  # it runs
    if step % 4 == 0 and minimum % 4 == 0:
        assert fitted >= minimum
        assert (fitted - minimum) % step == 0
        assert fitted < max(size, 8, minimum) + step
    else:
        assert rule == PROBED
