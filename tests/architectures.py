"""Small segmentation networks: ours, and in the styles that people write."""

import torch
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc


def small_unet(**options: object) -> sgc.Network:
    """Our own network, with the same random weights every time."""
    torch.manual_seed(3)
    module = sgc.UNet(**{"depth": 2, "base_width": 4, **options})
    return sgc.Network.from_module(module, axes="CZYX" if module.config["ndim"] == 3 else "CYX")


def two_convolutions(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class DoubleConvUp(nn.Module):
    """Bilinear with align_corners, padded to the skip, then two convolutions."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = two_convolutions(channels_in, channels_out)

    def forward(self, below: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        below = self.up(below)
        missing = [skip.shape[axis] - below.shape[axis] for axis in (3, 2)]
        below = functional.pad(below, [n for m in missing for n in (m // 2, m - m // 2)])
        return self.conv(torch.cat([skip, below], dim=1))


class DoubleConvUNet(nn.Module):
    """The widespread style: inc, down, up, outc; takes any size."""

    def __init__(self, channels: int = 1, classes: int = 2, width: int = 4):
        super().__init__()
        self.inc = two_convolutions(channels, width)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), two_convolutions(width, 2 * width))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), two_convolutions(2 * width, 2 * width))
        self.up1 = DoubleConvUp(4 * width, width)
        self.up2 = DoubleConvUp(2 * width, width)
        self.outc = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.inc(x)
        second = self.down1(first)
        x = self.up1(self.down2(second), second)
        return self.outc(self.up2(x, first))


class Residual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)  # one module, called twice
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out += self.shortcut(x)
        return self.relu(out)


class ResidualEncoder(nn.Module):
    """Residual blocks down, transposed convolutions up, skips that are added in place."""

    def __init__(self) -> None:
        super().__init__()
        self.block0 = Residual(1, 4)
        self.block1 = Residual(4, 4, 2)
        self.block2 = Residual(4, 4, 2)
        self.up1 = nn.ConvTranspose2d(4, 4, 2, 2)
        self.up0 = nn.ConvTranspose2d(4, 4, 2, 2)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.block0(x)
        second = self.block1(first)
        x = self.up1(self.block2(second))
        x += second
        x = self.up0(x)
        x += first
        return self.head(x)


class DenseEncoder(nn.Module):
    """Every convolution sees all maps before it; concatenations that are no skips."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.ModuleList(nn.Conv2d(1 + 2 * i, 2, 3, padding=1) for i in range(3))
        self.transition = nn.Conv2d(7, 4, 1)
        self.pool = nn.AvgPool2d(2)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.merge = nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in self.dense:
            x = torch.cat([x, functional.relu(conv(x))], 1)
        skip = self.transition(x)
        x = functional.relu(self.deep(self.pool(skip)))
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
        return self.merge(torch.cat((x, skip), 1))


class Positioned(nn.Module):
    """A U-Net of one level with a learned number for every place: it takes images of one size."""

    def __init__(self, size: tuple[int, ...] = (16, 24)) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.places = nn.Parameter(torch.randn(1, 4, *(n // 2 for n in size)))
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.merge = nn.Conv2d(8, 4, 3, padding=1)
        self.relu = nn.ReLU()  # one module, called three times
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.relu(self.enter(x))
        deep = self.relu(self.deep(self.pool(skip) + self.places))
        return self.head(self.relu(self.merge(torch.cat([skip, self.up(deep)], 1))))


class Counting(nn.Module):
    """Resizes to sizes that are Python's whole numbers, which exporters write down as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 6, 3, 2, 1)
        self.deep = nn.Conv2d(6, 6, 3, 2, 1)
        self.merge = nn.Conv2d(12, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.down(self.enter(x).relu()).relu()
        deep = functional.interpolate(self.deep(skip), [int(n) for n in skip.shape[2:]])
        merged = self.merge(torch.cat([skip, deep], 1)).relu()
        sizes = [int(n) for n in x.shape[2:]]
        return functional.interpolate(self.head(merged), sizes, mode="bilinear")


class ChannelsLast(nn.Module):
    """A block of ConvNeXt (Liu et al. 2022) between a patch embedding and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 8, 4, 4)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8)
        self.wide = nn.Linear(8, 32)
        self.narrow = nn.Linear(32, 8)
        self.context = nn.AdaptiveAvgPool2d(2)
        self.project = nn.Conv2d(8, 8, 1)
        self.up = nn.Upsample(scale_factor=4)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        last = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        x = x + self.narrow(functional.gelu(self.wide(last))).permute(0, 3, 1, 2)
        context = functional.interpolate(self.project(self.context(x)), x.shape[2:])
        return self.head(self.up(torch.cat([x, context], 1)))


class Pyramid(nn.Module):
    """A feature pyramid: lateral convolutions, added to what comes from below."""

    def __init__(self) -> None:
        super().__init__()
        self.stage0 = nn.Conv2d(1, 4, 3, padding=1)
        self.stage1 = nn.Conv2d(4, 4, 3, 2, 1)
        self.stage2 = nn.Conv2d(4, 4, 3, 2, 1)
        self.lateral0 = nn.Conv2d(4, 3, 1)
        self.lateral1 = nn.Conv2d(4, 3, 1)
        self.top = nn.Conv2d(4, 3, 1)
        self.smooth = nn.Conv2d(3, 3, 3, padding=1)
        self.classify = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.stage0(x).relu()
        second = self.stage1(first).relu()
        top = self.top(self.stage2(second).relu())
        size = second.shape[-2:]
        middle = self.lateral1(second) + functional.interpolate(top, size=size, mode="nearest")
        size = first.shape[-2:]
        base = self.lateral0(first) + functional.interpolate(middle, size=size, mode="nearest")
        return self.classify(self.smooth(base))


class SqueezeExcitation(nn.Module):
    """A U-Net of one level whose maps are weighted by global gates."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 4, 3, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(4, 4, 1)
        self.pool = nn.MaxPool2d(2)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.merge = nn.Conv2d(8, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.excite(self.squeeze(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.enter(x)
        skip = skip * self.gate(skip)
        x = self.up(self.deep(self.pool(skip)))
        # The gate of a decoder's map may come from the encoder.
        x = self.merge(torch.cat([skip, x], 1)) * self.gate(skip)
        return self.head(x)


class GridGate(nn.Module):
    """An attention gate at the coarse resolution, before the upsampling (Oktay et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.theta = nn.Conv2d(4, 3, 2, 2)
        self.phi = nn.Conv2d(4, 3, 1)
        self.psi = nn.Conv2d(3, 1, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.enter(x).relu()
        deep = self.deep(self.pool(skip)).relu()
        gate = torch.sigmoid(self.psi((self.theta(skip) + self.phi(deep)).relu()))
        gated = functional.interpolate(gate, scale_factor=2, mode="bilinear") * skip
        return self.head(torch.cat([gated, self.up(deep)], 1))


class Plain(nn.Module):
    """Convolutions at the image's resolution and nothing else."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Conv2d(4, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Coarse(nn.Module):
    """Logits at a quarter of the resolution; no decoder."""

    def __init__(self, enlarge: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.down = nn.Sequential(nn.Conv2d(4, 4, 2, 2), nn.ReLU(), nn.Conv2d(4, 4, 2, 2))
        self.score = nn.Conv2d(4, 3, 1)
        self.enlarge = nn.Upsample(scale_factor=4, mode="bilinear") if enlarge else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.enlarge(self.score(self.down(self.stem(x))))


class WithAuxiliary(nn.Module):
    """Returns logits among other things, whose layers are none of ours."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.body = nn.Conv2d(1, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 4, 2, 2)
        self.auxiliary = nn.Conv2d(4, 2, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> object:
        deep = self.deep(self.body(x))
        auxiliary = self.auxiliary(deep)
        logits = self.head(self.up(deep))
        return {
            "dict": {"aux": functional.interpolate(auxiliary, x.shape[-2:]), "out": logits},
            "tuple": (logits, auxiliary),
            "nested": {"masks": logits.argmax(1), "levels": [auxiliary, logits]},
        }[self.form]


class Ending(nn.Module):
    """A plain network followed by whatever a test wants."""

    def __init__(self, ending: nn.Module, classes: int = 3) -> None:
        super().__init__()
        self.net = Plain(classes)
        self.ending = ending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ending(self.net(x))


class Function(nn.Module):
    """A function as a module, for endings and middles."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class SpatialAttention(nn.Module):
    """Maps weighted by one map that is made from them (Woo et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True).values], 1)
        return x * self.sigmoid(self.conv(pooled))


class AttentionUNet(nn.Module):
    """A U-Net with attention behind its bottleneck and behind its decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = two_convolutions(1, 4)
        self.deep = nn.Sequential(nn.MaxPool2d(2), two_convolutions(4, 8))
        self.attention = SpatialAttention()
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.merge = two_convolutions(8, 4)
        self.last = SpatialAttention()
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.enter(x)
        up = self.up(self.attention(self.deep(skip)))
        return self.head(self.last(self.merge(torch.cat([skip, up], 1))))
