"""Regions on the image and on the output, padding, and where maps lie."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import napari_seggradcam as sgc
from napari_seggradcam.explain.regions.output import on_output
from napari_seggradcam.explain.regions.region import Footprint, Region, as_region
from napari_seggradcam.networks.outputs import MapGrid


def unet(**options: object) -> sgc.Network:
    torch.manual_seed(0)
    return sgc.Network.from_module(sgc.UNet(**{"depth": 2, "base_width": 4, **options}))


def footprint(mask: np.ndarray) -> Footprint:
    return Footprint.of(as_region(mask), mask.shape, lambda window: pytest.fail("not needed"))


def pixels_of(region: Region, shape: tuple[int, ...]) -> np.ndarray:
    return region.mask(shape, lambda window: pytest.fail("not needed"))


RANDOM = np.random.default_rng(5)


def test_maps_of_an_odd_image_cover_it_and_no_more() -> None:
    image = RANDOM.random((37, 50), np.float32)
    explanation = sgc.explain(unet(), image, sgc.pixel(36, 49), target=1, layers="levels")
    for heatmap in explanation.values():
        for axis, size in enumerate(image.shape):
            n, scale, first = (
                heatmap.signed.shape[axis],
                heatmap.scale[axis],
                heatmap.translate[axis],
            )
            assert first == (scale - 1) / 2
            assert (n - 1) * scale - 0.5 < size - 0.5 <= n * scale - 0.5 + 1e-9
        assert heatmap.resized().shape == image.shape


def test_image_smaller_than_one_step_is_explained() -> None:
    explanation = sgc.explain(unet(), RANDOM.random((3, 2), np.float32), sgc.everywhere(), target=1)
    assert explanation["bottleneck relu 2"].signed.shape == (1, 1)
    assert explanation.record["image"]["padding_after"] == [1, 2]


def test_padding_equals_a_mirrored_image() -> None:
    network, image = unet(), RANDOM.random((30, 31), np.float32)
    padded = np.pad(image, [(0, 2), (0, 1)], mode="reflect")
    mask = np.zeros(image.shape, bool)
    mask[20:, 25:] = True
    small = sgc.explain(network, image, mask, target=1, layers="decoder 0 relu 2")
    large = sgc.explain(
        network, padded, np.pad(mask, [(0, 2), (0, 1)]), target=1, layers="decoder 0 relu 2"
    )
    assert small.score == large.score
    (first,), (second,) = small.values(), large.values()
    np.testing.assert_array_equal(first.signed, second.signed[:30, :31])


def test_unpadded_network_covers_the_image_by_mirroring() -> None:
    """M is cut out on the output, and maps lie where the convolutions have put them."""
    network = unet(convolution="valid")
    image = RANDOM.random((30, 32), np.float32)
    explainer = sgc.Explainer(network, image)
    assert explainer.logits.shape == (2, 30, 32)
    explanation = explainer.explain(sgc.pixel(7, 9), target=1, layers="all")
    assert explanation.score == pytest.approx(float(explainer.logits[1, 7, 9]), rel=1e-6)
    last = explanation["decoder 0 relu 2"]
    assert last.translate == (0, 0)
    assert last.signed.shape[0] >= 30
    bias = network.module.head.bias[1].item()
    expected = (explainer.logits[1] - bias) / last.signed.size
    ratio = last.signed[:30, :32] / expected
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


class Strided(nn.Module):
    """Logits at a quarter of the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 4, stride=4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(functional.relu(self.down(x)))


def test_region_on_logits_of_lower_resolution_counts_by_share() -> None:
    network = sgc.Network.from_module(Strided())
    image = RANDOM.random((32, 40), np.float32)
    mask = np.zeros(image.shape, bool)
    mask[4:8, 8:12] = True  # one whole block
    mask[0:2, 0:4] = True  # half of another
    explanation = sgc.explain(network, image, mask, target=1, layers="down")
    with torch.no_grad():
        logits = network.module(torch.from_numpy(image)[None, None])[0, 1].numpy()
    assert explanation.score == pytest.approx(float(logits[1, 2] + 0.5 * logits[0, 0]), rel=1e-5)
    assert (
        "share of M in every block of 4 × 4" in explanation.record["question"]["region_on_output"]
    )
    predicted = network.predict(image)
    assert predicted.shape == (2, 32, 40)
    expected = functional.interpolate(
        torch.from_numpy(logits)[None, None], (32, 40), mode="bilinear"
    )[0, 0]
    np.testing.assert_allclose(predicted[1], expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(st.data())
def test_shares_on_the_output_keep_the_number_of_pixels(data: st.DataObject) -> None:
    block = data.draw(st.sampled_from([1, 2, 4]))
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=3)))
    mask = (
        np.random.default_rng(data.draw(st.integers(0, 99))).random([n * block for n in shape])
        < 0.3
    )
    mask.flat[0] = True
    grid = MapGrid(shape, (float(block),) * len(shape), ((block - 1) / 2,) * len(shape))
    region = on_output(footprint(mask), grid)
    assert region.weights.sum() * block**mask.ndim == pytest.approx(mask.sum())


