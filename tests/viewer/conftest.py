"""A viewer without a window, seen through napari's proxy, and explanations without a network."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_seggradcam.explain.explanation import Explanation, Heatmap
from napari_seggradcam.networks.layers import NetworkLayer

MakeExplanation = Callable[..., Explanation]

LAYERS = {"encoder 0 relu 2": 1, "bottleneck relu 2": 4, "decoder 0 relu 2": 1}


@pytest.fixture
def viewer() -> ViewerModel:
    """What napari hands to a plugin: private names warn, layers come wrapped."""
    return PublicOnlyProxy(ViewerModel())


@pytest.fixture
def make_explanation() -> MakeExplanation:
    """Explanations with random heatmaps; of each network layer the stride is given."""

    def make(
        shape: tuple[int, ...],
        strides: Mapping[str, int] = LAYERS,
        *,
        region: np.ndarray | None = None,
        factor: float = 1.0,
        seed: int = 0,
    ) -> Explanation:
        rng = np.random.default_rng(seed)
        heatmaps = {
            name: _heatmap(name, stride, shape, factor, rng) for name, stride in strides.items()
        }
        if region is None:
            region = np.zeros(shape, bool)
            region[(..., slice(2, 5), slice(3, 7))] = True
        record = {"question": {"target": 1, "class": "nucleus"}, "score": 2.5}
        return Explanation(heatmaps, region, np.zeros(shape), 1, "nucleus", 2.5, record)

    return make


def _heatmap(
    name: str, stride: int, shape: tuple[int, ...], factor: float, rng: np.random.Generator
) -> Heatmap:
    ndim = len(shape)
    size = tuple(-(-n // stride) for n in shape)
    role = name.split()[0]
    offset = ((stride - 1) / 2,) * ndim
    layer = NetworkLayer(
        name, name, 0, None, "relu", role, 0, 2, (float(stride),) * ndim, offset, size
    )
    signed = (factor * rng.standard_normal(size)).astype(np.float32)
    weights = np.ones(2, np.float32)
    return Heatmap(layer, signed, weights, (float(stride),) * ndim, offset, shape)
