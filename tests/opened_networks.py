"""What every network must hold that was opened from a file: it is the module that was saved."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc


def assert_same(opened: sgc.Network, module: nn.Module, size: tuple[int, ...]) -> None:
    """Predictions, network layers and heatmaps at all of them equal those of the module itself."""
    expected = sgc.Network.from_module(
        module,
        axes=opened.axes,
        channels=opened.channels,
        normalisation=opened.normalisation,
        output=opened.output,
        patch=opened.patch,
    )
    image = image_of(opened.channels, size)
    largest = np.abs(opened.predict(image) - expected.predict(image)).max()
    assert largest <= 1e-6
    assert [layer.name for layer in opened.layers] == [layer.name for layer in expected.layers]
    region = np.zeros(size, bool)
    region[tuple(slice(n // 4, n // 2) for n in size)] = True
    ours, theirs = (
        sgc.explain(network, image, region, target=1, layers="all")
        for network in (opened, expected)
    )
    for name in theirs:
        for kind in ("weights", "signed"):
            got, wanted = getattr(ours[name], kind), getattr(theirs[name], kind)
            # Stricter than to compare with what was summed, which is never smaller.
            assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max(), (name, kind)


def image_of(channels: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise with channels first, for whatever normalisation comes."""
    noise = np.random.default_rng(4).gamma(2.0, 20.0, (channels, *size))
    return noise.astype(np.float32)


def stages(network: sgc.Network) -> dict[str, int]:
    """How many convolutions each stage has."""
    return dict(Counter(layer.stage for layer in network.layers if layer.kind == "conv"))
