"""Network layers, roles, levels, strides and skips, against stages written out by hand."""

from collections.abc import Callable, Iterable

import pytest
import torch
from monai.networks import nets
from torch import nn
from torch.nn import functional

from architectures import (
    AttentionUNet,
    Coarse,
    DenseEncoder,
    DoubleConvUNet,
    Ending,
    Function,
    GridGate,
    Plain,
    Pyramid,
    ResidualEncoder,
    SqueezeExcitation,
    WithAuxiliary,
)
from napari_seggradcam.errors import LayerError, NetworkError
from napari_seggradcam.networks.layers import NetworkLayer
from napari_seggradcam.networks.network import Network
from napari_seggradcam.networks.unet import UNet


def opened(module: nn.Module, axes: str = "CYX") -> Network:
    return Network.from_module(module, axes=axes)


def stages(network: Network) -> dict[str, list[str]]:
    """Names of the modules of every stage, in order of execution."""
    found: dict[str, list[str]] = {}
    for layer in network.layers:
        if layer.module is not None:
            found.setdefault(layer.stage, []).append(layer.module)
    return found


def skips(layers: Iterable[NetworkLayer]) -> list[tuple[int, int]]:
    """Level and channels of every skip, from the top."""
    return sorted((layer.level, layer.channels) for layer in layers if layer.module is None)


def check_invariants(network: Network) -> None:
    """What holds for every network."""
    layers, ndim = network.layers, network.ndim
    modules = dict(network.module.named_modules())
    assert len({layer.name for layer in layers}) == len(layers)
    assert any(layer.role == "bottleneck" for layer in layers)
    assert layers[-1].role == "head"
    for layer in layers:
        assert layer.module is None or layer.module in modules
        assert len(layer.stride) == len(layer.offset) == len(layer.shape) == ndim
        assert layer.name.startswith(layer.stage)
        assert layer.level == round(torch.tensor(max(layer.stride)).log2().item())


UP = ["up", "block.0", "block.1", "block.2", "block.3", "block.4", "block.5"]


@pytest.mark.parametrize(("ndim", "convolution"), [(2, "same"), (2, "valid"), (3, "same")])
def test_unet(ndim: int, convolution: str) -> None:
    module = UNet(ndim, depth=2, base_width=2, convolution=convolution)
    network = opened(module, "CYX" if ndim == 2 else "CZYX")
    check_invariants(network)
    block = [str(i) for i in range(6)]
    assert stages(network) == {
        "encoder 0": [f"encoder.0.{i}" for i in block],
        "encoder 1": ["pool.0", *(f"encoder.1.{i}" for i in block)],
        "bottleneck": ["pool.1", *(f"bottleneck.{i}" for i in block)],
        "decoder 1": [f"decoder.0.{name}" for name in UP],
        "decoder 0": [f"decoder.1.{name}" for name in UP],
        "head": ["head"],
    }
    assert skips(network.layers) == [(0, 2), (1, 4)]
    assert {layer.stride for layer in network.layers if layer.level == 1} == {(2.0,) * ndim}
    kinds = [layer.kind for layer in network.layers if layer.stage == "decoder 1"]
    assert kinds == ["up", "conv", "norm", "relu", "conv", "norm", "relu"]


def test_geometry_of_unpadded_maps() -> None:
    """Every 3-wide convolution takes one pixel of its own resolution from each end."""
    network = opened(UNet(depth=1, base_width=2, convolution="valid", norm="none"))
    offsets = {layer.name: layer.offset[0] for layer in network.layers}
    assert offsets["encoder 0 conv 1"] == 1
    assert offsets["encoder 0 relu 2"] == 2
    assert offsets["bottleneck pool"] == 2.5  # between two pixels
    assert offsets["bottleneck relu 2"] == 2.5 + 4
    assert offsets["decoder 0 up"] == 6
    assert offsets["head conv"] == 8
    assert offsets["skip 0"] == 6  # cropped to what comes up


