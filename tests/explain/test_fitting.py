"""Images that take more memory than is free are refused, and it is said what to do."""

import math

import psutil
import pytest
import torch
from test_crops import network_of

import napari_seggradcam as sgc
from architectures import SqueezeExcitation
from napari_seggradcam.explain import fitting
from napari_seggradcam.explain.fitting import (
    bytes_per_pixel,
    free_memory,
    needed_memory,
    pixels_at_once,
)

SHAPE = (3000, 4000)


def with_free(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(fitting, "free_memory", lambda device: number)


def test_an_image_that_fits_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("own")
    needed = needed_memory(network, SHAPE)
    with_free(monkeypatch, needed + 1000)
    assert pixels_at_once(network, SHAPE, 1000) is None
    with_free(monkeypatch, needed + 999)
    parts = pixels_at_once(network, SHAPE, 1000)
    assert parts is not None
    assert parts * bytes_per_pixel(network) < needed
    with_free(monkeypatch, needed // 8)
    with pytest.raises(sgc.ImageError, match=r"3,000 × 4,000 pixels takes about 1\.39 GiB.*free"):
        pixels_at_once(network, SHAPE, 0)


def test_what_does_not_fit_as_a_whole_is_answered_by_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = network_of("own")
    image = torch.rand(480, 352, generator=torch.Generator().manual_seed(0)).numpy()
    region = sgc.pixel(17, 300) | sgc.pixel(400, 8)
    whole = sgc.explain(network, image, region, target=1, layers="all")
    direct = sgc.explain(network, image, sgc.pixel(200, 100), target=1, layers="bottleneck")
    needed = needed_memory(network, image.shape)
    with_free(monkeypatch, needed - 1)
    explainer = sgc.Explainer(network, image, memory=needed // 4)
    assert abs(explainer.logits - network.predict(image)).max() < 1e-4
    assert (
        explainer.views.view(0).activations.most < image.size
    )  # the logits alone were made by parts, too
    parts = explainer.explain(region, 1, "all")
    assert explainer.views.view(0).activations.most < image.size
    for name, heatmap in parts.items():
        largest = abs(whole[name].signed).max()
        assert abs(heatmap.signed - whole[name].signed).max() <= 1e-4 * largest
    assert abs(explainer.logits - network.predict(image)).max() < 1e-4
    # What there is room for is kept, and read the next time.
    assert 0 < explainer.memory_used <= needed // 4
    (name,) = explainer.explain(region, 1, "bottleneck")
    used = explainer.memory_used
    again = explainer.explain(sgc.pixel(200, 100), 1, "bottleneck")
    assert explainer.memory_used == used
    largest = abs(direct[name].signed).max()
    assert abs(again[name].signed - direct[name].signed).max() <= 1e-4 * largest


@pytest.mark.parametrize("local", [True, False])
def test_the_advice_is_one_that_helps(monkeypatch: pytest.MonkeyPatch, local: bool) -> None:
    network = network_of("own") if local else sgc.Network.from_module(SqueezeExcitation())
    with_free(monkeypatch, 2**30 // 2)
    with pytest.raises(sgc.ImageError) as refused:
        pixels_at_once(network, (9000, 9000), 0)
    assert "0.5 GiB are free" in str(refused.value)
    assert ("explain_large" in str(refused.value)) == local
    assert ("seggradcam explain --large" in str(refused.value)) == local
    assert "choose a part of the image" in str(refused.value)


def test_gradients_of_the_whole_and_double_precision_take_more() -> None:
    network = network_of("own")
    everything = bytes_per_pixel(network) * math.prod(SHAPE)
    assert needed_memory(network, SHAPE) == pytest.approx(everything / 3, abs=1)
    double = network.at_precision("float64")
    assert needed_memory(double, SHAPE) == pytest.approx(2 * everything / 3, abs=1)
    seeing = sgc.Network.from_module(SqueezeExcitation())
    assert needed_memory(seeing, SHAPE) == bytes_per_pixel(seeing) * math.prod(SHAPE)


def test_what_is_free_is_asked_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_memory(torch.device("cpu"))
    assert 0 < free <= psutil.virtual_memory().total
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 9))
    assert free_memory(torch.device("cuda", 0)) == 7
