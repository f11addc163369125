"""Gradients from a tape are those of autograd, and there is no tape where anything is unknown."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc
from architectures import Coarse, Function, GridGate, Pyramid, ResidualEncoder
from napari_seggradcam.explain.capture import Capture
from napari_seggradcam.explain.habits import habits_of
from napari_seggradcam.explain.patches import Patch
from napari_seggradcam.explain.replay import Replay
from napari_seggradcam.explain.steps import UnevenShift
from napari_seggradcam.explain.tape import Tape, record
from napari_seggradcam.networks.running import as_found

Gradients = dict[str, Patch]


def between(middle: nn.Module, channels: int = 4) -> nn.Module:
    """A network with something in its middle; two convolutions are before it, so that both the
    gradients that come and those that go on are seen."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=1),
        middle,
        nn.Conv2d(channels, 3, 3, padding=1),
    )


def normed(module: nn.Module) -> nn.Module:
    """With batch norms that do something."""
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            child.running_mean.normal_(0, 0.3)
            child.running_var.uniform_(0.5, 2)
            if child.affine:
                nn.init.uniform_(child.weight, 0.5, 2)
    return module


class Slicing(nn.Module):
    """An unpadded convolution, joined with the middle of its input."""

    def __init__(self, how: str):
        super().__init__()
        self.how = how
        self.convolution = nn.Conv2d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = {
            "narrow": lambda: x.narrow(2, 1, x.shape[2] - 2).narrow(3, 1, x.shape[3] - 2),
            "slices": lambda: x[:, :, 1:-1, 1:-1],
            "ellipsis": lambda: x[..., 1:-1, 1:-1],
        }[self.how]()
        return torch.cat([inner, self.convolution(x)], 1)


MIDDLES: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(4),
    "batch norm without weights": lambda: nn.BatchNorm2d(4, affine=False),
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "leaky in place": lambda: nn.LeakyReLU(0.2, inplace=True),
    "function in place": lambda: Function(functional.relu_),
    "prelu": lambda: nn.PReLU(4),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "dropout": lambda: nn.Dropout2d(0.5),
    "pool": lambda: nn.MaxPool2d(2),
    "overlapping pool": lambda: nn.MaxPool2d(3, 2, 1),
    "nearest": lambda: nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
    "bilinear": lambda: nn.Sequential(
        nn.MaxPool2d(4), nn.Upsample(scale_factor=(4, 2), mode="bilinear"), nn.MaxPool2d((2, 1))
    ),
    "strides": lambda: nn.Sequential(
        nn.Conv2d(4, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1)
    ),
    "sum with itself": lambda: Function(lambda x: x + x),
    "number": lambda: Function(lambda x: 2 * x + 1),
    "product": lambda: Function(lambda x: x * torch.sigmoid(x)),
}
WHOLE: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: sgc.UNet(depth=2, base_width=4),
    "own without norm": lambda: sgc.UNet(depth=2, base_width=4, norm="none"),
    "own, unpadded": lambda: sgc.UNet(depth=2, base_width=4, convolution="valid"),
    "own, interpolating": lambda: sgc.UNet(depth=2, base_width=4, upsampling="interpolate"),
    "narrow": lambda: between(Slicing("narrow"), 8),
    "slices": lambda: between(Slicing("slices"), 8),
    "ellipsis": lambda: between(Slicing("ellipsis"), 8),
    "residual": ResidualEncoder,
    "pyramid": Pyramid,
    "gate": GridGate,
    "coarse": Coarse,
    **{name: lambda middle=middle: between(middle()) for name, middle in MIDDLES.items()},
}