def test_levels_of_a_deep_unet_are_nine() -> None:
    network = opened(UNet(depth=4, base_width=1))
    levels = network.select_layers("levels")
    assert [layer.stage for layer in levels] == [
        *(f"encoder {level}" for level in range(4)),
        "bottleneck",
        *(f"decoder {level}" for level in (3, 2, 1, 0)),
    ]
    assert {layer.kind for layer in levels} == {"relu"}
    assert [layer.level for layer in levels] == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert [layer.name for layer in levels][4] == "bottleneck relu 2"


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_monai_basic_unet(norm: str) -> None:
    network = opened(nets.BasicUNet(2, 1, 2, (4, 4, 8, 8, 16, 4), norm=norm))
    check_invariants(network)
    found = stages(network)
    for level, block in enumerate(("conv_0", "down_1", "down_2", "down_3")):
        assert {name.split(".")[0] for name in found[f"encoder {level}"]} == {block}
        assert {name.split(".")[0] for name in found[f"decoder {level}"]} == {f"upcat_{level + 1}"}
    assert {name.split(".")[0] for name in found["bottleneck"]} == {"down_4"}
    assert found["head"] == ["final_conv"]
    assert skips(network.layers) == [(0, 4), (1, 4), (2, 8), (3, 8)]


@pytest.mark.parametrize("units", [0, 2])
def test_monai_unet_with_nested_skips(units: int) -> None:
    network = opened(nets.UNet(2, 1, 2, (4, 8, 16, 32), (2, 2, 2), num_res_units=units))
    check_invariants(network)
    found = stages(network)
    inner = "model.1.submodule"
    assert all(name.startswith("model.0") for name in found["encoder 1"])
    assert all(name.startswith(f"{inner}.0") for name in found["encoder 2"])
    # The two deepest blocks share a resolution.
    assert all(name.startswith(f"{inner}.1.submodule") for name in found["bottleneck"])
    assert all(name.startswith(f"{inner}.1.submodule.2") for name in found["decoder 2"])
    assert all(name.startswith(f"{inner}.2") for name in found["decoder 1"])
    assert "encoder 0" not in found  # its first convolution halves the resolution
    assert all(name.startswith("model.2") for name in found["head"])
    assert skips(network.layers) == [(1, 4), (2, 8)]


def test_monai_dynunet_with_shared_modules_and_uneven_strides() -> None:
    module = nets.DynUNet(
        3,
        1,
        2,
        [(1, 3, 3), 3, 3],
        [1, (1, 2, 2), 2],
        [(1, 2, 2), 2],
        filters=(2, 4, 8),
        deep_supervision=True,
        deep_supr_num=1,
    )
    network = opened(module, "CZYX")
    check_invariants(network)
    found = stages(network)
    block = ["conv1.conv", "norm1", "lrelu", "conv2.conv", "norm2", "lrelu"]
    up = ["transp_conv.conv", *(f"conv_block.{name}" for name in block)]
    assert found == {
        "encoder 0": [f"input_block.{name}" for name in block],
        "encoder 1": [f"downsamples.0.{name}" for name in block],
        "bottleneck": [f"bottleneck.{name}" for name in block],
        "decoder 1": [f"upsamples.0.{name}" for name in up],
        "decoder 0": [f"upsamples.1.{name}" for name in up],
        "head": ["output_block.conv.conv"],
    }
    shared = [layer for layer in network.layers if layer.module == "bottleneck.lrelu"]
    assert [(layer.name, layer.call) for layer in shared] == [
        ("bottleneck leakyrelu 1", 0),
        ("bottleneck leakyrelu 2", 1),
    ]
    assert {layer.stride for layer in network.layers if layer.level == 1} == {(1.0, 2.0, 2.0)}
    assert {layer.stride for layer in network.layers if layer.level == 2} == {(2.0, 4.0, 4.0)}


