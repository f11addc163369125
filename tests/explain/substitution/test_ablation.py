"""Ablation-CAM: closed forms, captum, and networks in which a layer is not one module."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from input_scores import (
    Mixing,
    OneByOne,
    Plain,
    box,
    image_of,
    network_of,
    sample_crop,
    score_of,
    state_of,
    sum_over,
    unet,
)
from napari_seggradcam.errors import Cancelled, LayerError
from napari_seggradcam.explain.substitution import LayerAblation, ablation_weights
from napari_seggradcam.explain.substitution.ablation import NO_EFFECT, SCORE_IS_ZERO
from progress import CancelAfter, Progress

SHAPE = (24, 32)
MASK = box(*SHAPE)
INSIDE = torch.from_numpy(MASK)
IMAGE = image_of(*SHAPE)


def layer_of(network: sgc.Network, name: str) -> sgc.NetworkLayer:
    (layer,) = network.select_layers(name)
    return layer


def ablate(network: sgc.Network, name: str, row: int = 1, **options: object) -> LayerAblation:
    with score_of(network, IMAGE, sum_over(MASK, row), **options) as score:
        return ablation_weights(score, layer_of(network, name))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_before_a_linear_head_the_losses_are_what_the_maps_add(inplace, sign) -> None:
    """S - S_k = w_k Σ_M A_k, and a positive weight is a loss also where S is below zero."""
    module = Plain(inplace)
    nn.init.constant_(module.head.bias, sign * 3.0)
    with torch.no_grad():
        maps = module.relu(module.conv(IMAGE))
        logits = module.head(maps)
    expected = module.head.weight[1, :, 0, 0].detach() * maps[0, :, INSIDE].sum(1)
    whole = float(logits[0, 1, INSIDE].sum())
    assert np.sign(whole) == sign
    found = ablate(network_of(module), "relu")
    assert found.score == pytest.approx(whole, rel=1e-5)
    np.testing.assert_allclose(found.losses, expected, atol=1e-5 * abs(whole))
    np.testing.assert_allclose(found.weights, expected / abs(whole), atol=1e-5)
    assert found.empty is None


def test_equals_captum_where_every_module_is_called_once() -> None:
    attr = pytest.importorskip("captum.attr")
    module = unet()
    network = network_of(module)
    plain = copy.deepcopy(module).eval()
    calls = [layer.module for layer in network.layers]
    compared = 0
    for layer in network.layers[::3]:
        if layer.module is None or calls.count(layer.module) > 1:
            continue
        for child in plain.modules():
            if hasattr(child, "inplace"):  # captum keeps what an in-place module leaves behind
                child.inplace = False

        def score(x: torch.Tensor) -> torch.Tensor:
            return plain(x)[:, 1][:, INSIDE].double().sum(1)

        channels = torch.arange(layer.channels).view(1, -1, 1, 1)
        theirs = attr.LayerFeatureAblation(score, plain.get_submodule(layer.module)).attribute(
            IMAGE, layer_mask=channels
        )
        ours = ablate(network, layer.name)
        scale = max(np.abs(ours.losses).max(), 1e-3)
        np.testing.assert_allclose(ours.losses, theirs[0, :, 0, 0], atol=1e-4 * scale)
        compared += 1
    assert compared >= 3


def test_a_skip_is_switched_off_at_its_join_alone() -> None:
    module = unet().eval()
    network = network_of(module)
    skips = [layer for layer in network.layers if layer.module is None]
    assert len(skips) == 2
    cat, joins = torch.cat, []

    for layer in skips:
        found = ablate(network, layer.name)
        for channel in range(layer.channels):
            joins.clear()

            def cutting(tensors, dim=0, layer=layer, channel=channel):
                tensors = list(tensors)
                if len(joins) == layer.call:
                    tensors[layer.argument] = tensors[layer.argument].clone()
                    tensors[layer.argument][:, channel] = 0
                joins.append(None)
                return cat(tensors, dim)

            with pytest.MonkeyPatch.context() as patch, torch.no_grad():
                patch.setattr(torch, "cat", cutting)
                without = float(sum_over(MASK)(module(IMAGE)))
            assert found.losses[channel] == pytest.approx(found.score - without, abs=1e-4)
        assert found.losses.any()


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.again = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cut(x, -1, -1)

    def cut(self, x: torch.Tensor, number: int, channel: int) -> torch.Tensor:
        """With a channel zero after this call of the rectifier."""
        for call, conv in enumerate((self.first, self.again, self.again)):
            x = self.relu(conv(x))
            if call == number:
                x = x.clone()
                x[:, channel] = 0
        return self.head(x)


@pytest.mark.parametrize("call", [0, 1, 2])
def test_one_call_of_a_module_that_is_called_three_times(call) -> None:
    module = Shared()
    network = network_of(module)
    (layer,) = [x for x in network.layers if x.module == "relu" and x.call == call]
    found = ablate(network, layer.name)
    with torch.no_grad():
        without = [float(sum_over(MASK)(module.cut(IMAGE, call, k))) for k in range(3)]
    np.testing.assert_allclose(found.losses, found.score - np.array(without), atol=1e-4)


def test_maps_that_are_changed_in_place_afterwards() -> None:
    class Adding(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.relu(self.conv(x))
            more = maps * 2
            maps += 1
            return self.head(maps + more)

    module = Adding()
    network = network_of(module)
    found = ablate(network, "conv")
    with torch.no_grad():
        maps = module.conv(IMAGE).relu()
        expected = module.head.weight[1, :, 0, 0] * 3 * maps[0, :, INSIDE].sum(1)
    np.testing.assert_allclose(found.losses, expected, atol=1e-4)


def test_maps_that_stand_where_the_input_of_their_module_was() -> None:
    class Ignoring(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            self.relu(maps)  # in place, and what it returns is not looked at
            return self.head(maps)

    ignoring, plain = Ignoring(inplace=True), Plain()
    ignoring.load_state_dict(plain.state_dict())
    found, expected = (ablate(network_of(m), "relu").losses for m in (ignoring, plain))
    assert expected.any()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_score_of_zero_has_no_shares() -> None:
    network = network_of(Plain())
    with score_of(network, IMAGE, lambda y: 0 * sum_over(MASK)(y)) as score:
        nothing = ablation_weights(score, layer_of(network, "relu"))
    assert nothing.empty == NO_EFFECT
    both = sum_over(MASK)

    def balanced(logits: torch.Tensor) -> torch.Tensor:
        return both(logits) - whole

    with torch.no_grad():
        whole = both(network.module.eval()(IMAGE))
    with score_of(network, IMAGE, balanced) as score:
        zero = ablation_weights(score, layer_of(network, "relu"))
    assert zero.empty == SCORE_IS_ZERO
    assert not zero.weights.any()
    assert zero.losses.any()


class TwoHeads(nn.Module):
    """The second class looks at the second branch alone."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(1, 4, 3, padding=1) for _ in range(2))
        self.head_one, self.head_two = (nn.Conv2d(4, 1, 1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.head_one(self.one(x)), self.head_two(self.two(x))], 1)