def test_region_outside_the_output_is_an_error() -> None:
    mask = np.zeros((20, 20), bool)
    mask[0, 0] = True
    with pytest.raises(sgc.RegionError, match="none of them lies on the network's output"):
        on_output(footprint(mask), MapGrid((10, 10), (1.0, 1.0), (5.0, 5.0)))


def test_resized_equals_torch_interpolation() -> None:
    image = RANDOM.random((32, 48), np.float32)
    explanation = sgc.explain(unet(), image, sgc.pixel(4, 4), target=1, layers="levels")
    for heatmap in explanation.values():
        expected = functional.interpolate(
            torch.from_numpy(heatmap.signed)[None, None],
            image.shape,
            mode="bilinear",
            align_corners=False,
        )[0, 0].numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(heatmap.resized(signed=True), expected, atol=1e-5 * scale)
        np.testing.assert_allclose(heatmap.resized(), np.maximum(expected, 0), atol=1e-5 * scale)


def test_colour_image_and_volume() -> None:
    colour = sgc.Network.from_module(unet(in_channels=3).module, channels=3)
    image = RANDOM.integers(0, 255, (16, 20, 3), dtype=np.uint8)
    first = sgc.explain(colour, image, sgc.pixel(2, 3), axes="YXC", target=1)
    second = sgc.explain(colour, image.transpose(2, 0, 1), sgc.pixel(2, 3), axes="CYX", target=1)
    assert first.score == second.score
    volume = sgc.Network.from_module(sgc.UNet(ndim=3, depth=1, base_width=2), axes="CZYX")
    explanation = sgc.explain(
        volume, RANDOM.random((5, 8, 9), np.float32), sgc.pixel(2, 3, 4), target=1, layers="levels"
    )
    assert explanation["bottleneck relu 2"].signed.shape == (3, 4, 5)


# ---- regions ----

IMAGE = RANDOM.random((16, 20), np.float32)
EXPLAINER = sgc.Explainer(unet(), IMAGE)


def mask_of(region: object) -> np.ndarray:
    return EXPLAINER.explain(region, target=1).region


def test_regions_are_the_sets_they_say() -> None:
    labels = RANDOM.integers(0, 4, IMAGE.shape)
    np.testing.assert_array_equal(mask_of(sgc.label(labels, 2)), labels == 2)
    assert mask_of(sgc.everywhere()).all()
    assert np.argwhere(mask_of(sgc.pixel(3, 4))).tolist() == [[3, 4]]
    for target in np.unique(EXPLAINER.prediction):
        np.testing.assert_array_equal(
            mask_of(sgc.predicted(int(target))), EXPLAINER.prediction == target
        )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99))
def test_union_intersection_difference(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (random.random(IMAGE.shape) < 0.5 for _ in range(2))
    first = sgc.label(a.astype(int), 1)
    np.testing.assert_array_equal(mask_of(first | b), a | b)
    np.testing.assert_array_equal(mask_of(first & b), a & b)
    np.testing.assert_array_equal(mask_of(first - b), a & ~b)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.zeros(IMAGE.shape, bool), "has no pixel on the image"),
        (np.ones((4, 4), bool), r"shape \(4, 4\) and the image \(16, 20\)"),
        (np.full(IMAGE.shape, 2), "expected a boolean array"),
        (np.full(IMAGE.shape, np.nan), "weights that are not finite"),
        (sgc.border(sgc.everywhere()), "has no pixel on the image"),
        (sgc.contrast(sgc.everywhere(), sgc.pixel(1, 2)), "on one side only"),
        (sgc.contrast(sgc.pixel(1, 2), sgc.pixel(1, 2)), "has no pixel on the image"),
        (sgc.pixel(16, 0), "lies outside the image"),
        (sgc.pixel(-1, 0), "lies outside the image"),
        (sgc.pixel(1, 2, 3), "lies outside the image"),
        (sgc.label(np.zeros((16, 20), int), 7), r"\(label 7\) has no pixel"),
        (sgc.everywhere() - np.ones(IMAGE.shape, bool), "without drawn"),
    ],
)
def test_bad_regions(region: object, message: str) -> None:
    with pytest.raises(sgc.RegionError, match=message):
        EXPLAINER.explain(region, target=1)