def test_monai_attention_unet() -> None:
    network = opened(nets.AttentionUnet(2, 1, 2, (4, 8, 16), (2, 2)))
    check_invariants(network)
    found = stages(network)
    assert {name.split(".")[1] for name in found["encoder 0"]} == {"0"}
    assert found["skip 0"] == ["model.1.attention.W_x.0.conv", "model.1.attention.W_x.1"]
    assert "model.1.attention.psi.0.conv" in found["decoder 0"]
    assert found["head"] == ["model.2.conv"]
    # What is joined is the gated skip, not the sum inside the gate.
    assert skips(network.layers) == [(0, 4), (1, 8)]


def test_monai_segresnet() -> None:
    network = opened(nets.SegResNet(2, 4, 1, 2, norm="batch", blocks_down=(1, 1), blocks_up=(1,)))
    check_invariants(network)
    found = stages(network)
    assert found["encoder 0"][0] == "convInit.conv"
    assert found["bottleneck"][0] == "down_layers.1.0.conv"
    assert found["bottleneck"][-1] == "up_samples.0.0.conv"
    assert found["decoder 0"][0].startswith("up_samples.0.1")
    assert found["head"] == ["conv_final.2.conv"]
    assert skips(network.layers) == [(0, 4)]


def test_double_convolutions_and_bilinear_upsampling() -> None:
    network = opened(DoubleConvUNet())
    check_invariants(network)
    six = [str(i) for i in range(6)]
    assert stages(network) == {
        "encoder 0": [f"inc.{i}" for i in six],
        "encoder 1": ["down1.0", *(f"down1.1.{i}" for i in six)],
        "bottleneck": ["down2.0", *(f"down2.1.{i}" for i in six)],
        "decoder 1": ["up1.up", *(f"up1.conv.{i}" for i in six)],
        "decoder 0": ["up2.up", *(f"up2.conv.{i}" for i in six)],
        "head": ["outc"],
    }
    assert skips(network.layers) == [(0, 4), (1, 8)]


def test_residual_encoder_with_in_place_additions() -> None:
    network = opened(ResidualEncoder())
    check_invariants(network)
    block = ["conv1", "bn1", "relu", "conv2", "shortcut", "relu"]
    assert stages(network) == {
        "encoder 0": [f"block0.{name}" for name in block],
        "encoder 1": [f"block1.{name}" for name in block],
        "bottleneck": [f"block2.{name}" for name in block],
        "decoder 1": ["up1"],
        "decoder 0": ["up0"],
        "head": ["head"],
    }
    assert skips(network.layers) == [(0, 4), (1, 4)]


def test_dense_encoder() -> None:
    network = opened(DenseEncoder())
    check_invariants(network)
    assert stages(network) == {
        "encoder 0": ["dense.0", "dense.1", "dense.2", "transition"],
        "bottleneck": ["pool", "deep"],
        "head": ["merge"],
    }
    assert skips(network.layers) == [(0, 4)]


def test_pyramid_with_laterals() -> None:
    network = opened(Pyramid())
    check_invariants(network)
    assert stages(network) == {
        "encoder 0": ["stage0"],
        "encoder 1": ["stage1"],
        "bottleneck": ["stage2", "top"],
        "skip 1": ["lateral1"],
        "skip 0": ["lateral0"],
        "decoder 0": ["smooth"],
        "head": ["classify"],
    }
    assert skips(network.layers) == [(0, 3), (1, 3)]


def test_global_gates() -> None:
    network = opened(SqueezeExcitation())
    check_invariants(network)
    assert stages(network) == {
        "encoder 0": ["enter"],
        "bottleneck": ["pool", "deep"],
        "decoder 0": ["up", "merge"],
        "head": ["head"],
    }
    assert skips(network.layers) == [(0, 4)]


