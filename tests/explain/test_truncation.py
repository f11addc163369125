"""What truncation keeps: nothing that can't matter, and everything that does."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

import napari_seggradcam as sgc
from architectures import DoubleConvUNet
from napari_seggradcam.explain.truncation import Truncation, largest_mass

RANDOM = np.random.default_rng(0)


def cue_network(ndim: int) -> sgc.Network:
    """Hand-set: A is the image, and the logit sums it over 5 pixels to every side."""
    convolution = (nn.Conv2d, nn.Conv3d)[ndim - 2]
    module = nn.Sequential(
        convolution(1, 1, 1, bias=False), nn.ReLU(), convolution(1, 2, 11, padding=5, bias=False)
    )
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    return sgc.Network.from_module(module, axes={2: "CYX", 3: "CZYX"}[ndim])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("truncate", ["support", "distance"])
def test_a_far_cue_gets_nothing(ndim: int, truncate: str) -> None:
    """Plain Seg-Grad-CAM gives the cue that M can't see as much as the one that it sees."""
    image = np.zeros((40,) * ndim, np.float32)
    near, far, pixel = (12,) * ndim, (33,) * ndim, (10,) * ndim
    image[near] = image[far] = 1
    explainer = sgc.Explainer(cue_network(ndim), image)
    plain = explainer.explain(sgc.pixel(*pixel), 1, "1")["bottleneck relu"]
    assert plain.heatmap[near] == plain.heatmap[far] > 0
    found = explainer.explain(sgc.pixel(*pixel), 1, "1", truncate=truncate)["bottleneck relu"]
    inside = np.zeros(image.shape, bool)
    inside[(slice(5, 16),) * ndim] = True
    np.testing.assert_array_equal(found.kept, inside)
    assert found.kept_share == inside.mean()
    assert found.heatmap[near] == plain.heatmap[near]
    assert not found.heatmap[~inside].any()
    assert not found.resized()[~inside].any()
    np.testing.assert_array_equal(found.signed, plain.signed)


NETWORKS = {
    "own": lambda: sgc.UNet(depth=2, base_width=3),
    "unpadded": lambda: sgc.UNet(depth=2, base_width=3, convolution="valid"),
    "interpolated": lambda: DoubleConvUNet(),
    "own in 3D": lambda: sgc.UNet(ndim=3, depth=1, base_width=2),
}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def explainer(request: pytest.FixtureRequest) -> sgc.Explainer:
    torch.manual_seed(0)
    module = NETWORKS[request.param]().eval()
    axes = "CZYX" if "3D" in request.param else "CYX"
    shape = (24, 28, 30) if "3D" in request.param else (150, 133)
    network = sgc.Network.from_module(module, axes=axes)
    return sgc.Explainer(network, RANDOM.random(shape, np.float32), gradients=True)


@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_support_is_where_the_score_can_change(explainer: sgc.Explainer, data: object) -> None:
    """It lies within the distance, and HiRes, which weighs by the gradient, is 0 outside it."""
    region = np.zeros(explainer.image_shape, bool)
    for _ in range(data.draw(st.integers(1, 2))):
        corner = [data.draw(st.integers(0, size - 1)) for size in region.shape]
        region[tuple(slice(c, c + data.draw(st.integers(1, 6))) for c in corner)] = True
    support, distance, hires = (
        explainer.explain(region, 1, "all", truncate=truncate, method=method)
        for truncate, method in (
            ("support", "seg-grad-cam"),
            ("distance", "seg-grad-cam"),
            (None, "seg-hires-grad-cam"),
        )
    )
    for name in support:
        kept = support[name].kept
        assert not (kept & ~distance[name].kept).any()
        assert not hires[name].signed[~kept].any()
        assert support[name].note is None


def test_a_far_image_changes_nothing_within_the_distance() -> None:
    """Outside of the distance the image may be anything: S and what is kept stay the same."""
    torch.manual_seed(0)
    network = sgc.Network.from_module(sgc.UNet(depth=1, base_width=3))
    image = RANDOM.random((96, 96), np.float32)
    region = sgc.pixel(20, 24)
    found = sgc.explain(network, image, region, target=1, layers="levels", truncate="distance")
    seen = found["encoder 0 relu 2"].kept
    other = np.where(seen, image, RANDOM.random(image.shape, np.float32))
    again = sgc.explain(network, other, region, target=1, layers="levels", truncate="support")
    assert again.score == pytest.approx(found.score, rel=1e-5)
    assert 0 < seen.mean() < 0.5