@pytest.mark.parametrize("method", ["seg-grad-cam", "ablation-cam", "occlusion"])
def test_a_class_against_itself_is_refused_before_anything_runs_for_it(method: str) -> None:
    predicted = int(np.bincount(EXPLAINER.prediction.ravel()).argmax())
    steps: list[object] = []
    with pytest.raises(sgc.TargetError, match="against itself"):
        EXPLAINER.explain(
            sgc.everywhere(),
            method=method,
            score="margin",
            versus=predicted,
            progress=lambda *step: steps.append(step),
        )
    assert steps == []


def test_bad_questions() -> None:
    everywhere = sgc.everywhere()
    with pytest.raises(sgc.TargetError, match="its classes are 0 \\(class 0\\), 1"):
        EXPLAINER.explain(everywhere, target=2)
    with pytest.raises(sgc.TargetError):
        EXPLAINER.explain(everywhere, target="nucleus")
    with pytest.raises(sgc.LayerError, match="There is no network layer 'conv9'"):
        EXPLAINER.explain(everywhere, layers="conv9")
    with pytest.raises(sgc.OptionError, match="known are 'seg-grad-cam'"):
        EXPLAINER.explain(everywhere, method="grad-cam")
    with pytest.raises(sgc.OptionError, match=r"^score is 'softmax'; known are 'logit', 'margin'"):
        EXPLAINER.explain(everywhere, score="softmax")
    with pytest.raises(sgc.OptionError, match="only asked against by score"):
        EXPLAINER.explain(everywhere, versus=0)
    with pytest.raises(sgc.TargetError, match="against itself"):
        EXPLAINER.explain(everywhere, target=1, score="margin", versus=1)
    with pytest.raises(sgc.OptionError, match="'layer-cam' has no option window; it takes none"):
        EXPLAINER.explain(everywhere, method="layer-cam", window=3)
    with pytest.raises(sgc.OptionError, match="expected a whole number from 1"):
        EXPLAINER.explain(everywhere, method="seg-xres-cam", window=0)
    with pytest.raises(sgc.OptionError, match="share q above 0"):
        EXPLAINER.explain(everywhere, truncate=("mass", 1.5))
    with pytest.raises(sgc.RegionError, match="takes sets of pixels"):
        sgc.pixel(1, 2) | np.full(IMAGE.shape, 0.5)
    with pytest.raises(sgc.ImageError, match="1 value"):
        sgc.Explainer(unet(), np.where(np.arange(400).reshape(20, 20) == 7, np.nan, 1.0))
    with pytest.raises(sgc.ShapeError, match="4 channels and the network takes 1"):
        sgc.Explainer(unet(), np.zeros((4, 16, 16)))


def test_predicted_target_is_the_majority_in_the_region() -> None:
    explanation = EXPLAINER.explain(sgc.everywhere())
    counts = np.bincount(EXPLAINER.prediction.ravel())
    assert explanation.target == counts.argmax()
    assert explanation.record["question"]["target_given"] == "predicted"


def test_each_label_is_answered_in_order() -> None:
    labels = np.zeros(IMAGE.shape, int)
    labels[2:5, 2:5], labels[8:10, 8:14] = 9, 4
    explanations = EXPLAINER.explain_each(labels, target=1)
    assert list(explanations) == [4, 9]
    alone = EXPLAINER.explain(labels == 9, target=1)["bottleneck relu 2"].signed
    np.testing.assert_allclose(
        explanations[9]["bottleneck relu 2"].signed, alone, rtol=0, atol=1e-5 * abs(alone).max()
    )


def test_saved_explanation_opens_equal(tmp_path) -> None:
    explanation = EXPLAINER.explain(sgc.pixel(4, 5), target=1, layers="all")
    again = sgc.open_explanation(explanation.save(tmp_path / "out.sgc.zarr"))
    assert again.layers == explanation.layers
    assert again.record == json.loads(json.dumps(explanation.record))
    assert (again.score, again.target, again.class_name, again.region_size) == (
        explanation.score,
        1,
        "class 1",
        1,
    )
    np.testing.assert_array_equal(again.region, explanation.region)
    np.testing.assert_array_equal(again.image, IMAGE)
    for name, heatmap in explanation.items():
        other = again[name]
        np.testing.assert_array_equal(other.signed, heatmap.signed)
        np.testing.assert_array_equal(other.weights, heatmap.weights)
        assert (other.layer, other.scale, other.translate, other.empty) == (
            heatmap.layer,
            heatmap.scale,
            heatmap.translate,
            heatmap.empty,
        )


