"""Layer integrated gradients: closed forms, completeness, captum."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import napari_seggradcam as sgc
from input_scores import (
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
from napari_seggradcam.errors import Cancelled, OptionError
from napari_seggradcam.explain.methods.attributing import Attribution
from napari_seggradcam.explain.methods.gradient import NO_PATH
from napari_seggradcam.explain.substitution import LayerIntegratedGradients
from progress import CancelAfter, Progress

SHAPE = (24, 32)
MASK = box(*SHAPE)
INSIDE = torch.from_numpy(MASK)
IMAGE = image_of(*SHAPE)


def attribute(
    network: sgc.Network, name: str, tensor=IMAGE, mask=MASK, row=1, method=None, **options
) -> Attribution:
    (layer,) = network.select_layers(name)
    with score_of(network, tensor, sum_over(mask, row), **options) as score:
        return (method or LayerIntegratedGradients()).attribute(score, layer)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_before_a_linear_head_it_is_what_the_maps_add(inplace, baseline) -> None:
    module = Plain(inplace)
    other = torch.full_like(IMAGE, float(IMAGE.mean())) if baseline == "mean" else 0 * IMAGE
    with torch.no_grad():
        change = (module.conv(IMAGE).relu() - module.conv(other).relu())[0]
        expected = module.head.weight[1] * change * INSIDE
    method = LayerIntegratedGradients(baseline)
    found = attribute(network_of(module), "relu", method=method)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.facts["completeness_gap"] < 1e-5
    assert found.empty is None


def test_maps_that_stand_where_the_input_of_their_module_was() -> None:
    class Ignoring(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            self.relu(maps)  # in place, and what it returns is not looked at
            return self.head(maps)

    ignoring, plain = Ignoring(inplace=True), Plain()
    ignoring.load_state_dict(plain.state_dict())
    found, expected = (attribute(network_of(m), "relu").values for m in (ignoring, plain))
    assert expected.any()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def with_maps_of(
    module: nn.Module, path: str, tensor: torch.Tensor, other: torch.Tensor
) -> torch.Tensor:
    """Logits of an image with the maps that a module, called once, has on another."""
    kept: list[torch.Tensor] = []
    child = module.get_submodule(path)
    with torch.no_grad():
        handle = child.register_forward_hook(lambda m, args, out: kept.append(out.clone()))
        module(other)
        handle.remove()
        handle = child.register_forward_hook(lambda m, args, out: out.copy_(kept[0]))
        logits = module(tensor)
        handle.remove()
    return logits


@pytest.mark.parametrize("sample", ["nuclei", "streets"])
def test_it_is_complete_on_the_shipped_networks(sample) -> None:
    network, tensor, mask = sample_crop(sample)
    module = network.module.eval()
    with torch.no_grad():
        row = int(module(tensor)[0].argmax(0)[torch.from_numpy(mask)].mode().values)
    (layer,) = network.select_layers("bottleneck")
    found = attribute(network, layer.name, tensor, mask, row)
    function = sum_over(mask, row)
    with torch.no_grad():
        whole = float(function(module(tensor)))
    without = float(function(with_maps_of(module, layer.module, tensor, 0 * tensor)))
    assert abs(found.values.sum(dtype=float) - (whole - without)) <= 0.01 * abs(whole - without)
    assert found.facts["complete"]


@pytest.mark.parametrize("name", ["skip 0", "skip 1", "bottleneck"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_skips_and_three_dimensions_are_complete(name, ndim) -> None:
    network = network_of(unet(ndim=ndim), ndim=ndim)
    shape = SHAPE if ndim == 2 else (8, 12, 8)
    found = attribute(network, name, image_of(*shape), box(*shape))
    assert found.facts["complete"]
    assert found.values.any()
    assert found.values.ndim == 1 + ndim


def test_equals_captum_where_every_module_is_called_once() -> None:
    attr = pytest.importorskip("captum.attr")
    module = unet()
    network = network_of(module)
    plain = copy.deepcopy(module).eval()
    for child in plain.modules():
        if hasattr(child, "inplace"):  # captum keeps what an in-place module leaves behind
            child.inplace = False

    def score(x: torch.Tensor) -> torch.Tensor:
        return plain(x)[:, 1][:, INSIDE].double().sum(1)

    calls = [layer.module for layer in network.layers]
    compared = 0
    for layer in network.layers[::4]:
        if layer.module is None or calls.count(layer.module) > 1:
            continue
        method = attr.LayerIntegratedGradients(score, plain.get_submodule(layer.module))
        theirs = method.attribute(IMAGE, 0 * IMAGE, n_steps=32)[0].detach().numpy()
        loose = LayerIntegratedGradients(tolerance=1e9)
        ours = attribute(network, layer.name, method=loose).values
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * max(np.abs(theirs).max(), 1e-6))
        compared += 1
    assert compared >= 4


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.again = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        return self.head(self.relu(self.again(x)))


def test_the_last_call_of_a_shared_module() -> None:
    module = Shared()
    network = network_of(module)
    (layer,) = [x for x in network.layers if x.module == "relu" and x.call == 1]
    with torch.no_grad():

        def maps(x: torch.Tensor) -> torch.Tensor:
            return module.again(module.first(x).relu()).relu()

        expected = module.head.weight[1] * (maps(IMAGE) - maps(0 * IMAGE))[0] * INSIDE
    np.testing.assert_allclose(attribute(network, layer.name).values, expected, atol=1e-6)


def test_a_layer_that_the_score_does_not_depend_on() -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = (nn.Conv2d(1, 4, 3, padding=1) for _ in range(2))
            self.head_one, self.head_two = (nn.Conv2d(4, 1, 1) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.head_one(self.one(x)), self.head_two(self.two(x))], 1)

    network = network_of(TwoHeads())
    found = attribute(network, "one")
    assert found.empty == NO_PATH
    assert not found.values.any()
    assert attribute(network, "two").empty is None


def test_networks_that_take_one_image_get_one() -> None:
    inner = unet()
    expected = attribute(network_of(inner), "bottleneck").values
    found = attribute(network_of(OneByOne(inner)), "bottleneck").values
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_double_precision_is_complete_to_its_digits() -> None:
    network = network_of(Plain()).at_precision("float64")
    found = attribute(network, "conv", method=LayerIntegratedGradients(tolerance=1e-3))
    assert found.values.dtype == np.float64
    assert found.facts["completeness_gap"] <= 1e-3
    last = attribute(network, "relu")
    assert last.facts["completeness_gap"] < 1e-12


def test_progress_and_facts() -> None:
    progress = Progress()
    found = attribute(network_of(unet()), "bottleneck", progress=progress)
    progress.check()
    assert found.facts == json.loads(json.dumps(found.facts))
    assert found.facts["baseline"] == "zero"


@pytest.mark.parametrize("at", [0, 25, 120])
def test_a_cancelled_computation_leaves_the_network_as_found(at) -> None:
    module = unet().train()
    network = network_of(module)
    before = state_of(module)
    with pytest.raises(Cancelled):
        attribute(network, "bottleneck", cancel=CancelAfter(at))
    assert state_of(module) == before


def test_options_that_do_not_exist() -> None:
    with pytest.raises(OptionError, match="no baseline 'noise'"):
        LayerIntegratedGradients(baseline="noise")
    with pytest.raises(OptionError, match="tolerance is -1"):
        LayerIntegratedGradients(tolerance=-1)