def test_attention_gate_at_the_coarse_resolution() -> None:
    """Convolutions inside the gate lie on the skip, however deep they are."""
    network = opened(GridGate())
    check_invariants(network)
    assert stages(network) == {
        "encoder 0": ["enter"],
        "bottleneck": ["pool", "deep"],
        "skip 1": ["theta", "phi", "psi"],
        "decoder 0": ["up"],
        "head": ["head"],
    }
    assert network.select_layers("bottleneck")[0].module == "deep"
    assert skips(network.layers) == [(0, 4)]


def test_presets_pass_over_the_map_of_an_attention() -> None:
    """Attention comes last in its stage; what it makes is a map of weights, of one channel."""
    network = opened(AttentionUNet())
    check_invariants(network)
    gates = ["attention.conv", "attention.sigmoid", "last.conv", "last.sigmoid"]
    assert [layer.module for layer in network.layers if layer.gate] == gates
    assert stages(network)["bottleneck"][-2:] == gates[:2]
    levels = [layer.module for layer in network.select_layers("levels")]
    assert levels == ["enter.5", "deep.1.5", "merge.5"]
    (bottleneck,) = network.select_layers("bottleneck")
    assert (bottleneck.name, bottleneck.channels) == ("bottleneck relu 2", 8)


class Weighted(nn.Module):
    """Maps that are weighted in some way."""

    def __init__(self, how: Callable[["Weighted", torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.how(self, self.enter(x)))


@pytest.mark.parametrize(
    ("how", "gates"),
    [
        (lambda n, x: x * torch.sigmoid(n.deep(x)), ["deep"]),
        (lambda n, x: torch.sigmoid(n.other(n.deep(x))) * x, ["deep", "other"]),
        (lambda n, x: x * (1 + n.deep(x)), ["deep"]),
        (lambda n, x: x + x * n.deep(x), ["deep"]),
        (lambda n, x: x.mul_(n.deep(x)), ["deep"]),
        (lambda n, x: n.deep(x) * n.other(x), []),  # neither was made from the other
        (lambda n, x: (y := n.deep(x)) + x * y, []),  # it is also added
        (lambda n, x: n.deep(x) * 0.5, []),
        (lambda n, x: n.deep(x) * n.deep.bias.view(1, -1, 1, 1), []),
        (lambda n, x: n.deep(x).square(), []),
    ],
)
def test_what_only_weights_is_a_gate(
    how: Callable[[Weighted, torch.Tensor], torch.Tensor], gates: list[str]
) -> None:
    layers = opened(Weighted(how)).layers
    assert [layer.module for layer in layers if layer.gate] == gates


def test_a_stage_of_gates_alone_keeps_its_last() -> None:
    def how(network: Weighted, x: torch.Tensor) -> torch.Tensor:
        small = functional.max_pool2d(x, 2)
        return functional.interpolate(small * network.deep(small), scale_factor=2)

    (bottleneck,) = opened(Weighted(how)).select_layers("bottleneck")
    assert (bottleneck.module, bottleneck.gate) == ("deep", True)


def test_no_decoder() -> None:
    assert stages(opened(Plain())) == {
        "bottleneck": ["body.0", "body.1", "body.2", "body.3"],
        "head": ["head"],
    }
    assert stages(opened(Coarse())) == {
        "encoder 0": ["stem"],
        "encoder 1": ["down.0", "down.1"],
        "bottleneck": ["down.2"],
        "head": ["score"],
    }


def test_head_is_the_convolution_before_a_last_upsampling() -> None:
    assert stages(opened(Coarse(enlarge=True)))["head"] == ["score", "enlarge"]


@pytest.mark.parametrize("form", ["dict", "tuple", "nested"])
def test_auxiliary_heads_are_left_out(form: str) -> None:
    network = opened(WithAuxiliary(form))
    assert [layer.module for layer in network.layers] == ["body", "deep", "up", "head"]
    assert network.rows == 2


ENDINGS = {
    "softmax module": nn.Softmax(1),
    "softmax function": Function(lambda x: functional.softmax(x, 1)),
    "softmax method": Function(lambda x: x.softmax(dim=1)),
    "log-softmax": Function(lambda x: torch.log_softmax(x, 1)),
    "sigmoid module": nn.Sigmoid(),
    "sigmoid in place": Function(lambda x: x.sigmoid_()),
    "sigmoid, then resized": Function(
        lambda x: functional.interpolate(torch.sigmoid(x), scale_factor=1.0)
    ),
    "sigmoid by keyword": Function(lambda x: torch.softmax(input=x, dim=1)),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_trailing_activation_is_left_out(ending: nn.Module) -> None:
    module = Ending(ending).eval()
    network = opened(module)
    assert network.activation in ("softmax", "log_softmax", "sigmoid")
    assert network.layers[-1].module == "net.head"
    image = torch.rand(1, 1, 20, 24)
    with torch.no_grad():
        logits = module.net(image)[0].numpy()
    assert (network.predict(image[0].numpy(), "CYX") == logits).all()


def test_other_endings_are_kept() -> None:
    network = opened(Ending(nn.Tanh()))
    assert network.activation is None
    assert network.layers[-1].module == "ending"


def test_output_without_a_channel_axis() -> None:
    module = Ending(Function(lambda x: torch.sigmoid(x).squeeze(1)), classes=1).eval()
    network = opened(module)
    image = torch.rand(1, 1, 16, 18)
    with torch.no_grad():
        z = module.net(image)[0].numpy()
    logits = network.predict(image[0, 0].numpy())
    assert network.activation == "sigmoid"
    assert (logits[1:] == z).all()
    assert (logits[:1] == -z).all()


class Middle(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.between = between
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.between(self.first(x)))


@pytest.mark.parametrize(
    "between",
    [nn.Identity(), nn.Dropout2d(), nn.Dropout(), nn.Sequential(), Function(lambda x: x)],
    ids=["identity", "dropout2d", "dropout", "empty sequence", "own identity"],
)
def test_modules_that_do_nothing_are_left_out(between: nn.Module) -> None:
    assert [layer.module for layer in opened(Middle(between)).layers] == ["first", "last"]


def test_weights_that_are_computed() -> None:
    """Spectral and weight norm hang modules under a convolution, which stays a leaf."""
    module = Middle(nn.ReLU())
    nn.utils.parametrizations.weight_norm(module.first)
    nn.utils.parametrizations.spectral_norm(module.last)
    layers = opened(module).layers
    assert [(layer.module, layer.kind) for layer in layers] == [
        ("first", "conv"),
        ("between", "relu"),
        ("last", "conv"),
    ]


class ThroughViews(nn.Module):
    """Writes into parts of tensors, which are views."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(1, 2, 3, padding=1)
        self.right = nn.Conv2d(1, 2, 3, padding=1)
        self.more = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = x.new_zeros(1, 4, *x.shape[2:])
        joined[:, :2] = self.left(x)
        joined[:, 2:].copy_(self.right(x))
        joined.view(-1).add_(self.more(x).flatten())
        return self.head(joined)


def test_writing_through_views_keeps_the_path() -> None:
    modules = {layer.module for layer in opened(ThroughViews()).layers}
    assert modules == {"left", "right", "more", "head"}


class DepthToSpace(nn.Module):
    """Upsampling by moving channels to space, which no torch function tells."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        x = x.view(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3)
        return x.reshape(b, c // 4, 2 * h, 2 * w)


class OwnUpsampling(nn.Module):
    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 1, 3, padding=1)
        self.deep = nn.Conv2d(1, 4, 2, 2)
        self.up = up
        self.head = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.enter(x)
        return self.head(torch.cat([skip, self.up(self.deep(skip))], 1))


@pytest.mark.parametrize("up", [DepthToSpace(), nn.PixelShuffle(2)])
def test_upsampling_by_rearranging(up: nn.Module) -> None:
    network = opened(OwnUpsampling(up))
    assert stages(network) == {
        "encoder 0": ["enter"],
        "bottleneck": ["deep"],
        "decoder 0": ["up"],
        "head": ["head"],
    }
    assert skips(network.layers) == [(0, 1)]


class SelfAttention(nn.Module):
    """Attention between all positions; its inner tensors have axes that are not space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        q, k, v = self.query(x).view(b, 3, 2, c // 2, h * w).unbind(1)
        weights = (q.transpose(2, 3) @ k).softmax(-1)
        y = (weights @ v.transpose(2, 3)).transpose(1, 2).reshape(b, h, w, c)
        return x + self.out(y).permute(0, 3, 1, 2)


def test_attention_in_the_bottleneck_is_no_upsampling() -> None:
    attention = nn.Sequential(nn.Conv2d(4, 4, 8, 8), SelfAttention(4), nn.Conv2d(4, 4, 1))
    network = opened(Middle(nn.Sequential(attention, nn.Upsample(scale_factor=8))))
    assert stages(network) == {
        "encoder 0": ["first"],
        "bottleneck": ["between.0.0", "between.0.1.query", "between.0.2"],
        "decoder 0": ["between.1"],
        "head": ["last"],
    }


def test_selecting_layers() -> None:
    network = opened(UNet(depth=1, base_width=2))
    layers = network.layers
    assert network.select_layers("all") == layers
    assert [layer.name for layer in network.select_layers("bottleneck")] == ["bottleneck relu 2"]
    wanted = ["decoder 0 up", "bottleneck.0", "encoder 0 conv 1", "decoder 0 up"]
    names = [layer.name for layer in network.select_layers(wanted)]
    assert names == ["encoder 0 conv 1", "bottleneck conv 1", "decoder 0 up"]
    assert network.select_layers(["levels", "head conv"])[-1].name == "head conv"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([], "No network layer"),
        ("conv 9", "conv 9"),
        (None, "asked for are None; expected a preset"),
        (3, "asked for are 3; expected a preset"),
        ([None], r"asked for are \[None\]; expected a preset"),
    ],
)
def test_selecting_what_is_not_there(wanted: object, said: str) -> None:
    with pytest.raises(LayerError, match=said):
        opened(UNet(depth=1, base_width=2)).select_layers(wanted)


def test_a_network_of_a_head_alone() -> None:
    network = opened(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1)))
    assert [layer.name for layer in network.select_layers("all")] == ["head conv"]
    for preset in ("bottleneck", "levels"):
        with pytest.raises(LayerError, match=r"nothing lies before its head.*'head conv'"):
            network.select_layers(preset)


def test_a_module_that_is_called_twice_has_to_be_asked_for_by_name() -> None:
    network = opened(ResidualEncoder())
    with pytest.raises(LayerError, match="called 2 times") as raised:
        network.select_layers("block0.relu")
    assert "'encoder 0 relu 1', 'encoder 0 relu 2'" in str(raised.value)


def test_a_network_without_modules() -> None:
    with pytest.raises(NetworkError, match="No module"):
        _ = opened(Function(lambda x: torch.cat([x, -x], 1))).layers


class Grows(nn.Module):
    """Takes another way for large images."""

    def __init__(self) -> None:
        super().__init__()
        self.few = nn.Conv2d(1, 2, 1)
        self.many = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.few(x)
        return self.many(x) if x.shape[-1] > 150 else x


def test_another_path_for_large_images() -> None:
    with pytest.raises(NetworkError, match="other modules on a larger image"):
        _ = opened(Grows()).layers


def test_padding_of_small_maps_is_no_upsampling() -> None:
    """EfficientNets pad by modules of their own, which enlarge deep maps by more than a skip."""
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, 32, 1),
        nn.ZeroPad2d(2),
        nn.Conv2d(4, 4, 5),
        nn.Upsample(scale_factor=32),
        nn.Conv2d(4, 2, 1),
    )
    found = stages(opened(module))
    assert found["bottleneck"] == ["0", "1", "2"]
    assert found["head"] == ["4"]
