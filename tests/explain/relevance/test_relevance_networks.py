"""Whole networks: what is conserved over every cut, and that every format gives the same."""

import numpy as np
import pytest
import torch
from relevance_asking import ask
from torch import nn

import napari_seggradcam as sgc
from architectures import GridGate, Pyramid, ResidualEncoder
from napari_seggradcam.explain.relevance import Epsilon, conservation
from network_files import network_on_disk
from opened_networks import as_module

FILES = [
    *(f"TorchScript {how}" for how in ("traced", "scripted", "frozen")),
    "torch.export",
    "ONNX",
]
RULES = ["epsilon", "gamma", "z-plus", "composite"]


@pytest.fixture(scope="module", params=["nuclei", "streets"])
def shipped(request):
    """Network, padded input and score of a drawn region, on a part of the sample."""
    sample = sgc.open_sample(request.param)
    network = sgc.open_network(sample.network_path, device="cpu")
    sides = []
    for at, size in zip(np.nonzero(sample.region), sample.region.shape, strict=True):
        start = int(np.clip(at.mean() - 48, 0, size - 96))
        sides.append(slice(start, start + 96))
    window = tuple(sides)
    tensor = network.prepare(sample.image[window], sample.axes).tensor
    region = torch.from_numpy(sample.region[window].astype(float))
    logits = network.predict(sample.image[window], sample.axes)
    target = int(np.bincount(logits.argmax(0)[sample.region[window]]).argmax())
    row = 0 if network.module.config["out_channels"] == 1 else target

    def score(logits: torch.Tensor) -> torch.Tensor:
        return (logits[0, row].double() * region).sum()

    return network, tensor, score


@pytest.mark.parametrize("rule", RULES)
def test_shipped_networks_conserve_over_every_cut(shipped, rule: str) -> None:
    network, tensor, score = shipped
    relevance = ask(network, tensor, rule, score=score)
    assert len(relevance.maps) == 68
    assert relevance.started == pytest.approx(relevance.score, rel=1e-6)
    cuts = conservation(relevance)
    shares = []
    for name, cut in cuts.items():
        kept = cut.biases + cut.stabiliser
        assert abs(cut.shares["gap"]) <= 1e-5, name
        if not name.startswith("skip"):  # what passes a skip is the deeper part of the network
            # From the maps alone, with the skips that are network layers for this.
            here = sum(relevance.maps[n].sum(dtype=float) for n in (name, *cut.skips))
            assert here + kept == pytest.approx(relevance.score, rel=1e-4), name
        assert sum(cut.shares.values()) == pytest.approx(1)
        shares.append(cut.shares["biases"])
    # Biases keep what they keep: the way to the input passes all of them, that to the head none.
    assert cuts["head conv"].biases == cuts["head conv"].stabiliser == 0
    assert abs(shares[0]) > 0.05
    assert len(cuts["input"].skips) == 0
    bottleneck = [cut for name, cut in cuts.items() if name.startswith("bottleneck")][-1]
    assert len(bottleneck.skips) == sum(layer.module is None for layer in network.layers) > 2
    assert all(np.abs(values).max() > 0 for values in relevance.maps.values())


def test_a_residual_path_is_part_of_the_cut() -> None:
    """It is no network layer, and still nothing is missing."""
    torch.manual_seed(1)
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    for module in (ResidualEncoder(), Pyramid(), GridGate()):
        relevance = ask(module.double(), x)
        for name, cut in conservation(relevance).items():
            assert abs(cut.shares["gap"]) <= 1e-12, name


def test_gates_get_no_relevance() -> None:
    network = sgc.Network.from_module(GridGate().double())
    relevance = ask(network, torch.randn(1, 1, 32, 32, dtype=torch.float64))
    gates = [layer.name for layer in network.layers if layer.gate]
    assert len(gates) >= 3
    for layer in network.layers:
        assert relevance.maps[layer.name].any() != layer.gate, layer.name
        assert relevance.maps[layer.name].shape[0] == layer.channels


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_what_its_module_gives(name: str, tmp_path_factory) -> None:
    on_disk = network_on_disk(name, tmp_path_factory.getbasetemp())
    opened = on_disk.opened()
    module = as_module(opened, on_disk.module)
    x = torch.randn(1, opened.channels, 32, 48)
    for rule in (Epsilon(), "z-plus"):
        found, wanted = (ask(network, x, rule) for network in (opened, module))
        for layer in opened.layers:
            if layer.name not in wanted.maps:
                continue
            expected = wanted.maps[layer.name]
            np.testing.assert_allclose(
                found.maps[layer.name], expected, rtol=0, atol=1e-4 * np.abs(expected).max()
            )
        cut = conservation(found)["input"]
        assert cut.biases == pytest.approx(conservation(wanted)["input"].biases, rel=1e-4)


@pytest.mark.parametrize("name", ["nnU-Net", "smp", "MONAI bundle", "Cellpose", "Hugging Face"])
def test_other_peoples_networks_conserve(name: str, tmp_path_factory) -> None:
    """Among them instance norms, residual paths, dense layers, attention, and a style vector."""
    network = network_on_disk(name, tmp_path_factory.getbasetemp()).opened()
    x = torch.randn(1, network.channels, *(network.patch or (64,) * network.ndim))
    for rule in RULES:
        relevance = ask(network, x, rule)
        for cut in conservation(relevance).values():
            assert abs(cut.shares["gap"]) <= 1e-5
        assert np.abs(relevance.maps["input"]).sum() > 0


def test_three_dimensions() -> None:
    module = sgc.UNet(3, depth=2, base_width=3).double().eval()
    x = torch.randn(1, 1, 8, 12, 16, dtype=torch.float64)
    for rule in RULES:
        relevance = ask(module, x, rule)
        assert relevance.maps["input"].shape == (1, 8, 12, 16)
        assert all(abs(c.shares["gap"]) < 1e-12 for c in conservation(relevance).values())


class Ungraded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 2, 1)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


def test_a_network_that_hides_its_graph_is_refused() -> None:
    with pytest.raises(sgc.SegGradCamError, match=r"gradients off|did not run"):
        ask(Ungraded(), torch.zeros(1, 1, 32, 32))
