"""What every network must hold that was opened from a file: it is the module that was saved."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.networks.layers import NetworkLayer
from torchscript_files import SmallUNet


def _own(ndim: int) -> nn.Module:
    return sgc.UNet(ndim, in_channels=2, depth=1, base_width=2)


# Networks that every exporter takes, and the shape of an image, channels first.
SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small": (SmallUNet, (1, 16, 24)),
    "own": (lambda: _own(2), (2, 16, 24)),
    "own in 3D": (lambda: _own(3), (2, 8, 12, 8)),
}


def assert_card(
    opened: sgc.Network,
    path: Path,
    shape: tuple[int, ...],
    kind: tuple[str, str],
    checked: tuple[str, float],
) -> None:
    """What is known of a network from a file that tells its format and its image, and no more.

    `kind` is format and trust, `checked` what it was compared with, and how close it has to be.
    """
    assert opened.file is not None
    assert (opened.file.format, opened.file.trust) == kind
    assert opened.file.check is not None
    assert opened.file.check.what == checked[0]
    assert opened.file.check.difference <= checked[1]
    assert (opened.file.notices, opened.file.values_known) == ((), False)
    assert (opened.axes, opened.channels) == ("CYX" if len(shape) == 3 else "CZYX", shape[0])
    assert (opened.name, opened.path) == (path.stem, path)


def assert_same(
    opened: sgc.Network,
    module: nn.Module,
    size: tuple[int, ...],
    *,
    logits: float = 1e-6,
    maps: float = 1e-5,
    kept: Callable[[NetworkLayer], bool] = lambda _: True,
) -> None:
    """Predictions, network layers and heatmaps at all of them equal those of the module itself.

    The tolerance of maps is a share of the largest value. Where a format leaves network layers
    out, `kept` says which of the module's own there are.
    """
    expected = as_module(opened, module)
    image = image_of(opened.channels, size)
    largest = np.abs(opened.predict(image) - expected.predict(image)).max()
    assert largest <= logits
    names = [layer.name for layer in expected.layers if kept(layer)]
    assert [layer.name for layer in opened.layers if kept(layer)] == names
    ours = {layer.name: layer for layer in opened.layers}
    for layer in filter(kept, expected.layers):
        for field in ("role", "level", "kind", "channels", "stride", "shape"):
            assert getattr(ours[layer.name], field) == getattr(layer, field), (layer.name, field)
    region = np.zeros(size, bool)
    region[tuple(slice(n // 4, n // 2) for n in size)] = True
    found, wanted = (
        sgc.explain(network, image, region, target=1, layers=names)
        for network in (opened, expected)
    )
    assert_same_maps(found, wanted, maps)


def as_module(opened: sgc.Network, module: nn.Module) -> sgc.Network:
    """The module as a network that is asked as the opened one is."""
    return sgc.Network.from_module(
        module,
        axes=opened.axes,
        channels=opened.channels,
        normalisation=opened.normalisation,
        output=opened.output,
        patch=opened.patch,
    )


def assert_same_maps(
    found: sgc.Explanation, wanted: sgc.Explanation, tolerance: float = 1e-5
) -> None:
    """Heatmaps and weights at every network layer are equal, but for a share of the largest."""
    assert list(found) == list(wanted)
    for name in wanted:
        for kind in ("weights", "signed"):
            got, expected = (np.asarray(getattr(e[name], kind)) for e in (found, wanted))
            # Stricter than to compare with what was summed, which is never smaller.
            error = np.abs(got - expected).max()
            assert error <= tolerance * np.abs(expected).max(), (name, kind)


def image_of(channels: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise with channels first, for whatever normalisation comes."""
    noise = np.random.default_rng(4).gamma(2.0, 20.0, (channels, *size))
    return noise.astype(np.float32)


def stages(network: sgc.Network) -> dict[str, int]:
    """How many convolutions each stage has."""
    return dict(Counter(layer.stage for layer in network.layers if layer.kind == "conv"))