class Recorded:
    """A network that ran on an image, and autograd's gradients for a box of logits."""

    def __init__(self, module: nn.Module, size: int = 96):
        torch.manual_seed(5)
        self.network = sgc.Network.from_module(normed(module).double())
        self.image = torch.rand(1, 1, size, size, dtype=torch.float64)
        self.kept: dict[int, torch.Tensor] = {}
        with self.network.lock, as_found(module):
            self.logits, self.tape = record(
                self.network,
                self.image,
                lambda name, maps: None,
                lambda number, value: self.kept.update({number: value.clone()}),
                None,
            )

    def expected(self, box: tuple[slice, ...]) -> Gradients:
        found: Gradients = {}
        with self.network.lock, as_found(self.network.module), torch.enable_grad():
            capture = Capture(self.network.module, self.network.layers, lambda name: None)
            with capture:
                calls = capture.calls(2, self.network.bypass)
                logits = self.network.run(self.image, calls)
            capture.backward(logits[0, 1][box].sum(), found.__setitem__, None)
        return found

    def found(self, windows: list[tuple[slice, ...]], boxes: list[tuple[slice, ...]]) -> Gradients:
        found: Gradients = {}
        assert isinstance(self.tape, Tape)
        path = self.tape.path_to(list(self.tape.layers))
        assert path.needs == self.kept.keys()
        replay = Replay(path, self.kept, self.logits, windows)
        items = zip(replay.logits, boxes, strict=True)
        replay.backward(sum(item[1][box].sum() for item, box in items), found.__setitem__, None)
        return found


@pytest.mark.parametrize("name", WHOLE)
def test_gradients_equal_autograd(name: str) -> None:
    """On the whole image and on a batch of two crops, up to rounding of double precision."""
    recorded = Recorded(WHOLE[name]())
    assert set(recorded.tape.layers) == {layer.name for layer in recorded.network.layers}
    rule = recorded.network.rules[0]

    def outputs(start: int, window: int = 0) -> tuple[slice, ...]:
        first = (start - window) // rule.output_stride - rule.margin // 2
        return (slice(first, first + 2), slice(first + 1, first + 4))

    whole = (slice(0, 96),) * 2
    for windows, at in (([whole], [48]), ([(slice(0, 64),) * 2, (slice(32, 96),) * 2], [28, 64])):
        expected = [recorded.expected(outputs(start)) for start in at]
        starts = [window[0].start for window in windows]
        boxes = [outputs(start, first) for start, first in zip(at, starts, strict=True)]
        found = recorded.found(windows, boxes)
        assert found.keys() == expected[0].keys()
        for layer, patch in found.items():
            for item, truth in zip(patch.values, expected, strict=True):
                gradient = truth[layer].values[0]
                for how in (torch.Tensor.sum, lambda t, axes: t.abs().sum(axes)):
                    torch.testing.assert_close(how(item, (1, 2)), how(gradient, (1, 2)))
                if windows == [whole]:
                    all_of_it = patch.inside(gradient.shape[1:])[0]
                    torch.testing.assert_close(all_of_it, gradient)


def test_only_the_box_is_handed_over() -> None:
    recorded = Recorded(WHOLE["relu"]())
    found = recorded.found([(slice(0, 96),) * 2], [(slice(40, 41), slice(50, 52))])
    # From the logits up, every convolution adds one position to each side.
    assert [patch.size for patch in found.values()] == [
        (1, 2),
        (3, 4),
        (3, 4),
        (5, 6),
    ]


def test_what_does_not_shift_evenly_is_refused() -> None:
    recorded = Recorded(WHOLE["pool"]())
    with pytest.raises(UnevenShift):
        recorded.found([(slice(3, 67), slice(0, 64))], [(slice(9, 10),) * 2])