def test_a_layer_that_the_score_does_not_depend_on() -> None:
    found = ablate(network_of(TwoHeads()), "one")
    assert found.empty == NO_EFFECT
    assert not found.weights.any()
    assert ablate(network_of(TwoHeads()), "two").empty is None


@pytest.mark.parametrize("wrap", [OneByOne, Mixing])
def test_networks_that_take_one_image_get_one(wrap) -> None:
    inner = unet()
    network, wrapped = network_of(inner), network_of(wrap(inner))
    np.testing.assert_allclose(
        ablate(wrapped, "bottleneck").losses, ablate(network, "bottleneck").losses, atol=1e-4
    )


def test_a_shipped_network_on_its_sample() -> None:
    """What its first skip brings is far more than rounding."""
    network, tensor, mask = sample_crop("nuclei", 32)
    with score_of(network, tensor, sum_over(mask)) as score:
        found = ablation_weights(score, layer_of(network, "skip 0"))
    assert found.empty is None
    assert np.abs(found.weights).max() > 1e-3


def test_three_dimensions() -> None:
    module = unet(ndim=3).eval()
    network = network_of(module, ndim=3)
    shape = (8, 12, 16)
    with score_of(network, image_of(*shape), sum_over(box(*shape))) as score:
        found = ablation_weights(score, layer_of(network, "bottleneck"))
    assert found.weights.shape == (16,)
    assert found.losses.any()


def test_progress() -> None:
    progress = Progress()
    ablate(network_of(unet()), "bottleneck", progress=progress)
    progress.check()
    assert progress.told[-1][:2] == (17, 17)


@pytest.mark.parametrize("at", [0, 9, 60])
def test_a_cancelled_ablation_leaves_the_network_as_found(at) -> None:
    module = unet().train()
    network = network_of(module)
    before = state_of(module)
    with pytest.raises(Cancelled):
        ablate(network, "bottleneck", cancel=CancelAfter(at))
    assert state_of(module) == before


def test_a_layer_that_does_not_run_on_this_image() -> None:
    class Choosy(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            return self.head(self.relu(maps) if x.mean() < 0.9 else maps)

    network = network_of(Choosy())
    with (
        score_of(network, IMAGE + 1, sum_over(MASK)) as score,
        pytest.raises(LayerError, match="did not run through"),
    ):
        ablation_weights(score, layer_of(network, "relu"))
