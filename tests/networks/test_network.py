"""The network's description of itself: classes, colours, words."""

import numpy as np
import pytest
import torch
from torch import nn

from architectures import Ending, Plain, WithAuxiliary
from napari_seggradcam.errors import NetworkError, OptionError, ShapeError, TargetError
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.outputs import select_output
from napari_seggradcam.networks.unet import UNet

IMAGE = np.random.default_rng(6).random((16, 20), np.float32)


def test_what_a_network_says() -> None:
    network = Network.from_module(UNet(depth=1, base_width=2), name="cells")
    assert (network.ndim, network.channels, network.rows, network.name) == (2, 1, 2, "cells")
    assert network.architecture.startswith("U-Net 2D")
    assert network.parameters == sum(p.numel() for p in network.module.parameters())
    assert (network.device.type, network.dtype) == ("cpu", torch.float32)
    assert network.step == (2, 2)
    assert "cells" in repr(network)
    plain = Network.from_module(Plain())
    assert (plain.name, plain.architecture) == ("Plain", "Plain 2D")
    assert (plain.path, plain.sha256, plain.provenance) == (None, None, {})


def test_classes_and_colours() -> None:
    network = Network.from_module(Plain(4))
    assert network.classes == ("class 0", "class 1", "class 2", "class 3")
    assert len(set(network.colours)) == 4
    named = Network.from_module(Plain(2), classes=["a", "b"], colours=["#000000", "#ffFFff"])
    assert named.classes == ("a", "b")
    assert named.colours == ("#000000", "#ffFFff")


def test_class_index() -> None:
    network = Network.from_module(Plain(3), classes=("void", "1", "cell"))
    for target, index in (("cell", 2), (2, 2), (np.int64(0), 0), ("1", 1), (1, 1)):
        assert network.class_index(target) == index
    for target in (3, -1, "Cell", "", True, 1.0, None):
        with pytest.raises(TargetError, match=r"no class .*0 \(void\), 1 \(1\), 2 \(cell\)"):
            network.class_index(target)


def test_one_row_of_logits_makes_two_classes() -> None:
    module = Ending(nn.Sigmoid(), classes=1).eval()
    network = Network.from_module(module, classes=("background", "nucleus"))
    with torch.no_grad():
        z = module.net(torch.from_numpy(IMAGE)[None, None])[0].numpy()
    logits = network.predict(IMAGE)
    assert network.rows == 1
    assert network.class_index("nucleus") == 1
    assert np.array_equal(logits, np.concatenate([-z, z]))
    assert Network.from_module(module).classes == ("class 0", "class 1")


def test_wrong_numbers_of_classes_and_colours() -> None:
    with pytest.raises(ShapeError, match=r"3 class names .*\(a, b, c\).* 2 rows .*expected 2"):
        _ = Network.from_module(Plain(2), classes=("a", "b", "c")).classes
    with pytest.raises(ShapeError, match=r"1 class names .* 1 rows"):
        _ = Network.from_module(Plain(1), classes=("a",)).classes
    with pytest.raises(ShapeError, match=r"1 colours .* 2 classes"):
        _ = Network.from_module(Plain(2), colours=("#123456",)).colours
    for colour in ("red", "#12345", "#12345g", "123456"):
        with pytest.raises(OptionError, match=f"'{colour}'; expected a form like"):
            Network.from_module(Plain(2), colours=(colour, "#000000"))


@pytest.mark.parametrize(("option", "value"), [("axes", "YX"), ("axes", "CTYX"), ("channels", 0)])
def test_bad_descriptions(option: str, value: object) -> None:
    with pytest.raises(OptionError):
        Network.from_module(Plain(), **{option: value})


@pytest.mark.parametrize("form", ["dict", "tuple", "nested"])
def test_logits_among_other_outputs(form: str) -> None:
    module = WithAuxiliary(form).eval()
    with torch.no_grad():
        image = torch.from_numpy(IMAGE)[None, None]
        expected = module.head(module.up(module.deep(module.body(image))))[0].numpy()
    assert np.array_equal(Network.from_module(module).predict(IMAGE), expected)


def test_choice_of_output() -> None:
    small, large, whole = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 8, 8), torch.zeros(1, 9, 9)
    assert select_output((small, large), 2) is large
    assert select_output([{"a": (small,), "b": large}, torch.ones(1, 2, 8, 8)], 2) is large
    assert select_output({"logits": small, "other": large}, 2) is small
    assert select_output({"x": whole, "y": whole.long().repeat(1, 2, 2)}, 2).shape == (1, 1, 9, 9)
    for output in (None, "text", [], {"a": 1}, torch.zeros(3), (torch.zeros(2, 3, 4, 5, 6),)):
        with pytest.raises(NetworkError, match="expected logits"):
            select_output(output, 2)


def test_double_and_half_precision_modules() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        logits = Network.from_module(Plain().to(dtype)).predict(IMAGE)
        assert logits.dtype == np.float32
        assert logits.shape == (2, 16, 20)


def test_a_network_that_fails_on_one_image() -> None:
    class Choosy(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.max() > 5:
                return {}[float(x.max())]
            return super().forward(x)

    network = Network.from_module(Choosy())
    assert network.predict(IMAGE).shape == (2, 16, 20)
    with pytest.raises(NetworkError, match=r"shape \(1, 1, 16, 20\): KeyError: 7.0"):
        network.predict(IMAGE * 0 + 7)


def test_two_threads_take_turns() -> None:
    """The lock keeps one run's hooks and flags apart from another's."""
    from concurrent.futures import ThreadPoolExecutor

    network = Network.from_module(UNet(depth=1, base_width=2))
    expected = network.predict(IMAGE)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: network.predict(IMAGE, cancel=lambda: False), range(8)))
    assert all(np.array_equal(result, expected) for result in results)
    assert network.module.training


def test_names_of_channels() -> None:
    assert Network.from_module(Plain()).channel_names is None
    named = Network.from_module(Plain(), channels=2, channel_names=["DAPI", "GFP"])
    assert named.channel_names == ("DAPI", "GFP")
    assert named.at_precision("float64").channel_names == named.channel_names
    with pytest.raises(OptionError, match=r"2 channel names were given .* the network takes 1"):
        Network.from_module(Plain(), channel_names=["DAPI", "GFP"])
