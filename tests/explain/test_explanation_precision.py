"""Questions in other numbers than single precision."""

import copy

import numpy as np
import pytest
import torch
from monai.networks import nets

import napari_seggradcam as sgc
from napari_seggradcam.explain import reach
from napari_seggradcam.explain.methods.gradient import NORMALISED_AWAY
from napari_seggradcam.explain.reach import mark_not_local, reach_of

SHAPE = (192, 256)
IMAGE = np.random.default_rng(2).random(SHAPE, np.float32)


def box() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[70:90, 100:130] = True
    return mask


def unet(**options: object) -> sgc.Network:
    return sgc.Network.from_module(sgc.UNet(**{"depth": 2, "base_width": 4, **options}))


@pytest.mark.parametrize("questions", [1, 2])
@pytest.mark.parametrize("upsampling", ["transposed", "interpolate"])
def test_double_precision_equals_the_oracle(questions: int, upsampling: str, oracle) -> None:
    network = unet(upsampling=upsampling)
    truths = oracle(network, IMAGE, box().astype(float), 1)
    double = network.at_precision("float64")
    explainer = sgc.Explainer(double, IMAGE)
    for _ in range(questions):  # the second one takes convolutions from the first
        explanation = explainer.explain(box(), 1, "all")
    assert "crop" in explanation.record["computed"]["on"]
    assert explanation.record["computed"]["precision"] == "float64"
    for name, heatmap in explanation.items():
        assert heatmap.signed.dtype == heatmap.weights.dtype == np.float64
        assert max(truths[name].errors(heatmap)) <= 1e-10, name


def test_double_precision_on_the_whole_image_equals_the_oracle(oracle) -> None:
    module = nets.BasicUNet(
        spatial_dims=2, in_channels=1, out_channels=2, features=(4, 4, 8, 8, 16, 4)
    )
    network = sgc.Network.from_module(module)
    truths = oracle(network, IMAGE, box().astype(float), 1)
    explanation = sgc.explain(network.at_precision("float64"), IMAGE, box(), target=1, layers="all")
    for name, heatmap in explanation.items():
        assert max(truths[name].errors(heatmap)) <= 1e-10, name


@pytest.mark.parametrize("upsampling", ["transposed", "interpolate"])
def test_bfloat16_is_close_and_runs_on_crops(upsampling: str, oracle) -> None:
    """Errors stay within 10 % of what was summed, and crops are not given up.

    That much, because of two nearly equal numbers pooling may take the other one.
    """
    network = unet(upsampling=upsampling)
    truths = oracle(network, IMAGE, box().astype(float), 1)
    short = network.at_precision("bfloat16")
    explainer = sgc.Explainer(short, IMAGE)
    for _ in range(2):  # the second one takes convolutions from the first
        explanation = explainer.explain(box(), 1, "all")
        assert "crop" in explanation.record["computed"]["on"]
        assert explanation.record["computed"]["precision"] == "bfloat16"
        for name, heatmap in explanation.items():
            assert heatmap.signed.dtype == heatmap.weights.dtype == np.float32
            assert max(truths[name].errors(heatmap)) <= 0.1, name
    assert reach_of(short).axes is reach_of(network).axes is not None


def test_single_precision_of_a_double_network(oracle) -> None:
    network = unet().at_precision("float64").at_precision("float32")
    truths = oracle(network, IMAGE, box().astype(float), 1)
    explanation = sgc.explain(network, IMAGE, box(), target=1, layers="all")
    assert explanation.record["computed"]["precision"] == "float32"
    for name, heatmap in explanation.items():
        assert heatmap.signed.dtype == np.float32
        assert max(truths[name].errors(heatmap)) <= 1e-5


def test_the_reach_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, measure, measured = unet(), reach._measure, []

    def counting(network: sgc.Network) -> reach.Reach:
        measured.append(network)
        return measure(network)

    monkeypatch.setattr(reach, "_measure", counting)
    for precision in ("bfloat16", "float64", "float32"):
        reach_of(network.at_precision(precision))
    assert measured == [network]
    short = network.at_precision("bfloat16")
    mark_not_local(short, "rounding")
    assert reach_of(short).axes is None
    assert reach_of(network).axes is not None


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_weights_that_a_normalisation_removes(precision: str) -> None:
    """What rounding leaves of an exact zero is not drawn, however much it is."""
    module = nets.BasicUNet(
        spatial_dims=2, in_channels=1, out_channels=2, features=(8, 8, 16, 16, 32, 8)
    )
    network = sgc.Network.from_module(module)
    single = sgc.explain(network, IMAGE, box(), target=1, layers="all")
    other = sgc.explain(network.at_precision(precision), IMAGE, box(), target=1, layers="all")
    removed = [name for name, heatmap in single.items() if heatmap.empty == NORMALISED_AWAY]
    assert len(removed) > 8
    for name in removed:
        assert other[name].empty == NORMALISED_AWAY
        assert not other[name].weights.any()


def test_the_users_module_is_left_alone() -> None:
    network = unet()
    before = copy.deepcopy(network.module.state_dict())
    for precision in ("float64", "bfloat16"):
        sgc.explain(network.at_precision(precision), IMAGE, box(), target=1, layers="all")
    after = network.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert network.module.training
    assert network.dtype == torch.float32
