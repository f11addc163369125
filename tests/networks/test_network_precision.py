"""The same network in other numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from architectures import Plain
from napari_seggradcam.errors import NetworkError, OptionError
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.normalisation import Percentile
from napari_seggradcam.networks.precision import PRECISIONS
from napari_seggradcam.networks.probing import Prober
from napari_seggradcam.networks.running import FunctionCalls
from napari_seggradcam.networks.unet import UNet

IMAGE = np.random.default_rng(6).random((16, 20), np.float32)


def small(**options: object) -> UNet:
    return UNet(**{"depth": 1, "base_width": 4, **options})


def logits_of(module: nn.Module, dtype: torch.dtype) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(IMAGE)[None, None].to(dtype))[0].numpy()


def test_double_precision_equals_a_double_module() -> None:
    module = small().eval()
    network = Network.from_module(module).at_precision("float64")
    expected = logits_of(small_copy(module).double(), torch.float64)
    assert (network.precision, network.dtype) == ("float64", torch.float64)
    np.testing.assert_array_equal(network.predict(IMAGE), expected.astype(np.float32))


def small_copy(module: UNet) -> UNet:
    other = UNet(**module.config).eval()
    other.load_state_dict(module.state_dict())
    return other


def test_bfloat16_is_autocast_and_close_to_single() -> None:
    module = small().eval()
    single = Network.from_module(module)
    network = single.at_precision("bfloat16")
    assert (network.precision, network.dtype) == ("bfloat16", torch.float32)
    assert network.module is module
    assert network.lock is single.lock
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        expected = module(torch.from_numpy(IMAGE)[None, None])
    assert expected.dtype == torch.bfloat16
    found = network.predict(IMAGE)
    np.testing.assert_array_equal(found, expected[0].float().numpy())
    exact = single.predict(IMAGE)
    # Five convolutions; a number is rounded to 2^-8 of itself.
    assert 0 < np.abs(found - exact).max() <= 5 * 2**-8 * np.abs(exact).max()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits_are_not_shorter_than_single(precision: str) -> None:
    network = Network.from_module(small().eval()).at_precision(precision)
    dtypes: list[torch.dtype] = []
    handle = network.module.head.register_forward_hook(lambda m, a, out: dtypes.append(out.dtype))
    tensor = network.prepare(IMAGE).tensor
    with torch.no_grad():
        logits = network.run(tensor, FunctionCalls(2, network.bypass))
    handle.remove()
    assert tensor.dtype == torch.float32
    assert dtypes[-1] == getattr(torch, precision)
    assert logits.dtype == (torch.float64 if precision == "float64" else torch.float32)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_everything_else_is_shared(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.from_module(
        small(), classes=("a", "b"), normalisation=Percentile(), name="cells"
    )
    _ = network.at_precision(precision).layers
    monkeypatch.setattr(Prober, "_try", None)  # whoever probes again fails
    other = network.at_precision(precision)
    assert other.layers is network.layers
    assert other.rules is network.rules
    for name in ("classes", "colours", "rows", "bypass", "normalisation", "name", "path", "sha256"):
        assert getattr(other, name) == getattr(network, name)
    assert repr(other) == repr(network)


def test_there_and_back() -> None:
    network = Network.from_module(small())
    assert network.at_precision("float32") is network
    double = network.at_precision("float64")
    assert double.at_precision("float64") is double
    half = double.at_precision("bfloat16")
    assert double.origin is half.origin is network
    for other in (double, half, half.at_precision("float64"), half.at_precision("float32")):
        single = other.at_precision("float32")
        assert single.precision == "float32"
        assert np.array_equal(single.predict(IMAGE), network.predict(IMAGE))


def test_a_double_module_in_single_precision() -> None:
    module = Plain().double()
    network = Network.from_module(module)
    assert network.precision == "float64"
    assert network.at_precision("float64") is network
    single = network.at_precision("float32")
    assert single.dtype == torch.float32
    assert network.dtype == torch.float64
    np.testing.assert_allclose(single.predict(IMAGE), network.predict(IMAGE), atol=1e-5)


def test_a_module_without_parameters_runs_in_double() -> None:
    class Fixed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.dtype)
            return torch.cat([x, -x], 1)

    seen: list[torch.dtype] = []
    network = Network.from_module(Fixed()).at_precision("float64")
    network.predict(IMAGE)
    assert (network.precision, seen[-1]) == ("float64", torch.float64)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_module_stays_as_it_was(precision: str) -> None:
    module = small().train()
    next(module.parameters()).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    Network.from_module(module).at_precision(precision).predict(IMAGE)
    assert module.training
    assert [p.requires_grad for p in module.parameters()].count(False) == 1
    after = module.state_dict()
    assert all(after[name].dtype == tensor.dtype for name, tensor in before.items())
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


@pytest.mark.parametrize("precision", ["float16", "double", "", None, torch.float64])
def test_words_that_are_no_precision(precision: object) -> None:
    with pytest.raises(OptionError, match=r"expected one of float32, float64, bfloat16"):
        Network.from_module(small()).at_precision(precision)


def test_a_module_that_refuses_to_be_copied() -> None:
    class Alone(Plain):
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("there is one of me")

    network = Network.from_module(Alone())
    with pytest.raises(NetworkError, match=r"can't be copied, which float64 needs.*one of me"):
        network.at_precision("float64")
    assert network.at_precision("bfloat16").predict(IMAGE).shape == (2, 16, 20)
