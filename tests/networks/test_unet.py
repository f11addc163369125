"""The package's U-Net: shapes, parameters and options."""

import pytest
import torch

from napari_seggradcam.errors import OptionError
from napari_seggradcam.networks.unet import UNet


@torch.no_grad()
def output_shape(module: torch.nn.Module, *spatial: int) -> tuple[int, ...]:
    channels = module.config["in_channels"]
    return tuple(module.eval()(torch.zeros(1, channels, *spatial)).shape)


def parameters_by_hand(
    ndim: int, channels: int, classes: int, depth: int, width: int, norm: str, up: str
) -> int:
    """Sum over the layers of the architecture, written out."""

    def conv(a: int, b: int, kernel: int, bias: bool = True) -> int:
        return a * b * kernel**ndim + bias * b

    def block(a: int, b: int) -> int:
        has_norm = norm == "batch"
        return conv(a, b, 3, not has_norm) + conv(b, b, 3, not has_norm) + has_norm * 4 * b

    widths = [width * 2**level for level in range(depth + 1)]
    total = block(channels, width) + sum(block(w, 2 * w) for w in widths[:-1])
    kernel = 2 if up == "transposed" else 1
    total += sum(conv(w, w // 2, kernel) + block(w, w // 2) for w in widths[1:])
    return total + conv(width, classes, 1)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("up", ["transposed", "interpolate"])
@pytest.mark.parametrize(("ndim", "depth", "width"), [(2, 1, 3), (2, 4, 2), (3, 2, 2)])
def test_same_convolutions_keep_the_size(
    ndim: int, depth: int, width: int, norm: str, up: str
) -> None:
    module = UNet(ndim, 3, 5, depth, width, norm=norm, upsampling=up)
    spatial = (2**depth * 2, 2**depth, 2**depth * 3)[-ndim:]
    assert output_shape(module, *spatial) == (1, 5, *spatial)
    expected = parameters_by_hand(ndim, 3, 5, depth, width, norm, up)
    assert sum(p.numel() for p in module.parameters()) == expected


def test_parameters_of_the_original() -> None:
    """31,030,658 is what the paper's network of width 64 has with two classes."""
    assert parameters_by_hand(2, 1, 2, 4, 64, "none", "transposed") == 31_030_658


def test_sizes_of_the_original() -> None:
    """Figure 1 of the paper: a tile of 572 pixels gives a map of 388."""
    with torch.device("meta"):
        module = UNet(convolution="valid", norm="none", base_width=64)
        assert module(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_valid_convolutions_in_3d() -> None:
    module = UNet(3, depth=1, base_width=2, convolution="valid")
    # Every block takes 4 pixels, the lower one twice as many of the image; pooling halves.
    assert output_shape(module, 20, 22, 24) == (1, 2, 4, 6, 8)


def test_valid_skip_is_cropped_at_its_centre() -> None:
    """With everything but the outermost skip cut off, the logits are the skip's centre."""
    module = UNet(depth=1, base_width=1, out_channels=1, convolution="valid", norm="none").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        for block in (module.encoder[0], module.decoder[0].block):
            for conv in (block[0], block[2]):
                conv.weight[0, 0, 1, 1] = 1
        module.head.weight.fill_(1)
        image = torch.rand(1, 1, 20, 24)
        logits = module(image)
    assert torch.equal(logits, image[:, :, 8:-8, 8:-8])


def test_describe_says_what_was_chosen() -> None:
    said = UNet(3, depth=2, base_width=8, norm="none", upsampling="interpolate").describe()
    for word in ("3D", "depth 2", "width 8", "no norm", "same", "interpolate"):
        assert word in said


def test_config_makes_the_same_network_again() -> None:
    module = UNet(2, 3, 4, 2, 8, "valid", "none", "interpolate")
    twin = UNet(**module.config)
    twin.load_state_dict(module.state_dict())
    assert twin.config == module.config


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ndim", 1),
        ("ndim", "2"),
        ("depth", 0),
        ("depth", 2.0),
        ("depth", True),
        ("in_channels", 0),
        ("out_channels", -1),
        ("base_width", None),
        ("convolution", "full"),
        ("norm", "instance"),
        ("upsampling", "nearest"),
    ],
)
def test_bad_options_are_named(option: str, value: object) -> None:
    with pytest.raises(OptionError, match=option) as raised:
        UNet(**{option: value})
    assert repr(value) in str(raised.value)