@settings(deadline=None)
@given(
    arrays.arrays(
        np.float64,
        arrays.array_shapes(max_dims=3),
        elements=st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0]) | st.floats(1e-30, 1e30),
    ),
    st.floats(0.01, 1),
)
def test_mass_is_the_smallest_set_with_that_share(mass: np.ndarray, share: float) -> None:
    kept = largest_mass(mass, share)
    assert not (kept & (mass == 0)).any()
    if not mass.any():
        assert not kept.any()
        return
    total = mass.sum()
    assert mass[kept].sum() >= share * total * (1 - 1e-9)
    assert mass[kept].sum() - mass[kept].min() < share * total * (1 + 1e-9)
    assert mass[kept].min() >= mass[~kept].max(initial=0)


def test_what_is_no_number_has_no_mass() -> None:
    kept = largest_mass(np.array([1, 2, np.nan, 3, 0], np.float32), 0.8)
    assert kept.tolist() == [False, True, False, True, False]
    assert not largest_mass(np.array([np.nan, 0]), 0.8).any()


def test_mass_goes_by_what_is_summed(explainer: sgc.Explainer) -> None:
    region = np.zeros(explainer.image_shape, bool)
    region[(slice(8, 12),) * region.ndim] = True
    half, most, all_of_it = (
        explainer.explain(region, 1, "levels", truncate=("mass", q)) for q in (0.5, 0.95, 1.0)
    )
    support = explainer.explain(region, 1, "levels", truncate="support")
    for name in half:
        kept = [one[name].kept for one in (half, most, all_of_it, support)]
        for less, more in pairwise(kept):
            assert not (less & ~more).any()
    assert half.record["question"]["truncate"] == ["mass", 0.5]


@pytest.mark.parametrize("truncate", ["support", "distance"])
def test_a_network_that_sees_everything_is_recognised(truncate: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1)
    )
    network = sgc.Network.from_module(module)
    image = RANDOM.random((32, 32), np.float32)
    found = sgc.explain(network, image, sgc.pixel(3, 4), target=1, layers="all", truncate=truncate)
    assert found["bottleneck conv"].kept.all()
    for heatmap in found.values():
        if truncate == "distance" or heatmap.kept.all():
            assert heatmap.kept.all()
            assert heatmap.note.startswith("The network sees the whole image at once")


def test_nothing_left_is_said() -> None:
    """Within M's reach the evidence speaks against, and only the far cue for it."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 2, 3, padding=1))
    nn.init.ones_(module[0].weight)
    nn.init.ones_(module[1].weight)
    image = np.full((16, 16), -1, np.float32)
    image[12:, 12:] = 1
    network = sgc.Network.from_module(module)
    found = sgc.explain(network, image, sgc.pixel(3, 3), target=1, layers="0", truncate="support")
    (heatmap,) = found.values()
    assert not heatmap.heatmap.any()
    assert "cut off" in heatmap.empty


@pytest.mark.parametrize("lazy", [False, True])
def test_a_truncated_explanation_is_saved_and_opened(tmp_path, lazy: bool) -> None:
    image = RANDOM.random((40, 44), np.float32)
    network = cue_network(2)
    found = sgc.explain(network, image, sgc.pixel(9, 9), target=1, layers="all", truncate="support")
    again = sgc.open_explanation(found.save(tmp_path / "cut.sgc.zarr"), lazy=lazy)
    for name, heatmap in found.items():
        for mine, theirs in (
            (heatmap.heatmap, again[name].heatmap),
            (heatmap.kept, again[name].kept),
            (heatmap.resized(), again[name].resized()),
        ):
            np.testing.assert_array_equal(mine, np.asarray(theirs))
        assert again[name].kept_share == heatmap.kept_share


@pytest.mark.parametrize(
    "share", [np.float32(0.95), np.float64(0.95), Fraction(19, 20), 1, np.int64(1)]
)
def test_any_real_number_is_a_share(share: object) -> None:
    found = Truncation.of(("mass", share))
    assert found is not None
    assert found.describe() == ["mass", float(share)]


@pytest.mark.parametrize(
    "given",
    [
        np.array([1, 2]),
        np.array(["mass", "0.5"]),
        ("mass", np.array([1, 2])),
        ("mass", True),
        ("mass", float("nan")),
        (np.array([1, 2]), 0.5),
        0.5,
    ],
)
def test_what_is_no_truncation_is_told(given: object) -> None:
    with pytest.raises(sgc.OptionError, match="expected None, 'support', 'distance'"):
        Truncation.of(given)
