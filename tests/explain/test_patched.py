"""Networks that are explained on patches, as their own inference goes through an image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import napari_seggradcam as sgc
from napari_seggradcam.networks.normalisation import ZeroMeanUnitVariance
from napari_seggradcam.networks.sliding import first_pixels, importance
from progress import CancelAfter
from sliding_windows import average_of_windows, steps_of_nnunet, weights_of_nnunet

NORMS = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


class Seeing(nn.Module):
    """Instance norms make the size of the input part of the answer."""

    def __init__(self, ndim: int = 2):
        super().__init__()
        convolution = CONVOLUTIONS[ndim]
        self.first = convolution(1, 3, 3, padding=1)
        self.norm = NORMS[ndim](3)
        self.pool = POOLS[ndim](2)
        self.deep = convolution(3, 4, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.last = convolution(7, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        deep = torch.relu(self.deep(self.pool(x)))
        return self.last(torch.cat([x, self.up(deep)], 1))


def networks(patch: tuple[int, ...]) -> tuple[sgc.Network, sgc.Network]:
    """The same module, explained on patches and on whole images."""
    torch.manual_seed(3)
    module = Seeing(len(patch)).eval()
    axes = {2: "CYX", 3: "CZYX"}[len(patch)]
    norm = ZeroMeanUnitVariance()
    patched = sgc.Network.from_module(module, axes=axes, normalisation=norm, patch=patch)
    return patched, sgc.Network.from_module(module, axes=axes)


def noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(5).gamma(2.0, 20.0, shape).astype(np.float32)


@pytest.mark.parametrize("patch", [1, 2, 7, 32, 48])
def test_positions(patch: int) -> None:
    for size in range(patch, 5 * patch + 2):
        assert list(first_pixels(size, patch)) == steps_of_nnunet(size, patch)


def test_the_example_of_nnunet() -> None:
    assert first_pixels(110, 64) == (0, 23, 46)


@pytest.mark.parametrize("patch", [(8,), (16, 10), (7, 12, 9)])
def test_weights_are_those_of_nnunet(patch: tuple[int, ...]) -> None:
    expected = weights_of_nnunet(patch)
    np.testing.assert_allclose(importance(patch), expected, rtol=1e-5)
    assert importance(patch).min() > 0


def reference(module: nn.Module, image: NDArray[np.float32], patch: tuple[int, ...]) -> object:
    """Sliding windows as nnU-Net's predictor goes, in double precision."""
    values = (image - image.mean()) / image.std()
    missing = [max(0, p - n) for p, n in zip(patch, image.shape, strict=True)]
    values = np.pad(values, [(n // 2, n // 2 + n % 2) for n in missing])
    logits = average_of_windows(module, values, patch)
    inside = tuple(slice(n // 2, n // 2 + s) for n, s in zip(missing, image.shape, strict=True))
    return logits[:, *inside]


CASES = {
    "larger": ((50, 61), (32, 24)),
    "a patch": ((32, 24), (32, 24)),
    "smaller": ((17, 40), (32, 24)),
    "volume": ((13, 20, 24), (8, 12, 16)),
    "thin volume": ((5, 20, 16), (8, 12, 16)),
}


@pytest.mark.parametrize(("shape", "patch"), CASES.values(), ids=CASES)
def test_prediction_goes_from_patch_to_patch(
    shape: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    network, _ = networks(patch)
    image = noise(shape)
    expected = reference(network.module, image, patch)
    np.testing.assert_allclose(network.predict(image), expected, atol=1e-5)
    explainer = sgc.Explainer(network, image)
    np.testing.assert_array_equal(explainer.logits, network.predict(image))
    assert explainer.prediction.shape == shape


@pytest.mark.parametrize(("shape", "patch"), CASES.values(), ids=CASES)
def test_explanation_is_that_of_the_patch_alone(
    shape: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    network, whole = networks(patch)
    image = noise(shape)
    region = np.zeros(shape, bool)
    region[tuple(slice(n // 2, n // 2 + 3) for n in shape)] = True
    found = sgc.explain(network, image, region, target=1, layers="all")

    facts = found.record["image"]["patch"]
    assert (facts["size"], facts["region_inside"]) == (list(patch), 1)
    values = (image - image.mean()) / image.std()
    missing = [max(0, p - n) for p, n in zip(patch, shape, strict=True)]
    lead = [n // 2 for n in missing]
    padded = np.pad(values, [(n // 2, n - n // 2) for n in missing])
    mask = np.pad(region, [(n // 2, n - n // 2) for n in missing])
    first = [f + b for f, b in zip(facts["first"], lead, strict=True)]
    for start, size, length in zip(first, padded.shape, patch, strict=True):
        assert start in steps_of_nnunet(size, length)
    window = tuple(slice(f, f + p) for f, p in zip(first, patch, strict=True))
    expected = sgc.explain(whole, padded[window], mask[window], target=1, layers="all")

    assert found.score == pytest.approx(expected.score, rel=1e-5)
    assert found.layers == expected.layers
    for name, wanted in expected.items():
        got = found[name]
        scale = np.abs(wanted.signed).max()
        np.testing.assert_allclose(got.weights, wanted.weights, atol=1e-6)
        # Where the image is, at every pixel: placed as the patch lies.
        for signed in (False, True):
            inside = np.zeros((*padded.shape,), np.float32)
            inside[window] = wanted.resized(signed)
            cut = inside[tuple(slice(b, b + n) for b, n in zip(lead, shape, strict=True))]
            there = got.resized(signed)
            assert there.shape == shape
            if not any(missing):  # with padding, positions on it are cut away
                np.testing.assert_allclose(there, cut, atol=1e-5 * scale)
        for at, (start, stride) in enumerate(zip(facts["first"], got.scale, strict=True)):
            if not missing[at]:
                assert got.translate[at] == start + wanted.translate[at]
            assert got.scale[at] == stride


def windows_with(explainer: sgc.Explainer, region: NDArray[np.bool_]) -> tuple[int, ...]:
    record = explainer.explain(region, target=1).record
    return tuple(record["image"]["patch"]["first"])


def test_the_patch_has_the_region_about_its_middle() -> None:
    network, _ = networks((16, 16))
    explainer = sgc.Explainer(network, noise((16, 40)))  # patches from 0, 8, 16 and 24
    for x, first in {0: 0, 7: 0, 12: 8, 15: 8, 17: 8, 20: 16, 39: 24}.items():
        region = np.zeros((16, 40), bool)
        region[8, x : x + 2] = True
        assert windows_with(explainer, region)[1] == first, x
    # Two objects that only one patch has both of, although it has them at its ends.
    region = np.zeros((16, 40), bool)
    region[8, [8, 23]] = True
    assert windows_with(explainer, region) == (0, 8)


def test_what_does_not_fit_is_told() -> None:
    network, _ = networks((16, 16))
    explainer = sgc.Explainer(network, noise((16, 40)))
    region = np.zeros((16, 40), bool)
    region[4, 2:40] = True  # 38 pixels, of which a patch has 16
    with pytest.warns(RuntimeWarning, match=r"patch of 16 × 16 pixels, which has 42.1% of the reg"):
        found = explainer.explain(region, target=1, layers="all")
    assert found.region_size == 38
    assert found.record["image"]["patch"]["region_inside"] == 16 / 38
    assert "22 pixels of M lie outside" in found.record["question"]["region_on_output"]
    (low, high) = found[found.layers[0]].patch[1]
    outside = np.ones(40, bool)
    outside[low:high] = False
    assert all(not heatmap.resized()[:, outside].any() for heatmap in found.values())


def test_many_labels_and_the_predicted_class() -> None:
    network, _ = networks((16, 16))
    image = noise((24, 40))
    labels = np.zeros((24, 40), int)
    for value, (y, x) in enumerate([(2, 2), (10, 20), (18, 34), (3, 4)], start=1):
        labels[y : y + 3, x : x + 3] = value
    explainer = sgc.Explainer(network, image)
    each = explainer.explain_each(labels, layers="all")
    assert list(each) == [1, 2, 3, 4]
    for value, found in each.items():
        alone = sgc.explain(network, image, sgc.label(labels, value), layers="all")
        inside = labels == value
        assert found.target == np.bincount(explainer.prediction[inside]).argmax()
        assert (alone.target, alone.score) == (found.target, pytest.approx(found.score))
        for name, heatmap in alone.items():
            np.testing.assert_allclose(found[name].signed, heatmap.signed, atol=1e-5)
            assert found[name].translate == heatmap.translate


def test_changed_weights_are_noticed() -> None:
    network, _ = networks((16, 16))
    image, region = noise((24, 24)), sgc.pixel(12, 12)
    explainer = sgc.Explainer(network, image)
    before = explainer.explain(region, target=1).score, explainer.logits
    with torch.no_grad():
        network.module.last.weight.mul_(2)
    np.testing.assert_array_equal(explainer.logits, network.predict(image))
    after = explainer.explain(region, target=1).score
    assert after == sgc.explain(network, image, region, target=1).score != before[0]
    assert not np.array_equal(explainer.logits, before[1])


def test_saved_and_opened_again(tmp_path: Path) -> None:
    network, _ = networks((16, 16))
    found = sgc.explain(network, noise((24, 40)), sgc.pixel(12, 30), target=1)
    for lazy in (False, True):
        opened = sgc.open_explanation(found.save(tmp_path / "e.sgc.zarr"), lazy=lazy)
        for name, heatmap in found.items():
            assert opened[name].patch == heatmap.patch
            np.testing.assert_array_equal(np.asarray(opened[name].resized()), heatmap.resized())


def test_patches_that_can_not_be(tmp_path: Path) -> None:
    for patch in ((16,), (16, 0), (16, 16, 16)):
        with pytest.raises(sgc.OptionError, match="expected 2 sizes in pixels"):
            sgc.Network.from_module(Seeing(), patch=patch)
    network = sgc.Network.from_module(Seeing(), patch=(16, 15))
    with pytest.raises(sgc.OptionError, match=r"no patches of 16 × 15 pixels: along axis 1"):
        network.predict(noise((20, 20)))
    network, _ = networks((16, 16))
    with pytest.raises(sgc.NetworkError, match="explained on patches as a whole"):
        sgc.explain_large(network, noise((24, 24)), sgc.everywhere(), tmp_path / "e.sgc.zarr")


def test_a_prediction_can_be_cancelled() -> None:
    network, _ = networks((16, 16))
    cancel = CancelAfter(4)
    with pytest.raises(sgc.Cancelled):
        sgc.Explainer(network, noise((40, 40))).explain(sgc.pixel(3, 3), cancel=cancel)
    with pytest.raises(sgc.Cancelled):
        network.predict(noise((40, 40)), cancel=cancel)


def test_the_budget_is_that_of_whichever_patch() -> None:
    network, _ = networks((16, 16))
    explainer = sgc.Explainer(network, noise((16, 40)), memory=2**20)
    assert (explainer.memory, explainer.memory_used) == (2**20, 0)
    explainer.explain(sgc.pixel(8, 2), target=1, layers="all")
    used = explainer.memory_used
    assert 0 < used <= 2**20
    explainer.explain(sgc.pixel(8, 38), target=1, layers="all")
    assert explainer.memory_used == used  # of the patch before nothing is kept
    explainer.memory = used // 2
    assert explainer.memory_used <= used // 2
    explainer.explain(sgc.pixel(8, 2), target=1, layers="all")
    assert (explainer.memory, explainer.memory_used <= used // 2) == (used // 2, True)
