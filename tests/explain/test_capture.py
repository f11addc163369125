"""Feature maps are the right ones, whatever the network does with them afterwards."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc

IMAGE = np.random.default_rng(0).random((24, 32), np.float32)


class InPlace(nn.Module):
    """Everything that overwrites what a hook has kept."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.relu(self.norm(self.first(x)))
        more = self.second(features)
        more += features
        more = functional.relu_(more)
        return self.head(more)


class OutOfPlace(InPlace):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.relu(self.norm(self.first(x)))
        return self.head(functional.relu(self.second(features) + features))


def ask(module: nn.Module, **options: object) -> sgc.Explanation:
    network = sgc.Network.from_module(module)
    return sgc.explain(network, IMAGE, sgc.pixel(9, 9), target=1, layers="all", **options)


def test_in_place_operations_change_nothing() -> None:
    in_place, out_of_place = InPlace(), OutOfPlace()
    out_of_place.load_state_dict(in_place.state_dict())
    first, second = ask(in_place), ask(out_of_place)
    assert first.layers == second.layers
    for name in first:
        np.testing.assert_allclose(first[name].signed, second[name].signed, rtol=1e-5, atol=1e-9)


def test_one_layer_alone_equals_all_together() -> None:
    torch.manual_seed(1)
    network = sgc.Network.from_module(sgc.UNet(depth=2, base_width=4))
    together = sgc.explain(network, IMAGE, sgc.pixel(9, 9), target=1, layers="all")
    for name in together.layers[::3]:
        alone = sgc.explain(network, IMAGE, sgc.pixel(9, 9), target=1, layers=name)
        assert alone.layers == (name,)
        np.testing.assert_allclose(alone[name].weights, together[name].weights, atol=1e-9)


@pytest.mark.parametrize("join", ["up = up + skip", "up += skip", "up.add_(skip)"])
def test_added_skips_leave_the_logits_alone(join: str) -> None:
    class Adding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Conv2d(1, 3, 3, padding=1)
            self.down = nn.Conv2d(3, 3, 2, stride=2)
            self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)
            self.head = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skip = self.encoder(x)
            names = {"skip": skip, "up": self.up(self.down(skip))}
            exec(join, names)
            return self.head(names["up"])

    module = Adding()
    with torch.no_grad():
        logits = module(torch.from_numpy(IMAGE)[None, None])
    explanation = ask(module)
    assert explanation.score == pytest.approx(float(logits[0, 1, 9, 9]), rel=1e-5)
    assert explanation["skip 0"].weights.any()


def test_every_call_of_a_shared_module_is_a_layer() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 3, 3, padding=1)
            self.again = nn.Conv2d(3, 3, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)
            self.head = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.first(x))
            x = self.relu(self.again(x))
            return self.head(self.relu(self.again(x)))

    module = Shared()
    calls = [(x.module, x.call) for x in sgc.Network.from_module(module).layers if x.kind == "relu"]
    assert calls == [("relu", 0), ("relu", 1), ("relu", 2)]
    explanation = ask(module)
    last = explanation["bottleneck relu 3"]
    x = torch.from_numpy(IMAGE)[None, None]
    with torch.no_grad():
        maps = module.relu(module.again(module.relu(module.again(module.relu(module.first(x))))))
    weights = module.head.weight[1, :, 0, 0].detach() / IMAGE.size
    np.testing.assert_allclose(last.weights, weights, rtol=1e-5)
    expected = torch.einsum("k,kyx->yx", weights, maps[0])
    np.testing.assert_allclose(last.signed, expected, rtol=1e-5, atol=1e-9)


def test_frozen_and_trainable_parameters_give_the_same() -> None:
    module = sgc.UNet(depth=2, base_width=4)
    trainable = ask(module)
    frozen = ask(module.requires_grad_(False))
    for name in trainable:
        np.testing.assert_array_equal(trainable[name].signed, frozen[name].signed)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: {"out": y, "aux": y[..., :2, :2]},
        lambda y: (y[..., ::2, ::2], y),
        lambda y: [{"logits": y}],
        lambda y: {"features": y[:, :1, ::4, ::4], "segmentation": y},
    ],
)
def test_output_may_be_nested(wrap) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = sgc.UNet(depth=1, base_width=4)

        def forward(self, x: torch.Tensor) -> object:
            return wrap(self.inner(x))

    module = Wrapped()
    plain, nested = ask(module.inner), ask(module)
    assert plain.score == nested.score
    for name in plain:
        np.testing.assert_array_equal(plain[name].signed, nested[name].signed)


def test_trailing_activation_is_left_out() -> None:
    inner = sgc.UNet(depth=1, base_width=4)
    plain = ask(inner)
    for activation in (nn.Softmax(dim=1), nn.LogSoftmax(dim=1), nn.Sigmoid()):
        explanation = ask(nn.Sequential(inner, activation))
        assert explanation.score == plain.score
        assert explanation.record["network"]["left_out_activation"] is not None
        np.testing.assert_array_equal(
            explanation["bottleneck relu 2"].signed, plain["bottleneck relu 2"].signed
        )


def test_half_precision_network_answers_in_float32() -> None:
    explanation = ask(sgc.UNet(depth=1, base_width=4).to(torch.bfloat16))
    assert all(explanation[name].signed.dtype == np.float32 for name in explanation)
