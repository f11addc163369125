"""Where relevance is known without propagating it, and what others compute."""

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule
from hypothesis import given, settings
from hypothesis import strategies as st
from relevance_asking import ask, first_row
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.explain.capture import Capture
from napari_seggradcam.explain.patches import Patch
from napari_seggradcam.explain.relevance import (
    Composite,
    Epsilon,
    Gamma,
    ZPlus,
    conservation,
)
from napari_seggradcam.networks.running import as_found

NO_EPSILON = Epsilon(0.0)
_CAPTUM = 1e-6  # which adds 1e-9 to every denominator of poolings


def without_biases(module: nn.Module) -> nn.Module:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return module.double().eval()


def gradient_times_maps(network: sgc.Network, x: torch.Tensor) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    capture = Capture(network.module, network.layers, lambda name: None)
    with as_found(network.module), torch.enable_grad():
        image = capture.take("input", x, True)
        with capture:
            logits = network.run(image, capture.calls(network.ndim, network.bypass))
        score = first_row(logits)
        maps = {name: tensor.detach() for name, tensor in capture.maps.items()}

        def multiply(name: str, patch: Patch) -> None:
            found[name] = (patch.values * maps[name])[0]

        capture.backward(score, multiply, None)
    return found


@pytest.mark.parametrize("upsampling", ["transposed", "interpolate"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_without_biases_and_stabiliser_it_is_gradient_times_maps(
    ndim: int, upsampling: str
) -> None:
    module = without_biases(
        sgc.UNet(ndim, depth=2, base_width=3, norm="none", upsampling=upsampling)
    )
    axes = "CYX" if ndim == 2 else "CZYX"
    network = sgc.Network.from_module(module, axes=axes, channels=1)
    x = torch.randn(1, 1, *(8, 12, 16)[-ndim:], dtype=torch.float64)
    relevance = ask(network, x, NO_EPSILON)
    for name, wanted in gradient_times_maps(network, x).items():
        scale = float(wanted.abs().max())
        np.testing.assert_allclose(relevance.maps[name], wanted, rtol=0, atol=1e-12 * scale)
    for name, cut in conservation(relevance).items():
        assert abs(cut.biases) + abs(cut.stabiliser) < 1e-12 * abs(cut.started), name


class Plain(nn.Module):
    """What captum has rules for, each module called once; the logits of one image."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 6, 3, stride=2, padding=1, bias=bias),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 6, 1, bias=bias),
            nn.ReLU(),
        )
        self.flat = nn.Linear(6, 4, bias=bias)
        self.head = nn.Conv2d(4, 3, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.flat(self.body(x).movedim(1, -1)).movedim(-1, 1))


def captum_relevance(module: nn.Module, x: torch.Tensor, rules: dict[nn.Module, object]) -> object:
    for layer in module.modules():
        if layer in rules:
            layer.rule = rules[layer]
    # It leaves hooks behind where a module fails, and weights changed while it runs.
    found = LRP(module).attribute(x.clone().requires_grad_(), target=(0, 1, 2))
    return found[0].detach().numpy()


def one_pixel(logits: torch.Tensor) -> torch.Tensor:
    return logits[0, 0, 1, 2]


def weighted(module: nn.Module) -> list[nn.Module]:
    kinds = (nn.Conv2d, nn.Linear, nn.AvgPool2d)
    return [layer for layer in module.modules() if isinstance(layer, kinds)]


@pytest.mark.parametrize("epsilon", [0.0, 0.03])
def test_epsilon_equals_captum(epsilon: float) -> None:
    module = Plain(bias=True).double().eval()
    x = torch.randn(1, 2, 32, 40, dtype=torch.float64)
    # Captum's stabiliser is a number, ours a share of the mean: it is read off the same network.
    rules, handles = {}, []
    for layer in weighted(module):

        def note(layer: nn.Module, args: object, out: torch.Tensor) -> None:
            rules[layer] = EpsilonRule(max(epsilon * float(out.abs().mean()), 1e-15))

        handles.append(layer.register_forward_hook(note))
    with torch.no_grad():
        module(x)
    for handle in handles:
        handle.remove()
    ours = ask(module, x, Epsilon(epsilon), score=one_pixel).maps["input"]
    theirs = captum_relevance(module, x, rules)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=_CAPTUM * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("body", "rule"),
    [(Gamma(1e-12, 0.25), lambda: GammaRule(0.25)), (ZPlus(1e-12), Alpha1_Beta0_Rule)],
    ids=["gamma", "z-plus"],
)
def test_positive_rules_equal_captum(body: object, rule: object) -> None:
    """Captum treats negative biases and negative inputs as weights say; so there are none."""
    module = Plain(bias=False).double().eval()
    x = torch.rand(1, 2, 32, 40, dtype=torch.float64)
    named = Composite("test", body, Epsilon(1e-12))
    # The linear layer is not behind a rectifier, so that its sums may be negative.
    module.flat.weight.data.abs_()
    rules = {layer: rule() for layer in weighted(module)}
    rules[module.head] = EpsilonRule(1e-15)
    ours = ask(module, x, named, score=one_pixel).maps["input"]
    theirs = captum_relevance(module, x, rules)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=_CAPTUM * np.abs(theirs).max())


@pytest.fixture(scope="module")
def unet() -> sgc.Network:
    return sgc.Network.from_module(sgc.UNet(depth=1, base_width=3).double(), axes="CYX", channels=1)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_z_plus_is_positive_and_conserves(seed: int, unet: sgc.Network) -> None:
    torch.manual_seed(seed)
    for parameter in unet.module.parameters():  # also the scales of norms become negative
        nn.init.normal_(parameter)
    for norm in (m for m in unet.module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_()
    x = torch.randn(1, 1, 8, 12, dtype=torch.float64)

    def positive(logits: torch.Tensor) -> torch.Tensor:
        return logits.clamp(min=0).sum()  # so that relevance begins positive

    relevance = ask(unet, x, "z-plus", score=positive)
    for name, values in relevance.maps.items():
        assert values.min() >= 0, name
    for cut in conservation(relevance).values():
        assert cut.passing >= 0
        assert cut.biases >= 0
        # Sums of negative contributions only may count for something behind a negative weight.
        assert cut.stabiliser >= 0
        assert cut.gap == pytest.approx(0, abs=1e-12 * cut.started)


def test_gamma_lies_between_epsilon_and_z_plus() -> None:
    """Its ends, where inputs and sums are positive."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    module = without_biases(module)
    module[2].weight.data.abs_()
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    maps = {
        str(rule): ask(module, x, rule).maps["input"]
        for rule in (Gamma(0.0, 0.0), Epsilon(0.0), Gamma(0.0, 1e12), ZPlus(0.0))
    }
    none, epsilon, huge, plus = maps.values()
    scale = np.abs(epsilon).max()
    np.testing.assert_allclose(none, epsilon, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(huge, plus, rtol=0, atol=1e-9 * scale)
    assert np.abs(epsilon - plus).max() > 1e-2 * scale
