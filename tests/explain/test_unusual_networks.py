"""Networks that do what few do are answered as one plain pass of autograd over the image does."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc
from architectures import Function
from napari_seggradcam.explain.reach import reach_of

IMAGE = np.random.default_rng(0).random((96, 112), np.float32)
Layers = list[nn.Module]


def corner(*sides: slice) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, bool)
    mask[sides] = True
    return mask


REGIONS = {
    "pixel": sgc.pixel(41, 50),
    "corner": corner(slice(0, 29), slice(0, 29)),
    "other corner": corner(slice(-29, 96), slice(-9, 112)),
}


def autograd(
    module: nn.Module, layers: tuple[sgc.NetworkLayer, ...], mask: np.ndarray
) -> dict[str, torch.Tensor]:
    """Gradient of the logits of class 1 with respect to what modules gave.

    With respect to the tensor, whoever uses it: that is what a hook on the tensor says.
    """
    found: dict[str, torch.Tensor] = {}
    names = {(layer.module, layer.call): layer.name for layer in layers}
    counts: Counter[str] = Counter()

    def listen(module: nn.Module, path: str) -> Callable[[], None]:
        def hook(module: nn.Module, args: object, out: torch.Tensor) -> None:
            name = names.get((path, counts[path]))
            counts[path] += 1
            if name is not None:
                out.register_hook(lambda gradient: found.__setitem__(name, gradient[0]))

        return module.register_forward_hook(hook).remove

    removes = [listen(module.get_submodule(path), path) for path in {path for path, _ in names}]
    image = torch.from_numpy(IMAGE).double()[None, None].requires_grad_()
    logits = module(image.clone())
    logits[0, 1][torch.from_numpy(mask)].sum().backward()
    for remove in removes:
        remove()
    return found


def check(module: nn.Module, region: str, layers: str = "all", **options: bool) -> sgc.Explanation:
    """Compare weights with autograd's, in double precision, relative to what was summed."""
    torch.manual_seed(0)
    module = module.double().eval().requires_grad_(False)
    network = sgc.Network.from_module(module)
    explainer = sgc.Explainer(network, IMAGE, **options)
    mask = REGIONS[region]
    mask = mask if isinstance(mask, np.ndarray) else mask.mask(IMAGE.shape, None)
    names = network.select_layers(layers)
    expected = autograd(module, names, mask)
    for _ in range(2):
        explanation = explainer.explain(mask, 1, layers)
        for layer in names:
            gradient, weights = expected[layer.name], explanation[layer.name].weights
            difference = np.abs(weights - gradient.mean((1, 2)).numpy()).max()
            assert difference <= 1e-10 * gradient.abs().mean((1, 2)).max(), layer.name
    return explanation


def convolutions(**options: object) -> Layers:
    channels = [(1, 4), (4, 4), (4, 4), (4, 4)]
    return [
        layer
        for both in channels
        for layer in (nn.Conv2d(*both, 3, padding=1, **options), nn.ReLU())
    ]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(
    "layers",
    [
        convolutions(padding_mode="circular"),
        convolutions(padding_mode="reflect"),
        [*convolutions(), Function(lambda x: x + x.roll(3, 2)), *convolutions()[2:]],
        [*convolutions(), Function(lambda x: x - x.roll(-2, 3)), *convolutions()[2:]],
    ],
    ids=["circular", "reflect", "rolled", "rolled back"],
)
def test_the_ends_of_a_crop_are_not_those_of_the_image(
    layers: Layers, region: str, once: bool
) -> None:
    check(nn.Sequential(*layers, nn.Conv2d(4, 2, 1)), region, once=once)


def test_ends_that_are_the_same_for_most_images_are_noticed() -> None:
    """Where nothing gets through a rectifier, all positions have the same value."""
    quiet = [*convolutions()]
    nn.init.constant_(quiet[-2].bias, -20)
    layers = [*quiet, *convolutions(padding_mode="circular")[2:], nn.Conv2d(4, 2, 1)]
    reach = reach_of(sgc.Network.from_module(nn.Sequential(*layers)))
    assert reach.axes is None
    assert "circular" in reach.why_not