class Reversed(torch.autograd.Function):
    """A gradient that is not the derivative."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        return -gradient


def out_of_sight(x: torch.Tensor) -> torch.Tensor:
    return x.sigmoid()


def overwritten_through_a_view(x: torch.Tensor) -> torch.Tensor:
    x = x + 1
    x[:, :2].mul_(2)
    return x


UNKNOWN: dict[str, Callable[[], nn.Module]] = {
    "a scripted function": lambda: Function(torch.jit.script(out_of_sight)),
    "a view changed in place": lambda: Function(overwritten_through_a_view),
    "an instance norm": lambda: nn.InstanceNorm2d(4),
    "aligned corners": lambda: nn.Sequential(
        nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    ),
    "a weight from the image": lambda: Function(
        lambda x: functional.conv2d(x, x.mean((2, 3), keepdim=True).expand(4, 4, 1, 1))
    ),
    "an average": lambda: nn.AvgPool2d(3, 1, 1),
    "softmax over positions": lambda: Function(lambda x: x.softmax(2)),
    "a map that is a constant": lambda: Function(lambda x: x * torch.ones(x.shape[2:])),
    "a sum that broadcasts": lambda: Function(lambda x: x + x[:, :, :1]),
    "a cut graph": lambda: Function(lambda x: x + x.detach()),
    "cut channels": lambda: Function(lambda x: torch.cat([x[:, 2:], x[:, :2]], 1)),
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("name", UNKNOWN)
def test_there_is_no_tape_of_what_is_unknown(name: str) -> None:
    """And answers are those of the whole image."""
    network = sgc.Network.from_module(between(UNKNOWN[name]()))
    assert Recorded(network.module).tape is None
    network.module.float()
    image = np.random.default_rng(0).random((96, 96), np.float32)
    explainer = sgc.Explainer(network, image)
    with torch.no_grad():
        logits = network.module(torch.from_numpy(image)[None, None])
    for _ in range(2):
        explanation = explainer.explain(sgc.pixel(40, 50), 1, "all")
        assert explanation.score == pytest.approx(float(logits[0, 1, 40, 50]), rel=1e-4)


def test_a_gradient_that_is_not_the_derivative_is_noticed() -> None:
    torch.manual_seed(0)
    middle = nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2))
    plain = between(middle)
    reverse = between(nn.Sequential(middle, Function(Reversed.apply)))
    for here, there in ((plain[0], reverse[0]), (plain[1], reverse[1]), (plain[3], reverse[3])):
        there.load_state_dict(here.state_dict())
    image = np.random.default_rng(0).random((96, 96), np.float32)
    one, other = (sgc.Explainer(sgc.Network.from_module(m), image) for m in (plain, reverse))
    for y in (40, 41):
        name = one.network.layers[0].name
        found = [x.explain(sgc.pixel(y, 50), 1, name)[name].weights for x in (one, other)]
        np.testing.assert_allclose(found[0], -found[1], rtol=1e-4)


def test_a_network_may_treat_other_sizes_otherwise() -> None:
    """Padded to the skip where the size is odd, which is not known, and else nothing."""

    class AnySize(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(1, 4, 3, padding=1)
            self.down = nn.MaxPool2d(2)
            self.up = nn.ConvTranspose2d(4, 4, 2, 2)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skip = self.enter(x)
            up = self.up(self.down(skip))
            missing = [skip.shape[axis] - up.shape[axis] for axis in (3, 2)]
            return self.head(
                torch.cat([skip, functional.pad(up, [0, missing[0], 0, missing[1]])], 1)
            )

    network = sgc.Network.from_module(AnySize())
    with network.lock, as_found(network.module):
        found = [habits_of(network, shape).recordable for shape in ((512, 300), (512, 301))]
    assert found == [True, False]


def test_a_known_network_keeps_no_convolutions() -> None:
    network = sgc.Network.from_module(sgc.UNet(depth=2, base_width=4))
    explainer = sgc.Explainer(network, np.random.default_rng(0).random((200, 200), np.float32))
    first = explainer.explain(sgc.pixel(90, 90), 1, "levels")
    assert "1 crop" in first.record["computed"]["on"]
    assert explainer.views.view(0).activations.convolutions == {}
    assert (
        explainer.views.view(0).activations.replay(network.layers[:1], [(slice(0, 64),) * 2])
        is not None
    )


def test_there_is_a_tape_after_a_pass_over_the_whole_image() -> None:
    network = sgc.Network.from_module(sgc.UNet(depth=2, base_width=4))
    explainer = sgc.Explainer(network, np.random.default_rng(0).random((200, 200), np.float32))
    explainer.explain(sgc.everywhere(), 1, "levels")
    explainer.explain(sgc.pixel(90, 90), 1, "levels")
    layers = network.select_layers("levels")
    assert explainer.views.view(0).activations.replay(layers, [(slice(0, 64),) * 2]) is not None


def test_patches_add_up() -> None:
    one, other = torch.zeros(2, 3, 8, 9), torch.zeros(2, 3, 8, 9)
    one[:, :, 1:4, 2:5] = torch.randn(2, 3, 3, 3)
    other[0, :, 3:8, 0:3] = torch.randn(3, 5, 3)
    total = Patch.of(one) + Patch.of(other)
    assert total.box == (slice(1, 8), slice(0, 5))
    torch.testing.assert_close(total.inside((8, 9)), one + other)
    inner = torch.zeros_like(one)
    inner[:, :, 2:3, 3:4] = 1
    for a, b in ((one, inner), (inner, one), (one, one)):
        torch.testing.assert_close((Patch.of(a) + Patch.of(b)).inside((8, 9)), a + b)