def test_the_room_is_the_function() -> None:
    explanation = sgc.explain(EXPLAINER.network, IMAGE, sgc.pixel(1, 1), target=1)
    assert explanation.layers == ("bottleneck relu 2",)


def test_an_array_and_a_region_combine_in_either_order() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    pixel = np.zeros_like(mask)
    pixel[2, 3] = True
    region = sgc.pixel(2, 3)
    for found, expected in (
        (mask | region, mask | pixel),
        (mask & region, mask & pixel),
        (mask - region, mask & ~pixel),
        (region - mask, pixel & ~mask),
        (mask.tolist() | region, mask | pixel),
    ):
        np.testing.assert_array_equal(pixels_of(found, mask.shape), expected)
    with pytest.raises(sgc.RegionError, match="takes sets of pixels"):
        np.full((4, 5), 0.5) | region


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sgc.pixel(1.7, 2), r"pixel\(1.7, 2\): expected a whole number"),
        (lambda: sgc.pixel((1, 2)), r"pixel\(\(1, 2\)\): expected a whole number"),
        (lambda: sgc.pixel(), "expected a whole number"),
        (lambda: sgc.label(np.ones((2, 2), int), "nucleus"), "asked about is 'nucleus'"),
        (lambda: sgc.label(np.ones((2, 2), int), None), "asked about is None"),
        (lambda: sgc.label(np.ones((2, 2), int), 1.5), "asked about is 1.5"),
        (lambda: as_region(np.full((2, 2), 3)), r"for weights give floats"),
        (lambda: sgc.pixel(1, 2) | None, "booleans, or of floats"),
    ],
)
def test_what_makes_no_region_is_told(make, said: str) -> None:
    with pytest.raises(sgc.RegionError, match=said):
        make()


def test_a_mask_is_a_label_image_and_no_name_a_class() -> None:
    mask = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(pixels_of(sgc.label(mask, True), mask.shape), mask)
    for ask in (sgc.false_positives, sgc.false_negatives):
        with pytest.raises(sgc.TargetError, match="expected the index of a class"):
            ask(mask.astype(int), "nucleus")


def test_without_labels_all_else_is_checked() -> None:
    none = np.zeros(IMAGE.shape, int)
    assert EXPLAINER.explain_each(none) == {}
    with pytest.raises(sgc.RegionError, match=r"labels have the shape \(4, 4\)"):
        EXPLAINER.explain_each(np.zeros((4, 4), int))
    with pytest.raises(sgc.TargetError):
        EXPLAINER.explain_each(none, 99)
    with pytest.raises(sgc.LayerError):
        EXPLAINER.explain_each(none, layers="conv9")


@pytest.mark.parametrize("given", [None, "a.pt", IMAGE])
def test_what_is_no_network_is_told(given: object, tmp_path) -> None:
    for ask in (
        lambda: sgc.Explainer(given, IMAGE),
        lambda: sgc.explain_large(given, IMAGE, sgc.everywhere(), tmp_path / "out.sgc.zarr"),
    ):
        with pytest.raises(sgc.NetworkError, match="expected a Network, as open_network makes"):
            ask()


def test_memory_is_a_number_of_bytes(tmp_path) -> None:
    network, out = EXPLAINER.network, tmp_path / "out.sgc.zarr"
    for size in ("4GiB", -1, 1.5):
        with pytest.raises(sgc.OptionError, match=r"^memory \(bytes\) is"):
            sgc.explain_large(network, IMAGE, sgc.everywhere(), out, memory=size)
        with pytest.raises(sgc.OptionError, match=r"^memory \(bytes\) is"):
            sgc.Explainer(network, IMAGE, memory=size)
    some = np.int64(2**28)
    assert sgc.explain_large(network, IMAGE, sgc.everywhere(), out, memory=some).layers


def test_a_layer_that_was_not_answered_is_told_in_either_way() -> None:
    found = EXPLAINER.explain(sgc.pixel(1, 2), 1, "all")
    for expected in (KeyError, sgc.LayerError):
        with pytest.raises(expected) as told:
            found["bottleneck"]
    assert str(told.value).startswith("The explanation has no network layer 'bottleneck'; it has '")
    assert found.get("bottleneck") is None
    assert "bottleneck" not in found