def test_what_hardly_changes_the_logits_has_to_be_right_on_crops() -> None:
    """All of the gradient of the branch is in it."""

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 2, 3, padding=1)
            self.branch = nn.Sequential(
                nn.MaxPool2d(2),
                nn.Conv2d(2, 2, 3, padding=1),
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return x + 1e-6 * self.branch(x)

    assert reach_of(sgc.Network.from_module(Branch())).axes is None


class Resized(nn.Module):
    """A branch at half of the resolution, brought to the size of the image in some way."""

    def __init__(self, bring: Callable[..., torch.Tensor]):
        super().__init__()
        self.bring = bring
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.down = nn.MaxPool2d(2)
        self.second = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + 1e-4 * self.bring(self.second(self.down(x)), x.shape[2:])


def padded(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    x = functional.interpolate(x, scale_factor=2)
    return functional.pad(x, [0, size[1] - x.shape[3], 0, size[0] - x.shape[2]])


@pytest.mark.parametrize(("bring", "local"), [(functional.interpolate, False), (padded, True)])
def test_sizes_that_are_not_whole_strides_are_tried(
    bring: Callable[..., torch.Tensor], local: bool
) -> None:
    network = sgc.Network.from_module(Resized(bring))
    assert network.step == (1, 1)
    for shape in ((96, 112), (230, 352)):
        assert reach_of(network, shape).axes is not None
    for shape in ((96, 113), (231, 352), (231, 353)):
        assert (reach_of(network, shape).axes is not None) == local


def test_a_crop_that_gives_something_else_is_not_used() -> None:
    """Padding that a crop of the probe's sizes does not tell from others."""

    class FarPadding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            by = 1.5 if x.shape[2:] == IMAGE.shape else 1.0
            return self.head(self.second(by * self.first(x).exp()))

    explanation = check(FarPadding(), "pixel")
    assert "logits of a crop differ" in explanation.record["computed"]["on"]


def test_a_network_may_change_its_input() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(*convolutions(), nn.Conv2d(4, 2, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x -= 0.5
            return self.inner(x.mul_(2))

    for region in REGIONS:
        assert "crop" in check(Centred(), region).record["computed"]["on"]


class Part(nn.Module):
    """The first two channels, as a view."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2]


def test_a_view_takes_the_memory_of_all_that_it_holds() -> None:
    layers = nn.Conv2d(1, 64, 3, padding=1), Part(), nn.Conv2d(2, 2, 3, padding=1)
    network = sgc.Network.from_module(nn.Sequential(*layers))
    two_channels = 2 * 4 * IMAGE.size
    explainer = sgc.Explainer(network, IMAGE, memory=2 * two_channels)
    explainer.explain(sgc.pixel(9, 9), 1, "1")
    assert explainer.memory_used in (0, two_channels)  # what the last convolution gave
    assert "1" not in explainer.views.view(0).activations._maps


class Residual(nn.Module):
    """What goes past the branch has been rectified with it."""

    def __init__(self, *before: nn.Module):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *before)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.head(self.second(self.relu(x)) + x)


@pytest.mark.parametrize("layers", ["all", "relu", "first.0"])
@pytest.mark.parametrize("before", [nn.Identity, lambda: nn.InstanceNorm2d(4)])
def test_what_is_rectified_in_place_counts_wherever_it_goes(
    before: Callable[[], nn.Module], layers: str
) -> None:
    module = Residual(before())
    if layers == "all":  # a hook cannot listen to a view, of which instance norm makes one
        layers = ["relu", "second", "head"]  # type: ignore[assignment]
    check(module, "pixel", layers)


def test_a_view_is_kept_before_its_memory_changes() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.part = Part()
            self.second = nn.Conv2d(2, 4, 3, padding=1)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            y = self.second(self.part(x).sigmoid())
            return self.head(y + x.mul_(3))

    module = Split()
    for region in REGIONS:
        check(module, region, ["part", "second"])
    maps = module.first(torch.from_numpy(IMAGE).double()[None, None])[0, :2]
    network = sgc.Network.from_module(module)
    explanation = sgc.explain(network, IMAGE, sgc.everywhere(), target=1, layers="part")
    part = explanation[explanation.layers[0]]
    expected = np.einsum("k,kyx->yx", part.weights, maps.detach().numpy())
    np.testing.assert_allclose(part.signed, expected, rtol=1e-6)


def test_parts_of_a_network_may_run_in_inference_mode() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(*convolutions(), nn.Conv2d(4, 2, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                shift = torch.ones(1, dtype=x.dtype)
            return self.inner(x) + shift

    check(Shifted(), "pixel")


class Overwriting(nn.Module):
    """Autograd can't go through its beginning, where a rectified map is overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first(x))
        x += 1
        return self.head(functional.silu(self.second(x)))


def test_only_what_is_asked_about_has_to_have_gradients() -> None:
    module = Overwriting()
    network = sgc.Network.from_module(module.double())
    name = network.layers[-1].name
    found = sgc.explain(network, IMAGE, sgc.pixel(9, 9), target=1, layers=name)[name]
    np.testing.assert_allclose(found.weights, np.array([0, 1 / IMAGE.size]))
    with pytest.raises(sgc.NetworkError, match="modified by an inplace operation"):
        sgc.explain(network, IMAGE, sgc.pixel(9, 9), target=1, layers="first")


def test_a_network_that_fails_on_some_sizes_sees_all_of_the_image() -> None:
    class Choosy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(*convolutions(), nn.Conv2d(4, 2, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[3] > 200:
                raise ValueError("too wide")
            return self.inner(x)

    assert "too wide" in check(Choosy(), "pixel").record["computed"]["on"]


def test_a_layer_that_this_image_does_not_reach_is_told() -> None:
    class Either(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dark = nn.Conv2d(1, 4, 3, padding=1)
            self.bright = nn.Conv2d(1, 4, 5, padding=2)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.bright if x.numpy().max() > 1 else self.dark
            return self.head(first(x))

    network = sgc.Network.from_module(Either())
    assert sgc.explain(network, IMAGE, sgc.pixel(9, 9), layers="dark")
    explainer = sgc.Explainer(network, 2 * IMAGE)
    for _ in range(2):
        with pytest.raises(sgc.LayerError, match="another path"):
            explainer.explain(sgc.pixel(9, 9), layers="dark")
