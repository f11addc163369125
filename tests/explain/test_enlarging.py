"""Heatmaps on the image's grid: a part of it equals the same part of the whole."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_seggradcam as sgc
from napari_seggradcam.networks.layers import NetworkLayer


@st.composite
def heatmaps(draw: st.DrawFn) -> sgc.Heatmap:
    """Maps of any placement, also one position per pixel; truncated, of a patch, or neither."""
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 9)) for _ in range(ndim))
    scale = tuple(float(draw(st.sampled_from([0.5, 1, 1, 2, 3.5]))) for _ in range(ndim))
    translate = tuple(draw(st.sampled_from([0.0, 0.0, 0.5, -1.25])) for _ in range(ndim))
    size = tuple(
        n if one == 1 else draw(st.integers(1, 5)) for n, one in zip(shape, scale, strict=True)
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kept = rng.random(size) < 0.5 if draw(st.booleans()) else None
    patch = tuple((n // 3, n - n // 4) for n in shape) if draw(st.booleans()) else None
    layer = NetworkLayer("a", "a", 0, None, "relu", "bottleneck", 0, 1, scale, translate, size)
    signed = rng.standard_normal(size).astype(np.float32)
    weights = np.ones(1, np.float32)
    return sgc.Heatmap(
        layer, signed, weights, scale, translate, shape, None, patch, kept, None, None
    )


@settings(max_examples=200, deadline=None)
@given(st.data(), heatmaps(), st.booleans())
def test_a_part_equals_the_same_part_of_the_whole(
    data: st.DataObject, heatmap: sgc.Heatmap, signed: bool
) -> None:
    within = tuple(data.draw(st.slices(size)) for size in heatmap.image_shape)
    before = heatmap.signed.copy(), heatmap.kept if heatmap.kept is None else heatmap.kept.copy()
    whole = heatmap.resized(signed)
    part = heatmap.resized(signed, within)
    np.testing.assert_array_equal(part, whole[within])
    np.testing.assert_array_equal(heatmap.signed, before[0])
    np.testing.assert_array_equal(heatmap.kept, before[1])
